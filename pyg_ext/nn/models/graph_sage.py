from torch import Tensor
from torch_geometric.nn import GraphConv, MessagePassing
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.utils import mean_norm_once
from pyg_ext.utils.checks import check_options


class GraphSAGE(ConvStack):
    r"""The network of the `"Inductive Representation Learning on Large
    Graphs" <https://arxiv.org/abs/1706.02216>`_ paper with mean aggregation
    at any depth, with the remedies of :class:`ConvStack`.

    The layers are :class:`torch_geometric.nn.GraphConv`, which is
    :class:`torch_geometric.nn.SAGEConv` with weights of edges. These are
    divided by their sums once for all layers, so that they give a weighted
    mean, or not at all when the adjacency comes from
    :func:`pyg_ext.utils.mean_adj`. Node features must be dense.

    Args, errors and shapes are those of :class:`ConvStack`.
    """

    takes_sparse = False

    def init_conv(
        self, in_channels: int, out_channels: int, last: bool, **kwargs
    ) -> MessagePassing:
        check_options(kwargs, aggr=['add'], flow=['source_to_target'])
        return GraphConv(in_channels, out_channels, **kwargs)

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        return mean_norm_once(edge_index, edge_weight, x.size(0), x.dtype)
