import numpy as np
from torch import Tensor


class SimpleGraph:
    """An undirected graph without loops and repetitions, in arrays, whose
    edges come and go.

    Each edge is held both ways, sorted by :obj:`source` and then
    :obj:`target`; :obj:`ptr` says where the edges of a node begin.
    """

    def __init__(self, edge_index: Tensor, num_nodes: int):
        source, target = edge_index.cpu().numpy()
        keys = np.unique((source * num_nodes + target)[source != target])
        self.source, self.target = np.divmod(keys, max(num_nodes, 1))
        self.ptr = np.zeros(num_nodes + 1, dtype=np.int64)
        self.degree = np.bincount(self.source, minlength=num_nodes)
        np.cumsum(self.degree, out=self.ptr[1:])

    def neighbors(self, node: int) -> np.ndarray:
        """The neighbors of a node, sorted."""
        return self.target[self.ptr[node] : self.ptr[node + 1]]

    def add(self, one: int, other: int) -> np.ndarray:
        """Adds an edge that is not there; where :func:`numpy.insert` puts
        what goes with it.
        """
        places = self._places(one, other)
        self.source = np.insert(self.source, places, (one, other))
        self.target = np.insert(self.target, places, (other, one))
        self._count(one, other, 1)
        return places

    def remove(self, one: int, other: int) -> np.ndarray:
        """Removes an edge that is there; where :func:`numpy.delete` takes
        what goes with it.
        """
        places = self._places(one, other)
        self.source = np.delete(self.source, places)
        self.target = np.delete(self.target, places)
        self._count(one, other, -1)
        return places

    def _places(self, one: int, other: int) -> np.ndarray:
        return np.array(
            [
                self.ptr[u] + np.searchsorted(self.neighbors(u), v)
                for u, v in ((one, other), (other, one))
            ]
        )

    def _count(self, one: int, other: int, by: int) -> None:
        for node in (one, other):
            self.ptr[node + 1 :] += by
            self.degree[node] += by
