import math

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_ext.utils.checks import check_real, check_untraced
from pyg_ext.utils.knn.points import (
    EXPONENT,
    check_graph,
    check_points,
    largest,
    sort_by_graph,
    times_power,
)
from pyg_ext.utils.threads import in_threads


def fps(
    x: Tensor,
    batch: OptTensor = None,
    ratio: float = 0.5,
    random_start: bool = True,
    batch_size: int | None = None,
) -> Tensor:
    r"""Farthest point sampling from the `"PointNet++: Deep Hierarchical
    Feature Learning on Point Sets in a Metric Space"
    <https://arxiv.org/abs/1706.02413>`_ paper, in place of
    :func:`torch_geometric.nn.fps`.

    Each point taken is the one farthest from those taken before, of equally
    far ones the first; none is taken twice. Distances are computed in
    float64, and on the CPU wherever the points are.

    Args:
        x (torch.Tensor): The points.
        batch (torch.Tensor, optional): The graph of each point, in any
            order. (default: :obj:`None`)
        ratio (float, optional): How many points to take, of all in a graph,
            rounded up. (default: :obj:`0.5`)
        random_start (bool, optional): If set to :obj:`False`, starts with the
            first point of a graph, else with one that PyTorch's generator
            draws. (default: :obj:`True`)
        batch_size (int, optional): Accepted as in PyG, and not needed.
            (default: :obj:`None`)

    Raises:
        ValueError: On infinite points or such that are no numbers, a batch
            vector that does not fit, or a ratio outside :math:`(0, 1]`.

    Shapes:
        - **input:** points :math:`(N, F)` or :math:`(N, *)`, graphs
          :math:`(N)` *(optional)*
        - **output:** indices of points, graph by graph, in the order in
          which they are taken
    """
    check_untraced('farthest point sampling')
    if not 0.0 < check_real('ratio', ratio) <= 1.0:
        raise ValueError(f'ratio must be in (0, 1] (got {ratio})')
    if isinstance(x, Tensor) and x.dim() > 2:
        x = x.flatten(1)
    check_points('x', x)
    batch = check_graph('batch', batch, x)
    if batch is not None:
        batch = batch.unique(return_inverse=True)[1]
    points, order, sizes = sort_by_graph(x, batch, 'x')
    num = (sizes.float() * ratio).ceil().long()
    first = torch.zeros_like(sizes)
    if random_start:
        draws = torch.rand(len(sizes), dtype=torch.double)
        first = (draws * sizes).long()
    index = torch.empty(int(num.sum()), dtype=torch.long)
    if len(index):
        from pyg_ext.utils.fps_kernel import sample  # loads numba

        begin, start = sizes.cumsum(0) - sizes, num.cumsum(0) - num
        graphs = (first, sizes, num, begin, start)
        power = EXPONENT - math.frexp(largest(points))[1]
        points = times_power(points.double(), power)
        in_threads(
            sample,
            tuple(vector.numpy() for vector in graphs),
            (points.T.contiguous().cpu().numpy(), index.numpy()),
        )
    index = index.to(x.device)
    return index if order is None else order[index]
