from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import LayerNorm, Linear
from torch_geometric.nn import (
    GATConv,
    GCNConv,
    GENConv,
    JumpingKnowledge,
    MessagePassing,
    SAGEConv,
)
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.act import make_act
from pyg_ext.nn.block import GNNBlock
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.models.graph_model import GraphModel, linear
from pyg_ext.nn.reversible import ReversibleSequential
from pyg_ext.utils import dropout as drop
from pyg_ext.utils.checks import check_adj, check_name, check_options
from pyg_ext.utils.deprecation import renamed

Factory = Callable[..., MessagePassing]

CONVS: dict[str, Factory] = {
    'gcn': lambda channels, **kwargs: GCNConv(
        channels, channels, normalize=False, **kwargs
    ),
    'sage': lambda channels, **kwargs: SAGEConv(channels, channels, **kwargs),
    'gat': lambda channels, **kwargs: GATConv(channels, channels, **kwargs),
    'gen': lambda channels, **kwargs: GENConv(channels, channels, **kwargs),
}


class RevGNN(GraphModel):
    r"""The reversible network of the `"Training Graph Neural Networks with
    1000 Layers" <https://arxiv.org/abs/2106.07476>`_ paper: a linear layer, a
    :class:`~pyg_ext.nn.ReversibleSequential` of
    :class:`~pyg_ext.nn.GNNBlock` (norm, activation, dropout, convolution),
    norm, activation, dropout and a linear layer.
    Its training memory hardly grows with :obj:`num_layers`, but for the
    parameters.

    With :obj:`conv='gcn'` the adjacency is normalized once for all blocks, or
    not at all when it comes from :func:`pyg_ext.utils.gcn_adj`.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample; a multiple of
            :obj:`num_groups`.
        num_layers (int): Number of hidden blocks; the two linear layers do
            not count.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)
        num_groups (int, optional): Number of groups of channels.
            (default: :obj:`2`)
        conv (str or callable, optional): :obj:`'gcn'`, :obj:`'sage'`,
            :obj:`'gat'`, :obj:`'gen'`, or what returns a convolution for the
            width of a group. (default: :obj:`'gcn'`)
        conv_kwargs (dict, optional): Further arguments of the convolutions.
            (default: :obj:`None`)
        edge_dim (int, optional): Size of each edge feature, for convolutions
            that take :obj:`edge_dim` themselves; a linear layer ahead of all
            of them makes :obj:`hidden_channels` of it.
            (default: :obj:`None`)
        norm (str or callable, optional): As in :class:`~pyg_ext.nn.GNNBlock`.
            (default: :obj:`'layer'`)
        act (str or callable, optional): As in :class:`~pyg_ext.nn.GNNBlock`.
            (default: :obj:`'relu'`)
        head_dropout (float, optional): Dropout probability ahead of the two
            linear layers; :obj:`None` takes :obj:`dropout`. Masks of a
            thousand blocks add up, so that a small :obj:`dropout` and a large
            :obj:`head_dropout` fit deep stacks. (default: :obj:`None`)
        shared_dropout (bool, optional): If set to :obj:`True`, one mask
            serves all blocks, as in the paper. (default: :obj:`False`)
        weight_tied (bool, optional): If set to :obj:`True`, all blocks have
            the same parameters. (default: :obj:`False`)
        jk (sequence or str, optional): Indices of blocks whose states are
            concatenated for the last linear layer (jumping knowledge), or
            :obj:`'cat'` for all. Each costs one stored state.
            (default: :obj:`None`)
        checkpoint_every (int, optional): Stores the state after every so many
            blocks, which bounds rounding errors. (default: :obj:`None`)
        **kwargs (optional): With :obj:`conv='gcn'`, :obj:`normalize`,
            :obj:`improved` and :obj:`add_self_loops` of :class:`GraphModel`.

    Raises:
        ValueError: On an unknown :obj:`conv` or :obj:`norm`, on channels that
            the groups do not divide, on weights or features of edges that the
            convolution or :obj:`edge_dim` does not know, and as in
            :class:`GraphModel`.

    Shapes are those of :class:`GraphModel`; a convolution of your own may take
    something else in place of the weights.
    """

    shown = ('num_layers', 'num_groups')

    @renamed('anchor_every', 'checkpoint_every')
    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        num_groups: int = 2,
        conv: str | Factory = 'gcn',
        norm: str | Callable | None = 'layer',
        act: str | Callable | None = 'relu',
        head_dropout: float | None = None,
        shared_dropout: bool = False,
        weight_tied: bool = False,
        jk: Sequence[int] | str | None = None,
        checkpoint_every: int | None = None,
        conv_kwargs: dict[str, Any] | None = None,
        edge_dim: int | None = None,
        **kwargs,
    ):
        if conv != 'gcn' and kwargs:
            raise ValueError(
                f'{", ".join(kwargs)} need conv="gcn", which is normalized '
                f'(got conv={conv!r})'
            )
        super().__init__(
            *(in_channels, hidden_channels, num_layers, out_channels, dropout),
            **kwargs,
        )
        self.edge_dim = edge_dim
        if hidden_channels % num_groups != 0:
            raise ValueError(
                f'hidden_channels must be a multiple of num_groups='
                f'{num_groups} (got {hidden_channels})'
            )
        if isinstance(conv, str) and conv not in CONVS:
            raise ValueError(
                f'conv must be one of {", ".join(CONVS)} or callable (got '
                f'{conv!r})'
            )
        if edge_dim is not None and conv in ('gcn', 'sage'):
            raise ValueError(
                f'edge_dim needs a convolution that takes features of edges '
                f'(got conv={conv!r})'
            )
        factory = CONVS[conv] if isinstance(conv, str) else conv
        width = hidden_channels // num_groups
        conv_kwargs = dict(conv_kwargs or {})
        if conv == 'gcn':  # the adjacency is normalized for that direction
            check_options(conv_kwargs, flow=['source_to_target'])
        if edge_dim is not None:
            conv_kwargs['edge_dim'] = hidden_channels

        def block() -> GNNBlock:
            conv = factory(width, **conv_kwargs)
            return GNNBlock(conv, width, norm, dropout, act)

        blocks = (
            [block()] * num_layers
            if weight_tied
            else [block() for _ in range(num_layers)]
        )
        self.num_groups = num_groups
        self.shared_dropout = shared_dropout
        self.conv = conv
        if isinstance(jk, str):
            check_name('jk', jk, ('cat',))
            jk = range(num_layers)
        self.jk = None if jk is None else list(jk)
        self.jump = None if jk is None else JumpingKnowledge('cat')
        self.act = make_act(act)
        self.head_dropout = Dropout(
            dropout if head_dropout is None else head_dropout
        )
        self.lin_in = linear(in_channels, hidden_channels)
        self.lin_edge = None
        if edge_dim is not None:
            self.lin_edge = Linear(edge_dim, hidden_channels)
        self.blocks = ReversibleSequential(
            blocks, num_groups, checkpoint_every
        )
        width = hidden_channels * (1 if jk is None else len(self.jk))
        self.norm = LayerNorm(width)
        self.lin_out = Linear(width, self.out_channels)

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        if self.conv == 'gcn':
            return super().prepare(edge_index, edge_weight, x)
        if edge_weight is not None and (
            self.edge_dim is not None or self.conv in ('sage', 'gat', 'gen')
        ):
            raise ValueError(
                f'edge_weight has no effect with conv={self.conv!r} and '
                f'edge_dim={self.edge_dim}: give edge_attr, with edge_dim'
            )
        if edge_weight is None or edge_weight.dim() == 1:
            return check_adj(edge_index, edge_weight, x.size(0), signed=True)
        # What the caller's own convolution takes:
        return check_adj(edge_index, None, x.size(0))[0], edge_weight

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        x = self.lin_in(self.head_dropout(x))
        mask = None
        if self.shared_dropout and self.training:
            width = x.size(1) // self.num_groups
            mask = drop(torch.ones_like(x[:, :width]), self.dropout.p)
        edge_index, *further = edges
        further = further[0] if further else None
        if self.lin_edge is not None:
            further = self.lin_edge(further)
        x = self.blocks(
            *(x, edge_index, further, mask, batch), return_states=self.jk
        )
        if self.jump is not None:
            x = self.jump(x[1])
        x = self.norm(x)
        if self.act is not None:
            x = self.act(x)
        return self.lin_out(self.head_dropout(x))
