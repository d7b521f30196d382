"""Transforms of :class:`torch_geometric.data.Data`."""

from pyg_ext.transforms.add_random_walk_edges import AddRandomWalkEdges
from pyg_ext.transforms.dilated_knn_graph import DilatedKNNGraph
from pyg_ext.transforms.fosr import FoSR
from pyg_ext.transforms.sdrf import SDRF

__all__ = ['SDRF', 'AddRandomWalkEdges', 'DilatedKNNGraph', 'FoSR']
