"""Curvature of the edges of a simple, undirected graph, in arrays."""

import numpy as np
from torch import Tensor


def simple_graph(
    edge_index: Tensor, num_nodes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where the neighbors of a node begin, and the neighbors, sorted, without
    loops and repetitions.
    """
    source, target = edge_index.cpu().numpy()
    keys = np.unique((source * num_nodes + target)[source != target])
    source, target = np.divmod(keys, max(num_nodes, 1))
    ptr = np.zeros(num_nodes + 1, dtype=np.int64)
    np.cumsum(np.bincount(source, minlength=num_nodes), out=ptr[1:])
    return ptr, target


def balanced_forman(
    ptr: np.ndarray,
    neighbor: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    one: np.ndarray | None = None,
    other: np.ndarray | None = None,
) -> np.ndarray:
    """The balanced Forman curvature of some edges, of each in a graph to
    which an edge is added, if given.
    """
    from pyg_ext.utils import curvature_kernel  # slow to load

    none = np.full(len(first), -1)
    out = np.zeros(len(first))
    curvature_kernel.balanced_forman(
        ptr,
        neighbor,
        first,
        second,
        none if one is None else one,
        none if other is None else other,
        out,
    )
    return out
