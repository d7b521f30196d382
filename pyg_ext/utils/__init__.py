"""Functions on tensors, and the sparse matrix that the layers share."""

from pyg_ext.utils.adjacency import (
    edge_list,
    gcn_adj,
    gcn_norm_once,
    mean_adj,
    mean_norm_once,
)
from pyg_ext.utils.csr import CSRTensor
from pyg_ext.utils.diffusion import (
    diffusion_matrix,
    diffusion_topk,
    heat_kernel_topk,
    ppr_topk,
)
from pyg_ext.utils.dilation import dilate, dilated_knn_graph, walk_graph
from pyg_ext.utils.dropout import dropout
from pyg_ext.utils.fps import fps
from pyg_ext.utils.hop_adjacency import HopAdjacency
from pyg_ext.utils.knn import (
    Neighbors,
    knn,
    knn_graph,
    knn_index,
    neighbor_edges,
)
from pyg_ext.utils.neighbor_max import edge_max, neighbor_max
from pyg_ext.utils.on_ray import on_ray
from pyg_ext.utils.radius import radius, radius_graph
from pyg_ext.utils.random_walk import (
    add_random_walk_edge,
    dropout_path,
    random_walk,
    walk_pairs,
    walk_topk,
)
from pyg_ext.utils.similarity import similarity_graph

__all__ = [
    'CSRTensor',
    'HopAdjacency',
    'Neighbors',
    'add_random_walk_edge',
    'diffusion_matrix',
    'diffusion_topk',
    'dilate',
    'dilated_knn_graph',
    'dropout',
    'dropout_path',
    'edge_list',
    'edge_max',
    'fps',
    'gcn_adj',
    'gcn_norm_once',
    'heat_kernel_topk',
    'knn',
    'knn_graph',
    'knn_index',
    'mean_adj',
    'mean_norm_once',
    'neighbor_edges',
    'neighbor_max',
    'on_ray',
    'ppr_topk',
    'radius',
    'radius_graph',
    'random_walk',
    'similarity_graph',
    'walk_graph',
    'walk_pairs',
    'walk_topk',
]
