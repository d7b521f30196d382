import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, Module, ModuleList
from torch_geometric.nn import JumpingKnowledge, MessagePassing
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.act import make_act
from pyg_ext.nn.drop_message import DropMessage
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.hyper_connection import HyperConnection
from pyg_ext.nn.identity_mapping import identity_mapping
from pyg_ext.nn.models.graph_model import GraphModel, linear
from pyg_ext.nn.norm import apply_norm, make_norm
from pyg_ext.nn.skip import (
    DenseConnection,
    GradientGating,
    InitialConnection,
    ResidualConnection,
    SkipNode,
)
from pyg_ext.nn.virtual_node import VirtualNode
from pyg_ext.utils.checks import check_adj, check_count, check_name

SKIPS = ('res', 'residual', 'initial', 'dense', 'gate', 'hyper')
JUMPS = ('last', 'cat', 'max', 'lstm')


class ConvStack(GraphModel):
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
    * :obj:`'gate'`: :class:`~pyg_ext.nn.GradientGating`;
    * :obj:`'hyper'`: :class:`~pyg_ext.nn.HyperConnection` with
      :obj:`streams`, which the first linear layer gives, without activation;
      all else reads their mean.

    The first convolution changes the number of channels and has no skip
    connection, and the last one gives the output, without norm, activation
    or skip. With :obj:`lin_in` a linear layer and ReLU go ahead of all
    convolutions, and with :obj:`lin_out` a linear layer comes behind them, so
    that all :math:`L` of them are hidden ones.
    With :obj:`jk` that layer reads the combination of all hidden states, as
    in `"Representation Learning on Graphs with Jumping Knowledge Networks"
    <https://arxiv.org/abs/1806.03536>`_.

    The arguments up to :obj:`jk` are those of PyG's
    :class:`torch_geometric.nn.models.GCN` and its like, in their order; with
    :obj:`input_dropout=0.0` they mean the same.

    Subclasses choose the convolution in :meth:`init_conv` and may prepare the
    edges once for all layers in :meth:`prepare`.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of graph convolutions :math:`L`, the first
            and the last included; linear layers do not count.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of each
            layer. (default: :obj:`0.0`)
        act (str or callable, optional): The activation: its name, its class, a
            module or a function, or :obj:`None`. (default: :obj:`'relu'`)
        act_first (bool, optional): Whether the activation goes before the
            norm. (default: :obj:`False`)
        act_kwargs (dict, optional): Further arguments of the activation.
            (default: :obj:`None`)
        norm (str or callable, optional): The norm, as in
            :func:`~pyg_ext.nn.make_norm`, or :obj:`None`.
            (default: :obj:`None`)
        norm_kwargs (dict, optional): Further arguments of the norm.
            (default: :obj:`None`)
        jk (str, optional): :obj:`'last'`, :obj:`'cat'`, :obj:`'max'`,
            :obj:`'lstm'` or :obj:`None`. (default: :obj:`None`)
        skip (str, optional): :obj:`'res'`, :obj:`'residual'`,
            :obj:`'initial'`, :obj:`'dense'`, :obj:`'gate'`, :obj:`'hyper'` or
            :obj:`None`. (default: :obj:`None`)
        growth (int, optional): The channels that a layer adds with
            :obj:`skip='dense'`; :obj:`hidden_channels` if not given.
            (default: :obj:`None`)
        alpha (float, optional): The share that :obj:`skip='residual'` and
            :obj:`skip='initial'` mix in; :obj:`0.1` if not given.
            (default: :obj:`None`)
        streams (int, optional): How many there are with :obj:`skip='hyper'`;
            :obj:`4` if not given. (default: :obj:`None`)
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
        dropout_last (bool, optional): Whether :obj:`dropout` is of the
            activation of each layer, in place of the input of the next.
            (default: :obj:`False`)
        lin_in (bool, optional): Whether a linear layer goes ahead.
            (default: :obj:`False`)
        lin_out (bool, optional): Whether a linear layer comes behind, which
            :obj:`jk` always has. (default: :obj:`False`)
        virtual_node (bool, optional): Whether a
            :class:`~pyg_ext.nn.VirtualNode` in each graph joins all its nodes
            between the layers. (default: :obj:`False`)
        drop_edges (torch.nn.Module, optional): What drops edges in training:
            :class:`~pyg_ext.nn.DropEdge`, :class:`~pyg_ext.nn.DropNode` or
            :class:`~pyg_ext.nn.DropPath`. (default: :obj:`None`)
        **kwargs (optional): Further arguments of :meth:`init_conv`, which
            hands those that it does not know to the convolution.

    Raises:
        ValueError: On an unknown :obj:`skip` or :obj:`norm`, on less than one
            layer, on :obj:`growth`, :obj:`alpha`, :obj:`streams` or
            :obj:`norm_kwargs` without what they belong to, on dense
            connections with :obj:`jk`, which repeats them, or
            :obj:`skip_node`, which mixes widths, or on :obj:`skip='initial'`
            or :obj:`norm='message'` without :obj:`lin_in`, on
            :obj:`skip='hyper'` without both linear layers or with
            :obj:`skip_node`, on a virtual node without both linear layers or
            with dense or hyper-connections, and as in :class:`GraphModel`.

    Shapes are those of :class:`GraphModel`.
    """

    shown = ('num_layers', 'skip', 'jk')

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        act: str | Callable | None = 'relu',
        act_first: bool = False,
        act_kwargs: dict[str, Any] | None = None,
        norm: str | Callable | None = None,
        norm_kwargs: dict[str, Any] | None = None,
        jk: str | None = None,
        *,
        skip: str | None = None,
        growth: int | None = None,
        alpha: float | None = None,
        streams: int | None = None,
        theta: float | None = None,
        skip_node: float = 0.0,
        message_dropout: float = 0.0,
        input_dropout: float | None = None,
        dropout_last: bool = False,
        lin_in: bool = False,
        lin_out: bool = False,
        virtual_node: bool = False,
        drop_edges: Module | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            in_channels, hidden_channels, num_layers, out_channels, dropout
        )
        self.edge_dim = kwargs.get('edge_dim')
        self.input_dropout = Dropout(
            dropout if input_dropout is None else input_dropout
        )
        check_name('skip', skip, [None, *SKIPS])
        check_name('jk', jk, [None, *JUMPS])
        if drop_edges is not None and not isinstance(drop_edges, Module):
            raise ValueError(
                f'drop_edges must be a module, such as DropEdge(0.5) (got '
                f'{drop_edges!r})'
            )
        if growth is not None and skip != 'dense':
            raise ValueError(f'growth needs skip="dense" (got skip={skip!r})')
        if alpha is not None and skip not in ('residual', 'initial'):
            raise ValueError(
                f'alpha needs skip="residual" or "initial" (got skip={skip!r})'
            )
        if streams is not None and skip != 'hyper':
            raise ValueError(f'streams needs skip="hyper" (got skip={skip!r})')
        streams = 4 if streams is None else streams
        check_count('streams', streams, 1)
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
        if skip == 'hyper' and not (lin_in and lin_out and skip_node == 0.0):
            raise ValueError(
                f'skip="hyper" needs lin_in=True, which gives the streams, '
                f'lin_out=True, which reads them, and no skip_node (got '
                f'{lin_in}, {lin_out} and skip_node={skip_node})'
            )
        one_width = skip not in ('dense', 'hyper')
        if virtual_node and not (lin_in and lin_out and one_width):
            raise ValueError(
                f'a virtual node needs states of one width: lin_in=True, '
                f'lin_out=True and no dense or hyper-connections (got '
                f'{lin_in}, {lin_out} and skip={skip!r})'
            )
        self.skip = skip
        self.growth = growth or hidden_channels
        self.streams = streams if skip == 'hyper' else 1
        self.dropout_last = dropout_last
        self.norm_sees_input = norm == 'message'
        self.act = make_act(act, **(act_kwargs or {}))
        self.act_first = act_first
        self.drop_edges = drop_edges
        self.state = HiddenState()
        self.lin_in = None
        width = in_channels
        if lin_in:
            self.lin_in = linear(in_channels, self.streams * hidden_channels)
            width = hidden_channels
        self.convs = ModuleList()
        self.norms = None if norm is None else ModuleList()
        for i in range(num_layers):
            last = i == num_layers - 1 and not lin_out
            grows = skip == 'dense' and (i > 0 or lin_in)
            out = self.growth if grows else hidden_channels
            out = self.out_channels if last else out
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
            'hyper': lambda: ModuleList(
                HyperConnection(hidden_channels, self.streams)
                for _ in range(num_layers)
            ),
        }[skip]()
        self.skip_node = SkipNode(skip_node) if skip_node > 0.0 else None
        self.virtual_node = None
        if virtual_node:
            self.virtual_node = VirtualNode(
                hidden_channels, num_layers, dropout
            )
        self.jk = self.lin = None
        if jk not in (None, 'last'):
            states = num_layers + lin_in
            self.jk = JumpingKnowledge(jk, hidden_channels, states)
            width = hidden_channels * (states if jk == 'cat' else 1)
        if lin_out:
            self.lin = Linear(width, self.out_channels)

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
        """Checks the edges and prepares them once for all layers."""
        return check_adj(edge_index, edge_weight, x.size(0), signed=True)

    def check(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: OptTensor,
        edge_attr: OptTensor,
        batch: OptTensor,
    ) -> tuple[tuple, OptTensor]:
        if self.drop_edges is not None:
            edge_index, edge_weight, edge_attr = self.drop_edges(
                edge_index, edge_weight, edge_attr, num_nodes=x.size(0)
            )
        return super().check(x, edge_index, edge_weight, edge_attr, batch)

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        states = []  # all are kept for jumping knowledge, else the first
        drop = self.input_dropout
        streams = None  # [n, N, F], of which x is the mean
        if self.lin_in is not None:
            x = self.lin_in(drop(x))
            if self.skip == 'hyper':
                streams = torch.stack(x.chunk(self.streams, dim=1))
                x = streams.mean(dim=0)
            else:
                x = self._act(x)
            x = self.state(x)
            states.append(x)
            drop = self._drop_ahead
        virtual = None  # the virtual node of each graph
        for i, conv in enumerate(self.convs):
            if self.virtual_node is not None and i > 0:
                x, virtual = self.virtual_node(i - 1, x, batch, virtual)
            dropped = drop(x)
            out = conv(dropped, *edges)
            if i == self.num_layers - 1 and self.lin is None:
                return out
            if self.act_first:
                out = self._drop_behind(self._act(out))
            if self.norm_sees_input:
                out = self.norms[i](dropped, out)
            elif self.norms is not None:
                out = apply_norm(self.norms[i], out, batch)
            if not self.act_first:
                out = self._drop_behind(self._act(out))
            if streams is not None:
                streams = self.connection[i](out, streams)
                out = streams.mean(dim=0)
            elif i > 0 or self.lin_in is not None:
                out = self._skip(out, x, states, edges)
            x = self.state(out)
            if self.jk is not None or not states:
                states.append(x)
            drop = self._drop_ahead
        if self.jk is not None:
            x = self.jk(states)
        return self.lin(self._drop_ahead(x))

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

    def _drop_ahead(self, x: Tensor) -> Tensor:
        return x if self.dropout_last else self.dropout(x)

    def _drop_behind(self, x: Tensor) -> Tensor:
        return self.dropout(x) if self.dropout_last else x

    def _act(self, x: Tensor) -> Tensor:
        return x if self.act is None else self.act(x)
