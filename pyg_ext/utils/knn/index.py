import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.typing import OptTensor

from pyg_ext.utils.checks import (
    check_count,
    check_name,
    check_untraced,
)
from pyg_ext.utils.knn.points import (
    EXPONENT,
    check_graph,
    check_points,
    largest,
    number_graphs,
    sort_by_graph,
    times_power,
)

BACKENDS = ('auto', 'tree', 'products', 'torch')
METRICS = ('euclidean', 'cosine')

MOST = 2**31 - 1  # neighbors
TREE_DIMS = 7  # up to which the k-d tree works, and is faster than products


class Neighbors(NamedTuple):
    """The :math:`k` nearest points of each of :math:`M` points.

    * **index:** indices of points, nearest first, -1 where there are less
      than :math:`k`, of shape :math:`(M, k)`
    * **dist:** their distances, infinite where there are less than
      :math:`k`, of shape :math:`(M, k)`; without gradient
    * **mask:** whether there is a point, of shape :math:`(M, k)`
    """

    index: Tensor
    dist: Tensor
    mask: Tensor


def knn_index(
    x: Tensor,
    y: Tensor,
    k: int,
    batch_x: OptTensor = None,
    batch_y: OptTensor = None,
    metric: str = 'euclidean',
    exclude_self: bool = False,
    backend: str = 'auto',
    chunk_size: int | None = None,
) -> Neighbors:
    r"""Finds for each point in :obj:`y` the :obj:`k` nearest points in
    :obj:`x` that are in the same graph.

    The result is exact and the same from every backend on every device:
    distances are computed in float64 from the differences, and points of
    equal distance follow by their index.
    Of points in float64, differences that are :math:`10^{300}` times less
    than the largest number count as none.
    Beyond input and result, memory grows with :math:`N + M` alone; where many
    points lie at one place, the result may be there twice.

    Args:
        x (torch.Tensor): Points to choose from.
        y (torch.Tensor): Points that choose. The very tensor :obj:`x` is
            faster than a copy.
        k (int): The number of neighbors.
        batch_x (torch.Tensor, optional): The graph of each point in
            :obj:`x`, in any order. (default: :obj:`None`)
        batch_y (torch.Tensor, optional): The graph of each point in
            :obj:`y`, in any order. (default: :obj:`None`)
        metric (str, optional): :obj:`'euclidean'`, or :obj:`'cosine'`: one
            minus the cosine, which is one between a point in the origin and
            any other, and zero between two in the origin.
            (default: :obj:`'euclidean'`)
        exclude_self (bool, optional): If set to :obj:`True`, no point is its
            own neighbor. (default: :obj:`False`)
        backend (str, optional): :obj:`'tree'` (a k-d tree, up to seven
            dimensions, or six with :obj:`'cosine'`) and
            :obj:`'products'` (blocked inner products, compiled selection) on
            the CPU, :obj:`'torch'` on any device;
            :obj:`'auto'` takes the tree if it can, else products, and
            :obj:`'torch'` beyond the CPU. In small graphs, all but
            :obj:`'torch'` compute all distances. (default: :obj:`'auto'`)
        chunk_size (int, optional): The number of points in :obj:`y` to do at
            a time; by default what fits into 64 MB, into 1 GB beyond the CPU.
            (default: :obj:`None`)

    Raises:
        ValueError: On infinite points or such that are no numbers, and on
            whole numbers from :math:`2^{53}` on; on shapes, devices and batch
            vectors that do not fit together; on an unknown metric or backend;
            on :obj:`exclude_self` if :obj:`y` is not :obj:`x`.

    Shapes:
        - **input:** points :math:`(N, F)` and :math:`(M, F)`, or one number
          each, :math:`(N)` and :math:`(M)`; graphs :math:`(N)` and
          :math:`(M)` *(optional)*
        - **output:** a tuple of indices, distances and mask, each
          :math:`(M, k)`
    """
    index, dist, mask = nearest(
        *(x, y, k, batch_x, batch_y, metric, exclude_self),
        *(backend, chunk_size),
    )
    more = int(k) - index.size(1)
    if more > 0:  # than there are points
        index = pad(index, (0, more), value=-1)
        dist = pad(dist, (0, more), value=torch.inf)
        mask = pad(mask, (0, more), value=False)
    return Neighbors(index, dist, mask)


def nearest(
    x: Tensor,
    y: Tensor,
    k: int,
    batch_x: OptTensor = None,
    batch_y: OptTensor = None,
    metric: str = 'euclidean',
    exclude_self: bool = False,
    backend: str = 'auto',
    chunk_size: int | None = None,
) -> Neighbors:
    """Does what :func:`knn_index` does, in no more columns than there are
    points to choose from.
    """
    same = y is x and batch_y is batch_x
    if exclude_self and not same:
        raise ValueError(
            'exclude_self needs y to be x and batch_y to be batch_x, the same '
            'objects'
        )
    backend = _checked(x, y, metric, backend, chunk_size)
    dtype = x.dtype if x.is_floating_point() else torch.double
    name = 'batch' if same else 'batch_x'
    batch_x = check_graph(name, batch_x, x)
    batch_y = batch_x if same else check_graph('batch_y', batch_y, y)
    batch_x, batch_y = number_graphs(x, y, batch_x, batch_y)
    x, to_x, sizes_x = sort_by_graph(x, batch_x, 'x')
    y, to_y, sizes_y = (
        (x, to_x, sizes_x) if same else sort_by_graph(y, batch_y, 'y')
    )
    if x.dtype != y.dtype:
        x, y = x.double(), y.double()
    power, most = 0, min(check_count('k', k, 0, MOST), len(x))
    if most > 0 and x.dtype == torch.double and metric == 'euclidean':
        power = EXPONENT - math.frexp(max(largest(x), largest(y)))[1]
        x = times_power(x, power)
        y = x if same else times_power(y, power)
    index = torch.full((len(y), most), -1, device=y.device)
    dist = torch.full_like(index, torch.inf, dtype=torch.double)
    if most > 0 and len(y) > 0:
        from pyg_ext.utils.knn.search import search  # loads numba

        sizes = sizes_x.numpy(), sizes_y.numpy()
        search(
            *(x, y, *sizes, metric == 'cosine', exclude_self),
            *(index, dist, backend, chunk_size),
        )
    mask = index >= 0
    if to_x is not None:
        index = torch.where(mask, to_x[index], -1)
    if to_y is not None:
        index, dist, mask = (
            torch.empty_like(t).index_copy_(0, to_y, t)
            for t in (index, dist, mask)
        )
    dist = dist.div_(2) if metric == 'cosine' else dist.sqrt_()
    return Neighbors(index, times_power(dist, -power).to(dtype), mask)


def _checked(
    x: Tensor, y: Tensor, metric: str, backend: str, chunk_size: int | None
) -> str:
    """The backend to take, if the arguments fit together."""
    check_untraced('the search for nearest points')
    check_name('metric', metric, METRICS)
    check_name('backend', backend, BACKENDS)
    if chunk_size is not None:
        check_count('chunk_size', chunk_size)
    for name, points in (('x', x), ('y', y)):
        check_points(name, points)
    if x.dim() != y.dim() or x.size()[1:] != y.size()[1:]:
        raise ValueError(
            f'x and y must be [N, F] and [M, F], or [N] and [M] (got '
            f'{list(x.size())} and {list(y.size())})'
        )
    if x.device != y.device:
        raise ValueError(
            f'x and y must be on one device (got {x.device} and {y.device})'
        )
    dims = x.size(1) if x.dim() == 2 else 1
    fits = dims + (metric == 'cosine') <= TREE_DIMS
    if backend == 'tree' and not fits:
        raise ValueError(
            f"backend 'tree' takes up to {TREE_DIMS} dimensions, one less "
            f"with metric 'cosine' (got {dims})"
        )
    on_cpu = x.device.type == 'cpu'
    if backend == 'auto' and on_cpu:
        return 'tree' if fits else 'products'
    if backend not in ('auto', 'torch') and not on_cpu:
        raise ValueError(
            f'backend {backend!r} works on the CPU alone (got {x.device})'
        )
    return 'torch' if backend == 'auto' else backend
