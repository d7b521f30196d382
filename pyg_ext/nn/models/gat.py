from typing import Any

from torch import Tensor
from torch_geometric.nn import GATConv, GATv2Conv, MessagePassing
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.drop_message import DropMessage
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
            :class:`torch_geometric.nn.GATv2Conv`, of the `"How Attentive are
            Graph Attention Networks?" <https://arxiv.org/abs/2105.14491>`_
            paper. (default: :obj:`False`)

    With :obj:`return_attention_weights=True`, the forward pass returns a
    pair: the output, and a list of :obj:`(edge_index, alpha)` for each layer,
    as the layers have it. There, :obj:`edge_index` has the self-loops that
    the layer adds, at the end, and :obj:`alpha`, of shape
    :math:`(|\mathcal{E}|, H)`, is the attention of each head. In training, it
    is what dropout leaves of it. Gates of :obj:`skip='gate'` have an
    attention of their own, which is not in the list.

    .. code-block:: python

        out, weights = model(x, edge_index, return_attention_weights=True)
        for edges, alpha in weights:
            print(attention_entropy(edges, alpha, len(x)))
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

    def forward(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: OptTensor = None,
        edge_attr: OptTensor = None,
        batch: OptTensor = None,
        return_attention_weights: bool | None = None,
    ) -> Tensor | tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        given = (x, edge_index, edge_weight, edge_attr, batch)
        asked = return_attention_weights
        if asked is None or asked is False:  # and no tracer's proxy
            return super().forward(*given)
        weights, hooks = [], []
        for conv in self.convs:
            conv = conv.conv if isinstance(conv, DropMessage) else conv
            hooks += [
                conv.register_forward_pre_hook(_ask, with_kwargs=True),
                conv.register_forward_hook(
                    lambda conv, inputs, out: weights.append(out[1]) or out[0]
                ),
            ]
        try:
            return super().forward(*given), weights
        finally:
            for hook in hooks:
                hook.remove()

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        return edge_list(edge_index, None, x.size(0))[0], None


def _ask(conv: MessagePassing, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """Has a convolution return its attention as well."""
    return inputs, {**kwargs, 'return_attention_weights': True}
