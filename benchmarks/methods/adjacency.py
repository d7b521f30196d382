"""Edges as models take them."""

import torch
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.utils import CSRTensor, HopAdjacency


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


def hop_adjacency(
    edge_index: Adj, edge_weight: OptTensor, num_nodes: int
) -> HopAdjacency:
    """The adjacencies of nodes at each distance; weights do not count."""
    return HopAdjacency(edge_index, num_nodes)
