import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from torch_geometric.data import Data
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import dropout_edge

from benchmarks.errors import UsageError, check_name
from pyg_ext.nn import (
    DAGNN,
    GAT,
    GCN,
    GCNII,
    GPRGNN,
    SGC,
    APPNPNet,
    DeepGCN,
    GraphSAGE,
    RevGNN,
)
from pyg_ext.transforms import AddRandomWalkEdges
from pyg_ext.utils import gcn_adj, mean_adj


def plain_edges(
    edge_index: Adj, edge_weight: OptTensor, num_nodes: int
) -> Adj:
    """The edges as they are, without their weights."""
    return edge_index


@dataclass(frozen=True)
class Backbone:
    """A model and what depth means for it."""

    model: type[torch.nn.Module]
    depth: str  # the keyword that depth sets
    unit: str
    joins_points: bool = False  # makes its own graph of nearest neighbors
    adjacency: Callable[..., Adj] = gcn_adj  # what it takes best
    sparse_features: bool = True


STEPS = 'propagation steps'

BACKBONES = {
    'gcn': Backbone(
        GCN, 'num_layers', 'graph convolutions, the first and last included'
    ),
    'gat': Backbone(
        GAT,
        'num_layers',
        'attention layers, the first and last included',
        adjacency=plain_edges,
    ),
    'sage': Backbone(
        GraphSAGE,
        'num_layers',
        'graph convolutions, the first and last included',
        adjacency=mean_adj,
        sparse_features=False,
    ),
    'gcnii': Backbone(GCNII, 'num_layers', 'hidden blocks'),
    'revgcn': Backbone(RevGNN, 'num_layers', 'hidden blocks'),
    'appnp': Backbone(APPNPNet, 'K', STEPS),
    'dagnn': Backbone(DAGNN, 'K', STEPS),
    'gprgnn': Backbone(GPRGNN, 'K', STEPS),
    'sgc': Backbone(SGC, 'K', STEPS, sparse_features=False),
    'deepgcn': Backbone(
        DeepGCN,
        'num_blocks',
        'graph convolutions',
        joins_points=True,
    ),
}

REMEDIES: dict[str, dict[str, Any]] = {
    'res': {'skip': 'res'},
    'dense': {'skip': 'dense'},
    'jump': {'jk': 'cat'},
    'dilated': {'dilated': True},
}

# What changes the edges, and its options; a recipe's `augment` goes before.
EDGES: dict[str, dict[str, Any]] = {
    'ppr': {'k': 64, 'alpha': 0.15, 'mode': 'replace', 'symmetric': False},
    'heat': {'k': 64, 't': 5.0, 'mode': 'replace', 'symmetric': False},
    'walk': {'k': 64, 'mode': 'replace', 'symmetric': False},
    'dropedge': {'p': 0.5},
}


@cache
def aliases() -> dict[str, str]:
    """Common names of specification strings, from ``methods.yaml``."""
    text = Path(__file__).with_name('methods.yaml').read_text()
    return yaml.safe_load(text)


@dataclass(frozen=True)
class Method:
    """A specification string ``backbone[+remedy...][+edges]``, understood."""

    name: str
    backbone: Backbone
    keywords: dict[str, Any]
    edges: str | None = None  # a name in EDGES
    base: str = ''  # its name without those edges

    def options(self) -> set[str]:
        """The names a recipe may set on the model."""
        names = _parameters(self.backbone.model)
        fixed = {'in_channels', 'out_channels', self.backbone.depth}
        return names - fixed - set(self.keywords)


@dataclass(frozen=True)
class Network:
    """A method at a depth with all its options, ready to be trained."""

    method: Method
    depth: int
    options: dict[str, Any]
    augment: dict[str, Any] = field(default_factory=dict)

    def build(self, in_channels: int, out_channels: int) -> torch.nn.Module:
        """Returns a new model."""
        backbone = self.method.backbone
        return backbone.model(
            in_channels=in_channels,
            out_channels=out_channels,
            **{backbone.depth: self.depth},
            **self.method.keywords,
            **self.options,
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
        if method.edges in ('ppr', 'heat', 'walk'):
            return AddRandomWalkEdges(method.edges, **augment)(data)
        return data

    def adjacency(self, data: Data) -> Adj | None:
        """The edges as the model takes them best."""
        if data.edge_index is None:
            return None
        return self.method.backbone.adjacency(
            data.edge_index, data.get('edge_weight'), data.num_nodes
        )

    def redraw(self, data: Data) -> Callable[[], Adj] | None:
        """What gives the edges of a training step, where they change."""
        if self.method.edges != 'dropedge':
            return None
        if self.options.get('cached'):
            raise ValueError(
                'cached=True keeps what the first edges gave, so that no '
                'other edges can be drawn'
            )

        def dropped() -> Adj:
            some, _ = dropout_edge(
                data.edge_index, force_undirected=True, **self.augment
            )
            adjacency = self.method.backbone.adjacency
            return adjacency(some, None, data.num_nodes)

        return dropped


def _parameters(model: type[torch.nn.Module]) -> set[str]:
    """The names that a model's constructor takes, and its convolutions'."""
    names = set(inspect.signature(model).parameters)
    if hasattr(model, 'init_conv'):
        names |= set(inspect.signature(model.init_conv).parameters)
    return names - {'self', 'last', 'kwargs'}


def parse(spec: str) -> Method:
    """Reads a specification string such as ``gcn+res`` or ``jknet+ppr``.

    Raises:
        UsageError: On an unknown backbone or remedy, a remedy that the
            backbone does not know, or two that exclude each other.
    """
    first, *rest = spec.split('+')
    name, *remedies = '+'.join([aliases().get(first, first), *rest]).split('+')
    check_name('method', name, [*BACKBONES, *aliases()])
    check = _parameters(BACKBONES[name].model)
    keywords: dict[str, Any] = {}
    edges = None
    for remedy in remedies:
        check_name('remedy', remedy, [*REMEDIES, *EDGES])
        if remedy in EDGES:
            if edges is not None or BACKBONES[name].joins_points:
                raise UsageError(
                    f'{remedy!r} cannot change the edges in {spec!r}: '
                    f'{edges or name} does'
                )
            edges = remedy
            continue
        for key, value in REMEDIES[remedy].items():
            if key not in check:
                raise UsageError(f'{name} has no remedy {remedy!r} ({spec})')
            if key in keywords:
                raise UsageError(
                    f'remedy {remedy!r} excludes another in {spec!r}: both '
                    f'set {key}'
                )
            keywords[key] = value
    ordered = '+'.join([name, *(r for r in REMEDIES if r in remedies)])
    common = {value: key for key, value in aliases().items()}
    base = common.get(ordered, ordered)
    full = base if edges is None else f'{base}+{edges}'
    return Method(full, BACKBONES[name], keywords, edges, base)
