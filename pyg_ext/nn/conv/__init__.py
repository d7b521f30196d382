from pyg_ext.nn.conv.dilated_knn_conv import DilatedKNNConv
from pyg_ext.nn.conv.dynamic_edge_conv import DynamicEdgeConv
from pyg_ext.nn.conv.gcn2_dense_conv import GCN2DenseConv
from pyg_ext.nn.conv.gcne_conv import GCNEConv
from pyg_ext.nn.conv.mr_conv import MRConv
from pyg_ext.nn.conv.norm_gat_conv import NormGATConv
from pyg_ext.nn.conv.random_walk_conv import RandomWalkConv
from pyg_ext.nn.conv.rev_gcn_conv import RevGCNConv

__all__ = [
    'DilatedKNNConv',
    'DynamicEdgeConv',
    'GCN2DenseConv',
    'GCNEConv',
    'MRConv',
    'NormGATConv',
    'RandomWalkConv',
    'RevGCNConv',
]
