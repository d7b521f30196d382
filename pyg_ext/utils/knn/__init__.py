"""Exact k-NN search."""

from pyg_ext.utils.knn.graph import (
    FLOWS,
    check_neighbors,
    check_workers,
    knn,
    knn_graph,
    neighbor_edges,
)
from pyg_ext.utils.knn.index import (
    MOST,
    TREE_DIMS,
    Neighbors,
    knn_index,
    nearest,
)
from pyg_ext.utils.knn.points import times_power

__all__ = [
    'FLOWS',
    'MOST',
    'TREE_DIMS',
    'Neighbors',
    'check_neighbors',
    'check_workers',
    'knn',
    'knn_graph',
    'knn_index',
    'nearest',
    'neighbor_edges',
    'times_power',
]
