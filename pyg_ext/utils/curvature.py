import numpy as np

from pyg_ext.utils.simple_graph import SimpleGraph


def balanced_forman(
    graph: SimpleGraph,
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
        graph.ptr,
        graph.target,
        first,
        second,
        none if one is None else one,
        none if other is None else other,
        out,
    )
    return out
