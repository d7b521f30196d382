"""Linear systems of the Laplacian of an undirected graph."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_ext.metrics.blocks import rows_at_a_time
from pyg_ext.metrics.components import components


def adjacency(edge_index: Tensor, edge_weight: OptTensor, size: int) -> Any:
    """The weights between nodes, repeated ones summed, as a sparse matrix in
    float64.
    """
    from scipy.sparse import coo_array  # takes long to import

    row, col = edge_index.cpu().numpy()
    weight = np.ones(len(row))
    if edge_weight is not None:
        weight = edge_weight.detach().double().cpu().numpy()
    return coo_array((weight, (row, col)), shape=(size, size)).tocsr()


def factorize(matrix: Any) -> Any:
    """The sparse factors of a symmetric, positive definite matrix."""
    from scipy.sparse.linalg import splu

    return splu(
        matrix.tocsc(),
        permc_spec='MMD_AT_PLUS_A',
        diag_pivot_thresh=0.0,
        options={'SymmetricMode': True},
    )


class GroundedLaplacian:
    r"""The Laplacian without the row and the column of one node of each
    component, where the potential is zero.

    With its inverse :math:`\mathbf{M}`, which is zero there, the resistance
    of two nodes of a component is :math:`M_{uu} + M_{vv} - 2 M_{uv}`.
    """

    def __init__(self, edge_index: Tensor, edge_weight: OptTensor, size: int):
        from scipy.sparse import diags_array

        carry = edge_index[0] != edge_index[1]  # a loop carries no current
        if edge_weight is not None:
            carry &= edge_weight > 0.0
            edge_weight = edge_weight[carry]
        edges = edge_index[:, carry]
        self.component = components(edges, size).cpu().numpy()
        first = np.unique(self.component, return_index=True)[1]
        kept = np.ones(size, dtype=bool)
        kept[first] = False
        self.place = np.cumsum(kept) - 1  # of each node, [N]
        self.kept = np.flatnonzero(kept)
        self.place[first] = len(self.kept)  # a row of zeros, behind the others
        if len(self.kept):
            adj = adjacency(edges, edge_weight, size)
            full = diags_array(adj.sum(axis=1)) - adj
            self.factor = factorize(full.tocsr()[self.kept][:, self.kept])

    def columns(
        self, nodes: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Some of the given nodes, none of which is grounded, and their
        columns of the inverse, with a row of zeros at the end.
        """
        size = len(self.kept)
        for start in range(0, len(nodes), step := rows_at_a_time(size)):
            some = nodes[start : start + step]
            unit = np.zeros((size, len(some)))
            unit[self.place[some], np.arange(len(some))] = 1.0
            inverse = np.zeros((size + 1, len(some)))
            inverse[:size] = self.factor.solve(unit)
            yield some, inverse


def to_tensor(values: np.ndarray, device: torch.device) -> Tensor:
    """An array as a tensor on a device."""
    return torch.from_numpy(values).to(device)
