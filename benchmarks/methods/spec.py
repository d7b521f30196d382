import copy
import inspect
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.typing import Adj
from torch_geometric.utils import dropout_edge, dropout_node

from pyg_ext.nn import NORMS
from pyg_ext.transforms import AddRandomWalkEdges
from pyg_ext.utils import dropout_path, similarity_graph

from ..errors import UsageError, check_words, find_name
from ..values import Kind, kind_of, read_file
from .backbones import BACKBONES, Backbone, plain_edges


@dataclass(frozen=True)
class Remedy:
    """What a remedy says to the model, and what a recipe may change."""

    fixed: dict[str, Any] = field(default_factory=dict)
    default: dict[str, Any] = field(default_factory=dict)


REMEDIES = {
    'res': Remedy({'skip': 'res'}),
    'residual': Remedy({'skip': 'residual'}),
    'initial': Remedy({'skip': 'initial', 'lin_in': True}),
    'dense': Remedy({'skip': 'dense'}),
    'gate': Remedy({'skip': 'gate'}),
    'jump': Remedy({'jk': 'cat'}),
    'dilated': Remedy({'dilated': True}),
    'unshared': Remedy({'shared_weights': False}),
    'identity': Remedy({'lin_in': True}, {'theta': 0.5}),
    **{norm: Remedy({'norm': norm}) for norm in NORMS},
    'message': Remedy({'norm': 'message', 'lin_in': True}),
    'virtual': Remedy({'virtual_node': True, 'lin_in': True, 'lin_out': True}),
    'skipnode': Remedy(default={'skip_node': 0.5}),
    'dropmessage': Remedy(default={'message_dropout': 0.5}),
}

# What changes the edges, and its options; a recipe's `augment` goes before.
EDGES: dict[str, dict[str, Any]] = {
    'ppr': {'k': 64, 'alpha': 0.15, 'mode': 'replace', 'symmetric': False},
    'heat': {'k': 64, 't': 5.0, 'mode': 'replace', 'symmetric': False},
    'walk': {'k': 64, 'mode': 'replace', 'symmetric': False},
    'dropedge': {'p': 0.5},
    'dropnode': {'p': 0.5},
    'droppath': {'p': 0.5},
}
SIMILARITIES = ('ppr', 'heat', 'walk')


# What draws the edges of a step:
DROPS = {
    'dropedge': dropout_edge,
    'dropnode': dropout_node,
    'droppath': dropout_path,
}
# What the makers of edges take beside options:
GRAPH = {
    *('edge_index', 'edge_weight', 'num_nodes', 'method', 'loop', 'progress'),
    *('training', 'force_undirected', 'relabel_nodes', 'is_sorted'),
}


@cache
def aliases() -> dict[str, str]:
    """Common names of specification strings, from ``methods.yaml``."""
    path = Path(__file__).with_name('methods.yaml')
    known = read_file(path)
    for name, spec in known.items():
        if not isinstance(spec, str) or spec.split('+')[0] not in BACKBONES:
            raise UsageError(
                f'{path}: {name} must stand for a backbone with remedies, as '
                f'in gcn+res (got {spec!r})'
            )
    return known


@dataclass(frozen=True)
class Method:
    """A specification string ``backbone[+remedy...][+edges]``, understood."""

    name: str
    backbone: Backbone
    keywords: dict[str, Any]
    defaults: dict[str, Any] = field(default_factory=dict)
    edges: str | None = None  # a name in EDGES
    base: str = ''  # its name without those edges
    parts: frozenset[str] = frozenset()  # all words of its full name

    def options(self) -> set[str]:
        """The names a recipe may set on the model."""
        return {*self.kinds()}

    def kinds(self) -> dict[str, Kind]:
        """What a recipe may set on the model."""
        data = {'in_channels', 'out_channels', 'edge_dim'}
        fixed = {*data, self.backbone.depth, *self.keywords}
        known = _parameters(self.backbone.model)
        return {k: kind_of(k, a) for k, a in known.items() if k not in fixed}

    def edge_kinds(self) -> dict[str, Kind]:
        """What a recipe may set on what changes the edges."""
        if self.edges is None:
            return {}
        if self.edges in SIMILARITIES:
            known = _annotations(similarity_graph)
            known |= _annotations(AddRandomWalkEdges)
        else:
            known = _annotations(DROPS[self.edges])
        return {k: kind_of(k, a) for k, a in known.items() if k not in GRAPH}

    @property
    def sees_edges(self) -> bool:
        """Whether the model can take features of edges."""
        return 'edge_dim' in _parameters(self.backbone.model)


@dataclass(frozen=True)
class Network:
    """A method at a depth with all its options, ready to be trained."""

    method: Method
    depth: int
    options: dict[str, Any]
    augment: dict[str, Any] = field(default_factory=dict)

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
        if edge_dim is not None and self.method.sees_edges:
            edges['edge_dim'] = edge_dim
        return backbone.model(
            in_channels=in_channels,
            out_channels=out_channels,
            **{backbone.depth: self.depth},
            **self.method.keywords,
            **{**self.method.defaults, **self.options},
            **edges,
        )

    def prepare(self, data: Data, seed: int) -> Data:
        """The data with the edges that the method asks for.

        Raises:
            ValueError: If an option of what changes the edges makes no sense.
            TypeError: If an option is unknown.
        """
        method, augment, data = self.method, self.augment, copy.copy(data)
        if method.backbone.joins_points:
            data.edge_index = None
        if method.edges == 'walk':
            augment = {'seed': seed, **augment}
        if method.edges in SIMILARITIES:
            return AddRandomWalkEdges(method.edges, **augment)(data)
        return data

    def adjacency(self, data: Data) -> Adj | None:
        """The edges as the model takes them best."""
        if data.edge_index is None:
            return None
        if self.edge_inputs(data):
            return data.edge_index
        return self._convert(
            data.edge_index, data.get('edge_weight'), data.num_nodes
        )

    def _convert(self, *edges: Any) -> Adj:
        options = {**self.method.defaults, **self.options}
        if options.get('message_dropout', 0.0) > 0.0:  # needs messages
            return plain_edges(*edges)
        return self.method.backbone.adjacency(*edges)

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """Further inputs of the model for many graphs in one: what it takes
        of the features of edges, of which graph a node is of, and of places.
        """
        takes = inspect.signature(self.method.backbone.model.forward)
        out = self.edge_inputs(batch)
        for name in ('batch', 'pos'):
            if name in takes.parameters and name in batch:
                out[name] = batch[name]
        return out

    def edge_inputs(self, data: Data) -> dict[str, Tensor]:
        """The features of edges, where there are some and the model takes
        them.
        """
        if data.edge_attr is None or not self.method.sees_edges:
            return {}
        return {'edge_attr': data.edge_attr}

    def redraw(self, data: Data) -> Callable[[], Adj] | None:
        """What gives the edges of a training step, where they change."""
        drop = DROPS.get(self.method.edges)
        if drop is None:
            return None
        if self.options.get('cached'):
            raise ValueError(
                'cached=True keeps what the first edges gave, so that no '
                'other edges can be drawn'
            )

        given = {'num_nodes': data.num_nodes, **self.augment}
        if self.method.edges == 'dropedge':
            given = {'force_undirected': True, **self.augment}

        def dropped() -> Adj:
            some = drop(data.edge_index, **given)[0]
            return self._convert(some, None, data.num_nodes)

        return dropped


def _parameters(model: type[torch.nn.Module]) -> dict[str, Any]:
    """What a model's constructor takes, and its convolutions'."""
    known = _annotations(model)
    if hasattr(model, 'init_conv'):
        known |= _annotations(model.init_conv)
    return {k: a for k, a in known.items() if k not in ('self', 'last')}


def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.annotation for p in parameters if p.name != 'kwargs'}


def expand(text: str) -> list[str]:
    """Splits a list of specification strings at its commas, after expanding
    braces as a shell does: ``gcn+{none,res}`` is ``gcn+none`` and
    ``gcn+res``.

    Raises:
        UsageError: On a brace without its partner, or one inside another, or
            where a name is missing.
    """
    words = []
    for word in re.split(r',(?![^{]*\})', text):
        pieces = re.split(r'\{([^{}]*)\}', word.strip())
        if re.search('[{}]', ''.join(pieces[::2])):
            raise UsageError(f'braces do not match in {word.strip()!r}')
        choices = [
            [part.strip() for part in piece.split(',')] if i % 2 else [piece]
            for i, piece in enumerate(pieces)
        ]
        words += [''.join(chosen) for chosen in itertools.product(*choices)]
    return check_words(text, words)


def parse(spec: str) -> Method:
    """Reads a specification string such as ``gcn+res`` or ``jknet+ppr``; a
    part ``none`` says nothing.

    Raises:
        UsageError: On an unknown backbone or remedy, a remedy that the
            backbone does not know, or two that exclude each other.
    """
    first, *rest = (part.strip() for part in spec.split('+'))
    if not all([first, *rest]):
        raise UsageError(
            f'a part of the method {spec!r} is missing: a backbone and '
            f'perhaps remedies are meant, as in gcn or gcn+res+jump'
        )
    first = find_name('method', first, [*BACKBONES, *aliases()])
    name, *more = aliases().get(first, first).split('+')
    remedies = [
        find_name('remedy', part, ['none', *REMEDIES, *EDGES])
        for part in (*more, *rest)
    ]
    remedies = [remedy for remedy in remedies if remedy != 'none']
    known = _parameters(BACKBONES[name].model).keys()
    keywords: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    edges = None
    for remedy in remedies:
        if remedies.count(remedy) > 1:
            raise UsageError(f'{remedy!r} stands twice in {spec!r}')
        if remedy in EDGES:
            if edges is not None or BACKBONES[name].joins_points:
                raise UsageError(
                    f'{remedy!r} cannot change the edges in {spec!r}: '
                    f'{edges or name} does'
                )
            edges = remedy
            continue
        fixed, default = REMEDIES[remedy].fixed, REMEDIES[remedy].default
        if not {*fixed, *default} <= known:
            raise UsageError(f'{name} has no remedy {remedy!r} ({spec})')
        clash = any(
            keywords.get(key, value) != value for key, value in fixed.items()
        )
        if clash:
            raise UsageError(
                f'remedy {remedy!r} excludes another in {spec!r}: both set '
                f'{", ".join({**fixed, **default})}'
            )
        keywords |= fixed
        defaults |= default
    if 'message_dropout' in defaults and edges in SIMILARITIES:
        raise UsageError(
            f'{spec!r}: messages are dropped on edges without weights, and '
            f'{edges!r} gives weighted ones'
        )
    full = [name, *(r for r in REMEDIES if r in remedies)]
    common = {value: key for key, value in aliases().items()}
    for length in range(len(full), 1, -1):
        first = '+'.join(full[:length])
        if first in common:
            full = [common[first], *full[length:]]
            break
    base = '+'.join(full)
    return Method(
        base if edges is None else f'{base}+{edges}',
        BACKBONES[name],
        keywords,
        defaults,
        edges,
        base,
        frozenset([name, *remedies]),
    )
