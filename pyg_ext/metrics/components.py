import numpy as np
import torch
from torch import Tensor


def components(edge_index: Tensor, size: int) -> Tensor:
    """The weakly connected component of each node, ``[N]``."""
    from scipy.sparse import coo_array  # takes long to import
    from scipy.sparse.csgraph import connected_components

    row, col = edge_index.cpu().numpy()
    ones = np.ones(len(row), dtype=bool)
    adj = coo_array((ones, (row, col)), shape=(size, size))
    _, label = connected_components(adj, directed=False)
    return torch.from_numpy(label).long().to(edge_index.device)
