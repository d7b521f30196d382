from torch import Tensor
from torch_geometric.nn import MLP, GINConv, GINEConv, MessagePassing
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.utils import CSRTensor, edge_list


class GIN(ConvStack):
    r"""The graph isomorphism network of the `"How Powerful are Graph Neural
    Networks?" <https://arxiv.org/abs/1810.00826>`_ paper at any depth, with
    the remedies of :class:`ConvStack`.

    The layers are :class:`torch_geometric.nn.GINConv` with a perceptron of
    two layers, batch norm between them, and a learned :math:`\epsilon`.
    Weights of edges do not count, unless a
    :class:`~pyg_ext.utils.CSRTensor` holds them, which is used as it is. Node
    features must be dense.

    Args, errors and shapes are those of :class:`ConvStack`, and

    Args:
        edge_dim (int, optional): Size of each edge feature, with which the
            layers are :class:`torch_geometric.nn.GINEConv`.
            (default: :obj:`None`)
    """

    takes_sparse = False

    def init_conv(
        self,
        in_channels: int,
        out_channels: int,
        last: bool,
        edge_dim: int | None = None,
    ) -> MessagePassing:
        mlp = MLP([in_channels, out_channels, out_channels])
        if edge_dim is not None:
            return GINEConv(mlp, train_eps=True, edge_dim=edge_dim)
        return GINConv(mlp, train_eps=True)

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        if isinstance(edge_index, CSRTensor):
            return edge_index, None
        return edge_list(edge_index, None, x.size(0))[0], None
