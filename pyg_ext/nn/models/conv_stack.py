import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.nn import JumpingKnowledge, MessagePassing
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.drop_message import DropMessage
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.identity_mapping import identity_mapping
from pyg_ext.nn.norm import apply_norm, make_norm
from pyg_ext.nn.skip import (
    DenseConnection,
    GradientGating,
    InitialConnection,
    ResidualConnection,
    SkipNode,
)
from pyg_ext.nn.virtual_node import VirtualNode
from pyg_ext.utils.checks import (
    check_adj,
    check_batch,
    check_edge_attr,
    check_features,
    check_name,
)

SKIPS = ('res', 'residual', 'initial', 'dense', 'gate')


class ConvStack(torch.nn.Module):
    r"""A stack of graph convolutions of any depth, with the published
    remedies against over-smoothing.

    Layer :math:`\ell` of :math:`L` computes

    .. math::
        \mathbf{H}^{(\ell)} = \mathrm{skip} \left( \mathrm{ReLU} \left(
        \mathrm{norm} \left( \mathrm{conv}^{(\ell)} \left(
        \mathrm{dropout}(\mathbf{H}^{(\ell - 1)}) \right) \right) \right)
        \right)

    where :obj:`skip` is one of

    * :obj:`'res'`: adds :math:`\mathbf{H}^{(\ell - 1)}`
      (:class:`~pyg_ext.nn.ResidualConnection`);
    * :obj:`'residual'`: mixes with it, with share :obj:`alpha` (the same);
    * :obj:`'initial'`: mixes with :math:`\mathbf{H}^{(0)}`, with share
      :obj:`alpha` (:class:`~pyg_ext.nn.InitialConnection`);
    * :obj:`'dense'`: concatenates :math:`\mathbf{H}^{(\ell - 1)}`, so that
      each layer reads all earlier ones and adds :obj:`growth` channels
      (:class:`~pyg_ext.nn.DenseConnection`);
    * :obj:`'gate'`: :class:`~pyg_ext.nn.GradientGating`.

    The first convolution changes the number of channels and has no skip
    connection, and the last one gives the output, without norm, activation
    or skip. With :obj:`lin_in` a linear layer and ReLU go ahead of all
    convolutions, and with :obj:`lin_out` a linear layer comes behind them, so
    that all :math:`L` of them are hidden ones.
    With :obj:`jk` that layer reads the combination of all hidden states, as
    in `"Representation Learning on Graphs with Jumping Knowledge Networks"
    <https://arxiv.org/abs/1806.03536>`_.

    Subclasses choose the convolution in :meth:`init_conv` and may prepare the
    edges once for all layers in :meth:`prepare`.

    Args:
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of graph convolutions :math:`L`, the first
            and the last included; linear layers do not count.
        out_channels (int): Size of each output sample.
        dropout (float, optional): Dropout probability of the input of each
            layer. (default: :obj:`0.0`)
        skip (str, optional): :obj:`'res'`, :obj:`'residual'`,
            :obj:`'initial'`, :obj:`'dense'`, :obj:`'gate'` or :obj:`None`.
            (default: :obj:`None`)
        growth (int, optional): The channels that a layer adds with
            :obj:`skip='dense'`; :obj:`hidden_channels` if not given.
            (default: :obj:`None`)
        jk (str, optional): :obj:`'cat'`, :obj:`'max'`, :obj:`'lstm'` or
            :obj:`None`. (default: :obj:`None`)
        alpha (float, optional): The share that :obj:`skip='residual'` and
            :obj:`skip='initial'` mix in; :obj:`0.1` if not given.
            (default: :obj:`None`)
        norm (str, optional): A name of :func:`~pyg_ext.nn.make_norm`, or
            :obj:`None`. (default: :obj:`None`)
        norm_kwargs (dict, optional): Further arguments of the norm.
            (default: :obj:`None`)
        theta (float, optional): With a value, convolutions that keep the
            number of channels get the identity mapping of
            :func:`~pyg_ext.nn.identity_mapping`, with :math:`\beta_{\ell} =
            \log(\theta / \ell + 1)`. (default: :obj:`None`)
        skip_node (float, optional): Probability of a node to skip a layer in
            training, as in :class:`~pyg_ext.nn.SkipNode`.
            (default: :obj:`0.0`)
        message_dropout (float, optional): Dropout probability of messages, as
            in :class:`~pyg_ext.nn.DropMessage`. (default: :obj:`0.0`)
        input_dropout (float, optional): Dropout probability of the input of
            the network; :obj:`None` takes :obj:`dropout`.
            (default: :obj:`None`)
        lin_in (bool, optional): Whether a linear layer goes ahead.
            (default: :obj:`False`)
        lin_out (bool, optional): Whether a linear layer comes behind, which
            :obj:`jk` always has. (default: :obj:`False`)
        virtual_node (bool, optional): Whether a
            :class:`~pyg_ext.nn.VirtualNode` in each graph joins all its nodes
            between the layers. (default: :obj:`False`)
        **kwargs (optional): Further arguments of :meth:`init_conv`.

    Raises:
        ValueError: On an unknown :obj:`skip` or :obj:`norm`, on less than one
            layer, on :obj:`growth`, :obj:`alpha` or :obj:`norm_kwargs`
            without what they belong to, on dense connections with
            :obj:`jk`, which repeats them, or :obj:`skip_node`, which mixes
            widths, or on :obj:`skip='initial'` or :obj:`norm='message'`
            without :obj:`lin_in`, on a virtual node without both linear
            layers or with dense connections, on edge features where
            :obj:`edge_dim` does not say so, or on them with a sparse
            adjacency; on edges, weights, edge features or a batch vector of
            another shape or type than below, or beyond the nodes.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`, dense or a
          :class:`~pyg_ext.utils.CSRTensor`;
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency,
          edge weights :math:`(|\mathcal{E}|)` *(optional)*,
          edge features :math:`(|\mathcal{E}|, D)` with :obj:`edge_dim`,
          where the convolution takes it,
          the graph of each node :math:`(|\mathcal{V}|)` *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})`
    """

    takes_sparse = True  # whether the convolution takes sparse features

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        dropout: float = 0.0,
        skip: str | None = None,
        growth: int | None = None,
        jk: str | None = None,
        alpha: float | None = None,
        norm: str | None = None,
        norm_kwargs: dict[str, Any] | None = None,
        theta: float | None = None,
        skip_node: float = 0.0,
        message_dropout: float = 0.0,
        input_dropout: float | None = None,
        lin_in: bool = False,
        lin_out: bool = False,
        virtual_node: bool = False,
        **kwargs: Any,
    ):
        super().__init__()
        if num_layers < 1:
            raise ValueError(
                f'num_layers must be at least 1 (got {num_layers})'
            )
        check_name('skip', skip, [None, *SKIPS])
        if growth is not None and skip != 'dense':
            raise ValueError(f'growth needs skip="dense" (got skip={skip!r})')
        if alpha is not None and skip not in ('residual', 'initial'):
            raise ValueError(
                f'alpha needs skip="residual" or "initial" (got skip={skip!r})'
            )
        if norm_kwargs and norm is None:
            raise ValueError(f'norm_kwargs needs a norm (got {norm_kwargs})')
        if skip == 'dense' and jk is not None:
            raise ValueError(
                f'dense connections hand all layers to the last one already '
                f'(got jk={jk!r} on top)'
            )
        if skip == 'dense' and skip_node > 0.0:
            raise ValueError(
                f'nodes cannot skip a layer of dense connections, whose '
                f'output is wider than its input (got skip_node={skip_node})'
            )
        if not lin_in and (skip == 'initial' or norm == 'message'):
            raise ValueError(
                f'skip="initial" and norm="message" need lin_in=True, whose '
                f'output they look at (got skip={skip!r}, norm={norm!r})'
            )
        lin_out = lin_out or jk is not None
        if virtual_node and not (lin_in and lin_out and skip != 'dense'):
            raise ValueError(
                f'a virtual node needs states of one width: lin_in=True, '
                f'lin_out=True and no dense connections (got {lin_in}, '
                f'{lin_out} and skip={skip!r})'
            )
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.out_channels = out_channels
        self.skip = skip
        self.growth = growth or hidden_channels
        self.norm_sees_input = norm == 'message'
        self.edge_dim = kwargs.get('edge_dim')

        self.state = HiddenState()
        self.dropout = Dropout(dropout)
        self.input_dropout = Dropout(
            dropout if input_dropout is None else input_dropout
        )
        self.lin_in = None
        width = in_channels
        if lin_in:
            self.lin_in = Linear(in_channels, hidden_channels)
            width = hidden_channels
        self.convs = ModuleList()
        self.norms = None if norm is None else ModuleList()
        for i in range(num_layers):
            last = i == num_layers - 1 and not lin_out
            grows = skip == 'dense' and (i > 0 or lin_in)
            out = self.growth if grows else hidden_channels
            out = out_channels if last else out
            conv = self.init_conv(width, out, last, **kwargs)
            if theta is not None and width == out and not last:
                identity_mapping(conv, math.log(theta / (i + 1) + 1))
            if message_dropout > 0.0:
                conv = DropMessage(conv, message_dropout)
            self.convs.append(conv)
            if norm is not None and not last:
                self.norms.append(make_norm(norm, out, **(norm_kwargs or {})))
            width = width + out if grows and not last else out
        alpha = 0.1 if alpha is None else alpha
        self.connection = {
            None: lambda: None,
            'res': ResidualConnection,
            'residual': lambda: ResidualConnection(alpha),
            'initial': lambda: InitialConnection(alpha),
            'dense': DenseConnection,
            'gate': lambda: GradientGating(
                self.init_conv(
                    hidden_channels, hidden_channels, False, **kwargs
                )
            ),
        }[skip]()
        self.skip_node = SkipNode(skip_node) if skip_node > 0.0 else None
        self.virtual_node = None
        if virtual_node:
            self.virtual_node = VirtualNode(
                hidden_channels, num_layers, dropout
            )
        self.jk = self.lin = None
        if jk is not None:
            states = num_layers + lin_in
            self.jk = JumpingKnowledge(jk, hidden_channels, states)
            width = hidden_channels * (states if jk == 'cat' else 1)
        if lin_out:
            self.lin = Linear(width, out_channels)

    def init_conv(
        self, in_channels: int, out_channels: int, last: bool, **kwargs: Any
    ) -> MessagePassing:
        """Returns one convolution of the given widths; :obj:`last` if its
        output is that of the network.
        """
        raise TypeError(f'{self.__class__.__name__} must define init_conv')

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        """Prepares the edges once for all layers."""
        return edge_index, edge_weight

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
        dense = self.lin_in is None and not self.takes_sparse
        check_features(x, self.in_channels, dense)
        if edge_index is not None:  # a perceptron needs none
            edge_index, edge_weight = check_adj(
                edge_index, edge_weight, x.size(0), signed=True
            )
        check_edge_attr(edge_index, edge_attr, self.edge_dim)
        batch = check_batch(batch, x.size(0))
        edge_index, edge_weight = self.prepare(edge_index, edge_weight, x)
        further = edge_weight if edge_attr is None else edge_attr
        edges = (edge_index,) if further is None else (edge_index, further)
        states = []  # all are kept for jumping knowledge, else the first
        drop = self.input_dropout
        if self.lin_in is not None:
            x = self.state(self.lin_in(drop(x)).relu())
            states.append(x)
            drop = self.dropout
        virtual = None  # the virtual node of each graph
        for i, conv in enumerate(self.convs):
            if self.virtual_node is not None and i > 0:
                x, virtual = self.virtual_node(i - 1, x, batch, virtual)
            dropped = drop(x)
            out = conv(dropped, *edges)
            if i == self.num_layers - 1 and self.lin is None:
                return out
            if self.norm_sees_input:
                out = self.norms[i](dropped, out)
            elif self.norms is not None:
                out = apply_norm(self.norms[i], out, batch)
            out = out.relu()
            if i > 0 or self.lin_in is not None:
                out = self._skip(out, x, states, edges)
            x = self.state(out)
            if self.jk is not None or not states:
                states.append(x)
            drop = self.dropout
        if self.jk is not None:
            x = self.jk(states)
        return self.lin(self.dropout(x))

    def _skip(
        self, out: Tensor, x: Tensor, states: list[Tensor], edges: tuple
    ) -> Tensor:
        if self.skip == 'initial':
            out = self.connection(out, states[0])
        elif self.skip == 'gate':
            out = self.connection(out, x, *edges)
        elif self.skip is not None:
            out = self.connection(out, x)
        return out if self.skip_node is None else self.skip_node(out, x)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, num_layers={self.num_layers}, '
            f'skip={self.skip}, jk={self.jk})'
        )
