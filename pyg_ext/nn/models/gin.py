from torch import Tensor
from torch_geometric.nn import MLP, GINConv, GINEConv, MessagePassing
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.utils import CSRTensor, edge_list
from pyg_ext.utils.checks import check_adj


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
        train_eps (bool, optional): Whether :math:`\epsilon` is learned.
            (default: :obj:`True`)
        mlp_norm (str, optional): The norm inside of the perceptrons, by the
            name that :class:`torch_geometric.nn.MLP` takes.
            (default: :obj:`'batch_norm'`)
    """

    supports_edge_weight = False
    takes_sparse = False

    def init_conv(
        self,
        in_channels: int,
        out_channels: int,
        last: bool,
        edge_dim: int | None = None,
        train_eps: bool = True,
        mlp_norm: str | None = 'batch_norm',
        **kwargs,
    ) -> MessagePassing:
        mlp = MLP(
            [in_channels, out_channels, out_channels],
            act=self.act,
            act_first=self.act_first,
            norm=mlp_norm,
        )
        kwargs['train_eps'] = train_eps
        if edge_dim is not None:
            return GINEConv(mlp, edge_dim=edge_dim, **kwargs)
        return GINConv(mlp, **kwargs)

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        if isinstance(edge_index, CSRTensor):
            return check_adj(edge_index, None, x.size(0), signed=True)
        return edge_list(edge_index, None, x.size(0))[0], None
