"""The models that specification strings begin with: what is known of them
before they, and with them PyTorch, are imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..late import Place, find
from ..values import read_file

if TYPE_CHECKING:
    import torch
    from torch_geometric.typing import Adj

PLAIN = '.methods.adjacency:plain_edges'


@dataclass(frozen=True)
class Backbone:
    """A model and what depth means for it."""

    place: Place  # of the model
    depth: str  # the keyword that depth sets
    unit: str
    takes: tuple[str, ...] | None = None  # of remedies' keys; None: look
    edgeless: bool = False  # has no use for edges
    joins_points: bool = False  # makes its own graph of nearest neighbors
    edges: Place = 'pyg_ext.utils:gcn_adj'  # makes of them what it takes best
    sparse_features: bool = True
    transductive: bool = False  # a vector of each node it has seen
    code: str | None = None  # digest of the source of a user's own

    @cached_property
    def model(self) -> Callable[..., torch.nn.Module]:
        """The model."""
        return find(self.place)

    @cached_property
    def adjacency(self) -> Callable[..., Adj]:
        """What makes of edges what the model takes best."""
        return find(self.edges)

    @property
    def normalizes(self) -> bool:
        """Whether edges are normalized for it, and not by it."""
        return self.edges != PLAIN and self.code is None

    @property
    def pools(self) -> bool:
        """Whether its layers can stand in a network for whole graphs."""
        return self.depth == 'num_layers' and not (
            self.joins_points or self.code
        )

    def parameters(self) -> dict[str, Any]:
        """What the model's constructor takes, and its convolutions'."""
        known = annotations(self.model)
        if hasattr(self.model, 'init_conv'):
            known |= annotations(self.model.init_conv)
        return {k: a for k, a in known.items() if k not in ('self', 'last')}


def annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """What a function takes."""
    parameters = inspect.signature(function).parameters.values()
    return {
        p.name: p.annotation for p in parameters if p.kind != p.VAR_KEYWORD
    }


CONVS = 'graph convolutions, the first and last included'
BLOCKS = 'hidden blocks'
STEPS = 'propagation steps'

# What remedies may say to a stack of convolutions:
STACK = (
    *('skip', 'jk', 'norm', 'lin_in', 'lin_out', 'theta', 'streams'),
    *('virtual_node', 'skip_node', 'message_dropout'),
)


def _ours(
    name: str, depth: str, unit: str, *takes: str, **kwargs: Any
) -> Backbone:
    """A model of this project."""
    return Backbone(f'pyg_ext.nn:{name}', depth, unit, takes, **kwargs)


BACKBONES = {
    'gcn': _ours('GCN', 'num_layers', CONVS, *STACK),
    'gat': _ours('GAT', 'num_layers', CONVS, *STACK, 'v2', edges=PLAIN),
    'sage': _ours(
        'GraphSAGE',
        'num_layers',
        CONVS,
        *(*STACK, 'aggr', 'project'),
        edges='pyg_ext.utils:mean_adj',
    ),
    'gin': _ours(
        'GIN',
        'num_layers',
        CONVS,
        *STACK,
        edges='.methods.adjacency:sum_adj',
        sparse_features=False,
    ),
    'mlp': _ours(
        'NodeMLP',
        'num_layers',
        'linear layers (no graph)',
        *STACK,
        edgeless=True,
    ),
    'incepgcn': _ours(
        'IncepGCN', 'num_layers', 'graph convolutions on the longest path'
    ),
    'deepergcn': _ours(
        'DeeperGCN', 'num_layers', BLOCKS, 'norm', 'aggr', edges=PLAIN
    ),
    'gcnii': _ours(
        'GCNII', 'num_layers', BLOCKS, 'shared_weights', 'static', 'theta'
    ),
    'adgn': _ours('ADGN', 'num_layers', BLOCKS, 'shared_weights'),
    'drew': _ours(
        'DRewGCN',
        'num_layers',
        BLOCKS,
        edges='.methods.adjacency:hop_adjacency',
    ),
    'gcnii-dense': _ours('DenseGCNII', 'num_layers', BLOCKS),
    'revgcn': _ours('RevGNN', 'num_layers', BLOCKS, 'norm', 'jk'),
    'revgat': _ours(
        'RevGAT', 'num_layers', CONVS, edges=PLAIN, sparse_features=False
    ),
    'appnp': _ours('APPNPNet', 'K', STEPS),
    'dagnn': _ours('DAGNN', 'K', STEPS, 'static'),
    'gprgnn': _ours('GPRGNN', 'K', STEPS),
    'sgc': _ours('SGC', 'K', STEPS, sparse_features=False),
    'node2vec': Backbone(
        '.methods.node2vec:Node2Vec',
        'window',
        'steps between the nodes of a pair',
        (),
        edges=PLAIN,
        transductive=True,
    ),
    'deepgcn': _ours(
        'DeepGCN',
        'num_layers',
        'graph convolutions',
        *('skip', 'norm', 'dilated'),
        joins_points=True,
    ),
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
