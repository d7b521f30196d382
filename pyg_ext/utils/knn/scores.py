"""Scores of candidates, from inner products of known error.

A *score* is half of a squared distance without the part that all points have
in common, ``|x|^2 / 2 - x y``.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vector_norm

from pyg_ext.utils.knn.score_kernels import highest


class Scores:
    """Float32 copies of points, scaled and centered graph by graph.

    Args:
        x: Points to choose from, graph by graph.
        y: Points that choose, likewise.
        sizes_x: The number of points of each graph in ``x``.
        sizes_y: Likewise in ``y``.
    """

    def __init__(
        self, x: Tensor, y: Tensor, sizes_x: np.ndarray, sizes_y: np.ndarray
    ):
        same = y is x
        graph_x = _graphs(sizes_x, x)
        graph_y = graph_x if same else _graphs(sizes_y, y)
        largest = x.new_zeros(len(sizes_x))
        largest.scatter_reduce_(0, graph_x, x.abs().amax(1), 'amax')
        if not same:
            largest.scatter_reduce_(0, graph_y, y.abs().amax(1), 'amax')
        power = -np.frexp(largest.cpu().numpy())[1]
        most = 120 if x.dtype == torch.float else 500  # its square is a number
        scale = np.ldexp(1.0, power.clip(-most, most))
        self.scale = torch.from_numpy(scale).to(x.device)  # [graphs]
        factor = self.scale.to(x.dtype).unsqueeze(1)
        x = x * _each(factor, graph_x)
        y = x if same else y * _each(factor, graph_y)
        count = torch.from_numpy(sizes_x).to(x).clamp(min=1).unsqueeze(1)
        center = x.new_zeros(len(sizes_x), x.size(1))
        center.index_add_(0, graph_x, x).div_(count)
        self.center = center.double()  # [graphs, F]
        self.x = (x - _each(center, graph_x)).float()
        self.y = self.x if same else (y - _each(center, graph_y)).float()
        # Relative, of sums in any order and of rounding the points:
        self.error = 1.01 * (x.size(1) + 8) * 2.0**-24
        self.norm = vector_norm(self.y, dim=1, dtype=torch.double)  # [M]
        self.half = 0.5 * self.x.square().sum(1)  # [N]
        self._square = self.scale.square()[graph_y]  # [M]

    def limits(self, rows: Tensor, dist: Tensor) -> Tensor:
        """The score that a point not farther than a squared distance may
        seem to have, for some rows of ``y``.
        """
        dist = dist * self._square[rows]
        return highest(dist, self.norm[rows], self.error)


def _graphs(sizes: np.ndarray, points: Tensor) -> Tensor:
    """The graph of each point."""
    return torch.repeat_interleave(
        torch.from_numpy(sizes).to(points.device), output_size=len(points)
    )


def _each(values: Tensor, graph: Tensor) -> Tensor:
    """The values of each point's graph."""
    return values if len(values) == 1 else values[graph]


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Inner products of float32 in float32, whatever the user has set."""
    before = torch.get_float32_matmul_precision()
    if before != 'highest':
        torch.set_float32_matmul_precision('highest')
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        if before != 'highest':
            torch.set_float32_matmul_precision(before)
