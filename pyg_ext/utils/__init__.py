"""Functions on tensors, and the sparse matrix that the layers share."""

from pyg_ext.utils.adjacency import gcn_adj, gcn_norm_once
from pyg_ext.utils.csr import CSRTensor
from pyg_ext.utils.dilation import dilate, dilated_knn_graph, walk_graph
from pyg_ext.utils.dropout import dropout
from pyg_ext.utils.knn import (
    Neighbors,
    knn,
    knn_graph,
    knn_index,
    neighbor_edges,
)
from pyg_ext.utils.neighbor_max import edge_max, neighbor_max

__all__ = [
    'CSRTensor',
    'Neighbors',
    'dilate',
    'dilated_knn_graph',
    'dropout',
    'edge_max',
    'gcn_adj',
    'gcn_norm_once',
    'knn',
    'knn_graph',
    'knn_index',
    'neighbor_edges',
    'neighbor_max',
    'walk_graph',
]
