"""Functions on tensors, and the sparse matrix that the layers share."""

from pyg_ext.utils.adjacency import gcn_adj, gcn_norm_once
from pyg_ext.utils.csr import CSRTensor
from pyg_ext.utils.dropout import dropout

__all__ = ['CSRTensor', 'dropout', 'gcn_adj', 'gcn_norm_once']
