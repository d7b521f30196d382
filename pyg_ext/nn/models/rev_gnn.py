from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import LayerNorm, Linear, Module
from torch_geometric.nn import (
    GATConv,
    GCNConv,
    GENConv,
    JumpingKnowledge,
    MessagePassing,
    SAGEConv,
)
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.block import GNNBlock
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.reversible import ReversibleSequential
from pyg_ext.utils import dropout as drop
from pyg_ext.utils import gcn_norm_once
from pyg_ext.utils.checks import (
    check_adj,
    check_batch,
    check_edge_attr,
    check_features,
)

Factory = Callable[..., MessagePassing]

CONVS: dict[str, Factory] = {
    'gcn': lambda channels, **kwargs: GCNConv(
        channels, channels, normalize=False, **kwargs
    ),
    'sage': lambda channels, **kwargs: SAGEConv(channels, channels, **kwargs),
    'gat': lambda channels, **kwargs: GATConv(channels, channels, **kwargs),
    'gen': lambda channels, **kwargs: GENConv(channels, channels, **kwargs),
}


class RevGNN(Module):
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
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample; a multiple of
            :obj:`num_groups`.
        num_layers (int): Number of hidden blocks; the two linear layers do
            not count.
        out_channels (int): Size of each output sample.
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
        norm (str, optional): As in :class:`~pyg_ext.nn.GNNBlock`.
            (default: :obj:`'layer'`)
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)
        head_dropout (float, optional): Dropout probability ahead of the two
            linear layers; :obj:`None` takes :obj:`dropout`. Masks of a
            thousand blocks add up, so that a small :obj:`dropout` and a large
            :obj:`head_dropout` fit deep stacks. (default: :obj:`None`)
        shared_dropout (bool, optional): If set to :obj:`True`, one mask
            serves all blocks, as in the paper. (default: :obj:`False`)
        weight_tied (bool, optional): If set to :obj:`True`, all blocks have
            the same parameters. (default: :obj:`False`)
        jk (sequence, optional): Indices of blocks whose states are
            concatenated for the last linear layer (jumping knowledge). Each
            costs one stored state. (default: :obj:`None`)
        anchor_every (int, optional): Stores the state after every so many
            blocks, which bounds rounding errors. (default: :obj:`None`)

    Raises:
        ValueError: On an unknown :obj:`conv` or :obj:`norm`, on less than
            one block, on channels that the groups do not divide, on weights
            or features of edges that the convolution or :obj:`edge_dim` does
            not know, or on edges that do not fit the nodes.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`, dense or a
          :class:`~pyg_ext.utils.CSRTensor`;
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency,
          edge weights :math:`(|\mathcal{E}|)` with :obj:`conv='gcn'`, or
          what else a convolution of your own takes *(optional)*,
          edge features :math:`(|\mathcal{E}|, D)` with :obj:`edge_dim`,
          the graph of each node :math:`(|\mathcal{V}|)` *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})`
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        num_groups: int = 2,
        conv: str | Factory = 'gcn',
        norm: str | None = 'layer',
        dropout: float = 0.0,
        head_dropout: float | None = None,
        shared_dropout: bool = False,
        weight_tied: bool = False,
        jk: Sequence[int] | None = None,
        anchor_every: int | None = None,
        conv_kwargs: dict[str, Any] | None = None,
        edge_dim: int | None = None,
    ):
        super().__init__()
        if num_layers < 1:
            raise ValueError(
                f'num_layers must be at least 1 (got {num_layers})'
            )
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
        if edge_dim is not None:
            conv_kwargs['edge_dim'] = hidden_channels

        def block() -> GNNBlock:
            conv = factory(width, **conv_kwargs)
            return GNNBlock(conv, width, norm, dropout)

        blocks = (
            [block()] * num_layers
            if weight_tied
            else [block() for _ in range(num_layers)]
        )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_layers = num_layers
        self.shared_dropout = shared_dropout
        self.conv = conv
        self.jk = None if jk is None else list(jk)
        self.jump = None if jk is None else JumpingKnowledge('cat')
        self.dropout = dropout
        self.head_dropout = Dropout(
            dropout if head_dropout is None else head_dropout
        )
        self.lin_in = Linear(in_channels, hidden_channels)
        self.edge_dim = edge_dim
        self.lin_edge = None
        if edge_dim is not None:
            self.lin_edge = Linear(edge_dim, hidden_channels)
        self.blocks = ReversibleSequential(blocks, num_groups, anchor_every)
        width = hidden_channels * (1 if jk is None else len(self.jk))
        self.norm = LayerNorm(width)
        self.lin_out = Linear(width, out_channels)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for module in self.children():
            reset(module)

    def forward(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: OptTensor = None,
        edge_attr: OptTensor = None,
        batch: OptTensor = None,
    ) -> Tensor:
        check_features(x, self.in_channels, dense=False)
        size = x.size(0)
        check_edge_attr(edge_index, edge_attr, self.edge_dim)
        if edge_weight is not None and (
            self.edge_dim is not None or self.conv in ('sage', 'gat', 'gen')
        ):
            raise ValueError(
                f'edge_weight has no effect with conv={self.conv!r} and '
                f'edge_dim={self.edge_dim}: give edge_attr, with edge_dim'
            )
        batch = check_batch(batch, size)
        if self.conv == 'gcn':
            edge_index, edge_weight = gcn_norm_once(
                edge_index, edge_weight, size, x.dtype
            )
        elif edge_weight is None or edge_weight.dim() == 1:
            edge_index, edge_weight = check_adj(
                edge_index, edge_weight, size, signed=True
            )
        else:  # what the caller's own convolution takes
            edge_index = check_adj(edge_index, None, size)[0]
        x = self.lin_in(self.head_dropout(x))
        mask = None
        if self.shared_dropout and self.training:
            width = x.size(1) // self.blocks.num_groups
            mask = drop(torch.ones_like(x[:, :width]), self.dropout)
        edges = edge_weight
        if self.lin_edge is not None:
            edges = self.lin_edge(edge_attr)
        x = self.blocks(
            *(x, edge_index, edges, mask, batch), return_states=self.jk
        )
        if self.jump is not None:
            x = self.jump(x[1])
        return self.lin_out(self.head_dropout(self.norm(x).relu()))

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, num_layers={self.num_layers}, '
            f'num_groups={self.blocks.num_groups})'
        )
