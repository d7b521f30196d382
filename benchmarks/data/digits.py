"""The handwritten digits of scikit-learn, joined to their nearest."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data

from .splits import in_order, with_masks


def read(root: Path | None, mirrors: Sequence[str]) -> Data:
    """The graph, which comes with scikit-learn, with its split."""
    from sklearn.datasets import load_digits
    from sklearn.neighbors import kneighbors_graph
    from threadpoolctl import threadpool_limits

    pixels, labels = load_digits(return_X_y=True)
    with threadpool_limits(1):  # or who is nearest of equals would change
        adj = kneighbors_graph(pixels, n_neighbors=10)
    row, col = adj.maximum(adj.T).nonzero()
    order = np.random.default_rng(0).permutation(labels.size)
    train = np.concatenate(
        [order[labels[order] == digit][:5] for digit in range(10)]
    )
    rest = order[~np.isin(order, train)]
    data = Data(
        x=torch.from_numpy(pixels).float() / 16,
        y=torch.from_numpy(labels).long(),
        edge_index=torch.from_numpy(np.stack([row, col])).long(),
    )
    parts = map(torch.from_numpy, (train, rest[:500], rest[500:]))
    return with_masks(data, in_order(*parts))
