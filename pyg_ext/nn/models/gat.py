from torch import Tensor
from torch_geometric.nn import GATConv, GATv2Conv, MessagePassing
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.utils import edge_list


class GAT(ConvStack):
    r"""The graph attention network of the `"Graph Attention Networks"
    <https://arxiv.org/abs/1710.10903>`_ paper at any depth, with the remedies
    of :class:`ConvStack`.

    The layers are :class:`torch_geometric.nn.GATConv`, of which the last
    takes the mean of its heads. They know no weights of edges.

    Args, errors and shapes are those of :class:`ConvStack`, and

    Args:
        heads (int, optional): Number of heads, a divisor of
            :obj:`hidden_channels`. (default: :obj:`8`)
        attention_dropout (float, optional): Dropout probability of the
            attention. (default: :obj:`0.0`)
        edge_dim (int, optional): Size of each edge feature.
            (default: :obj:`None`)
        v2 (bool, optional): Whether the layers are
            :class:`torch_geometric.nn.GATv2Conv`. (default: :obj:`False`)
    """

    supports_edge_weight = False

    def init_conv(
        self,
        in_channels: int,
        out_channels: int,
        last: bool,
        heads: int = 8,
        attention_dropout: float = 0.0,
        edge_dim: int | None = None,
        v2: bool = False,
        **kwargs,
    ) -> MessagePassing:
        if not last and out_channels % heads:
            raise ValueError(
                f'heads must divide the {out_channels} channels of a layer '
                f'(got {heads})'
            )
        return (GATv2Conv if v2 else GATConv)(
            in_channels,
            out_channels if last else out_channels // heads,
            heads,
            concat=not last,
            dropout=attention_dropout,
            edge_dim=edge_dim,
            **kwargs,
        )

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        return edge_list(edge_index, None, x.size(0))[0], None
