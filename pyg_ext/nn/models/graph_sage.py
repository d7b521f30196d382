from torch import Tensor
from torch_geometric.nn import MessagePassing, SAGEConv
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.utils import CSRTensor, mean_adj


class GraphSAGE(ConvStack):
    r"""The network of the `"Inductive Representation Learning on Large
    Graphs" <https://arxiv.org/abs/1706.02216>`_ paper with mean aggregation
    at any depth, with the remedies of :class:`ConvStack`.

    The layers are :class:`torch_geometric.nn.SAGEConv`. The adjacency is
    divided by its sums once for all of them, so that weights of edges give a
    weighted mean, or not at all when it comes from
    :func:`pyg_ext.utils.mean_adj`. Node features must be dense.

    Args, errors and shapes are those of :class:`ConvStack`.
    """

    def init_conv(
        self, in_channels: int, out_channels: int, last: bool
    ) -> MessagePassing:
        return SAGEConv(in_channels, out_channels, aggr='sum')

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        if isinstance(edge_index, CSRTensor):
            return edge_index, None
        return mean_adj(edge_index, edge_weight, x.size(0), x.dtype), None
