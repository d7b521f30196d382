"""A method at a depth, to be built and fed."""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.typing import Adj
from torch_geometric.utils import is_undirected

from pyg_ext.nn import PoolNet
from pyg_ext.transforms import AddRandomWalkEdges
from pyg_ext.utils import CSRTensor

from ..late import find
from .adjacency import plain_edges
from .edges import DROPS, REWIRINGS, SIMILARITIES
from .spec import HIDDEN, Method

EDGE_DATA = ('edge_weight', 'edge_attr')
Redraw = Callable[[], tuple[Adj, dict[str, Tensor]]]


def _check_output(
    model: torch.nn.Module, given: tuple[Any, ...], out: Any, columns: int
) -> None:
    if isinstance(model, PoolNet) and isinstance(out, tuple):
        out = out[0]  # its losses are behind it
    shape = [*out.shape] if isinstance(out, Tensor) else type(out).__name__
    if not isinstance(out, Tensor) or [*out.shape[1:]] != [columns]:
        raise ValueError(
            f'a network must give rows of {columns} outputs (got {shape})'
        )


@dataclass(frozen=True)
class Network:
    """A method at a depth with all its options, ready to be trained."""

    method: Method
    depth: int
    options: dict[str, Any]
    augment: dict[str, Any] = field(default_factory=dict)

    @property
    def all_options(self) -> dict[str, Any]:
        """Of the method, and those of the recipe."""
        return {**self.method.defaults, **self.options, **self.method.keywords}

    @property
    def sparse_features(self) -> bool:
        """Whether the model takes sparse features."""
        known = self.method.backbone.sparse_features
        if self.all_options.get('aggr', 'mean') != 'mean':
            return known and self.all_options.get('lin_in', False)
        return known

    @property
    def width(self) -> int:
        """The size of an embedding."""
        return self.options.get('hidden_channels', HIDDEN)

    def build(
        self,
        in_channels: int,
        out_channels: int,
        edge_dim: int | None = None,
    ) -> torch.nn.Module:
        """Returns a new model; for edges with features, if it can take them
        and there are any.
        """
        backbone = self.method.backbone
        edges = {}
        if edge_dim is not None and 'edge_dim' in backbone.parameters():
            edges['edge_dim'] = edge_dim
        make = backbone.model
        if 'pool' in self.method.keywords:
            make = partial(PoolNet, make)
        model = make(
            in_channels=in_channels,
            out_channels=out_channels,
            **{backbone.depth: self.depth},
            **self.all_options,
            **edges,
        )
        if backbone.code is not None:
            check = partial(_check_output, columns=out_channels)
            model.register_forward_hook(check)
        return model

    def sketch(self, edge_dim: int | None = None) -> torch.nn.Module:
        """A model of few features and outputs that costs nothing, without
        numbers; a user's own with them, as it may not bear to be half made.
        """
        own = self.method.backbone.code is not None
        with (
            torch.device('cpu' if own else 'meta'),
            torch.random.fork_rng(devices=[]),
        ):
            return self.build(2, 2, edge_dim)

    def prepare(self, data: Data, seed: int) -> Data:
        """The data with the edges that the method asks for.

        Raises:
            ValueError: If an option of what changes the edges makes no sense.
            TypeError: If an option is unknown.
        """
        method, augment, data = self.method, self.augment, copy.copy(data)
        if method.backbone.joins_points:
            data.edge_index = None
        if method.edges in ('walk', *REWIRINGS):
            augment = {'seed': seed, **augment}
        if method.edges in REWIRINGS:
            return find(REWIRINGS[method.edges])(**augment)(data)
        if method.edges in SIMILARITIES:
            return AddRandomWalkEdges(method.edges, **augment)(data)
        return data

    def adjacency(self, data: Data) -> Adj | None:
        """The edges as the model takes them best."""
        if data.edge_index is None:
            return None
        if self.takes_edge_attr(data):
            return data.edge_index
        return self._convert(
            data.edge_index, data.get('edge_weight'), data.num_nodes
        )

    def _convert(self, *edges: Any) -> Adj:
        given = self.all_options
        messages = given.get('message_dropout', 0.0) > 0.0
        smaller = given.get('pool') in PoolNet.POOLINGS
        if messages or smaller or given.get('aggr', 'mean') != 'mean':
            return plain_edges(*edges)  # no product with a matrix gives it
        return self.method.backbone.adjacency(*edges)

    def takes_edge_attr(self, data: Data) -> bool:
        """Whether there are features of edges, and the model takes them."""
        return data.edge_attr is not None and self.method.sees_edges

    def inputs(self, model: torch.nn.Module, data: Data) -> dict[str, Tensor]:
        """Further inputs of the model, of those that it takes: features of
        edges, of which graph a node is, and places; weights where the
        adjacency does not hold them.
        """
        takes = inspect.signature(model.forward).parameters
        names = ['batch', 'pos']
        if self.takes_edge_attr(data):
            names.append('edge_attr')
        own = self.method.backbone.code is not None
        weighs = getattr(model, 'supports_edge_weight', True)
        if own and weighs and not self.holds_weights:
            names.append('edge_weight')
        return {n: data[n] for n in names if n in takes and n in data}

    @property
    def holds_weights(self) -> bool:
        """Whether the edges as the model takes them hold their weights."""
        pair = torch.tensor([[0, 1], [1, 0]])
        return isinstance(self._convert(pair, None, 2), CSRTensor)

    def can_see_edges(self) -> bool:
        """Whether it can be built for features of edges."""
        if not self.method.sees_edges:
            return False
        try:
            self.sketch(2)
        except ValueError:
            return False
        return True

    def looks_at(self, data: Data) -> set[str]:
        """What it sees of weights and features of edges; all of them where
        it has no use for edges.
        """
        if self.method.backbone.edgeless:
            return {*EDGE_DATA}
        seen = {*self.inputs(self.sketch(), data)}
        edges = self.method.unsupervised or self.method.edges in SIMILARITIES
        if edges or (self.holds_weights and 'edge_attr' not in seen):
            seen.add('edge_weight')
        return seen & {*EDGE_DATA}

    def redraw(self, model: torch.nn.Module, data: Data) -> Redraw | None:
        """What gives the edges of a training step, where they change, and
        the further inputs of the model that belong to them.
        """
        if self.method.edges not in DROPS:
            return None
        drop = find(DROPS[self.method.edges])
        if self.options.get('cached'):
            raise ValueError(
                'cached=True keeps what the first edges gave, so that no '
                'other edges can be drawn'
            )

        used, plain = self.inputs(model, data), self.takes_edge_attr(data)
        held = self.holds_weights and not plain and 'edge_weight' in data
        if held:
            used['edge_weight'] = data.edge_weight
        device = data.edge_index.device
        used = {n: used[n].to(device) for n in EDGE_DATA if n in used}
        given = {'num_nodes': data.num_nodes, **self.augment}
        if self.method.edges == 'dropedge':  # both ways, if they are alike
            pairs = is_undirected(
                data.edge_index, [*used.values()], data.num_nodes
            )
            given = {'force_undirected': pairs, **self.augment}

        def dropped() -> tuple[Adj, dict[str, Tensor]]:
            some, left = drop(data.edge_index, **given)[:2]
            rows = {n: value[left] for n, value in used.items()}
            weight = rows.pop('edge_weight') if held else None
            if not plain:
                some = self._convert(some, weight, data.num_nodes)
            return some, rows

        return dropped
