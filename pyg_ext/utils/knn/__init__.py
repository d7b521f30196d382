"""Exact k-NN search."""

from pyg_ext.utils.knn.index import (
    FLOWS,
    MOST,
    TREE_DIMS,
    Neighbors,
    check_neighbors,
    check_workers,
    knn,
    knn_graph,
    knn_index,
    nearest,
    neighbor_edges,
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
