"""The models that specification strings begin with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn import (
    ADGN,
    DAGNN,
    GAT,
    GCN,
    GCNII,
    GIN,
    GPRGNN,
    SGC,
    APPNPNet,
    DeeperGCN,
    DeepGCN,
    DenseGCNII,
    GraphSAGE,
    IncepGCN,
    NodeMLP,
    RevGAT,
    RevGNN,
)
from pyg_ext.utils import CSRTensor, gcn_adj, mean_adj

from ..errors import UsageError
from ..values import read_file
from .node2vec import Node2Vec


def plain_edges(
    edge_index: Adj, edge_weight: OptTensor, num_nodes: int
) -> Adj:
    """The edges as they are, without their weights."""
    return edge_index


def sum_adj(
    edge_index: Adj, edge_weight: OptTensor, num_nodes: int
) -> CSRTensor:
    """The matrix whose product with features sums them over neighbors."""
    if edge_weight is None:
        edge_weight = torch.ones(edge_index.size(1))
    size = num_nodes, num_nodes
    return CSRTensor.from_coo(edge_index.flip(0), edge_weight, size)


@dataclass(frozen=True)
class Backbone:
    """A model and what depth means for it."""

    model: Callable[..., torch.nn.Module]
    depth: str  # the keyword that depth sets
    unit: str
    joins_points: bool = False  # makes its own graph of nearest neighbors
    adjacency: Callable[..., Adj] = gcn_adj  # what it takes best
    sparse_features: bool = True
    transductive: bool = False  # a vector of each node it has seen
    code: str | None = None  # digest of the source of a user's own

    @property
    def pools(self) -> bool:
        """Whether its layers can stand in a network for whole graphs."""
        return self.depth == 'num_layers' and not (
            self.joins_points or self.code
        )


CONVS = 'graph convolutions, the first and last included'
BLOCKS = 'hidden blocks'
STEPS = 'propagation steps'

BACKBONES = {
    'gcn': Backbone(GCN, 'num_layers', CONVS),
    'gat': Backbone(GAT, 'num_layers', CONVS, adjacency=plain_edges),
    'sage': Backbone(
        GraphSAGE,
        'num_layers',
        CONVS,
        adjacency=mean_adj,
    ),
    'gin': Backbone(
        GIN,
        'num_layers',
        CONVS,
        adjacency=sum_adj,
        sparse_features=False,
    ),
    'mlp': Backbone(NodeMLP, 'num_layers', 'linear layers (no graph)'),
    'incepgcn': Backbone(
        IncepGCN, 'num_layers', 'graph convolutions on the longest path'
    ),
    'deepergcn': Backbone(
        DeeperGCN, 'num_layers', BLOCKS, adjacency=plain_edges
    ),
    'gcnii': Backbone(GCNII, 'num_layers', BLOCKS),
    'adgn': Backbone(ADGN, 'num_layers', BLOCKS),
    'gcnii-dense': Backbone(DenseGCNII, 'num_layers', BLOCKS),
    'revgcn': Backbone(RevGNN, 'num_layers', BLOCKS),
    'revgat': Backbone(
        RevGAT,
        'num_layers',
        CONVS,
        adjacency=plain_edges,
        sparse_features=False,
    ),
    'appnp': Backbone(APPNPNet, 'K', STEPS),
    'dagnn': Backbone(DAGNN, 'K', STEPS),
    'gprgnn': Backbone(GPRGNN, 'K', STEPS),
    'sgc': Backbone(SGC, 'K', STEPS, sparse_features=False),
    'node2vec': Backbone(
        Node2Vec,
        'window',
        'steps between the nodes of a pair',
        adjacency=plain_edges,
        transductive=True,
    ),
    'deepgcn': Backbone(
        DeepGCN,
        'num_layers',
        'graph convolutions',
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
