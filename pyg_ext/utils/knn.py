from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_ext.utils.checks import check_name

BACKENDS = ('auto', 'tree', 'products', 'faiss', 'torch')
METRICS = ('euclidean', 'cosine')
FLOWS = ('source_to_target', 'target_to_source')

LARGEST = 1e150  # the sum of whose squares is a number
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
    Beyond input and result, memory grows with :math:`N + M` alone.

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
            dimensions, or six with :obj:`'cosine'`), :obj:`'products'`
            (blocked inner products, compiled selection) and :obj:`'faiss'`
            (if installed) on the CPU, :obj:`'torch'` on any device;
            :obj:`'auto'` takes the tree if it can, else products, and
            :obj:`'torch'` beyond the CPU. In small graphs, all but
            :obj:`'torch'` compute all distances. (default: :obj:`'auto'`)
        chunk_size (int, optional): The number of points in :obj:`y` to do at
            a time; by default what fits into 64 MB. (default: :obj:`None`)

    Raises:
        ValueError: On infinite points or such that are no numbers; on shapes,
            devices and batch vectors that do not fit together; on an unknown
            metric or backend; on :obj:`exclude_self` if :obj:`y` is not
            :obj:`x`.
        ImportError: On :obj:`'faiss'` if it is not installed.

    Shapes:
        - **input:** points :math:`(N, F)` and :math:`(M, F)`, or one number
          each, :math:`(N)` and :math:`(M)`; graphs :math:`(N)` and
          :math:`(M)` *(optional)*
        - **output:** a tuple of indices, distances and mask, each
          :math:`(M, k)`
    """
    same = y is x and batch_y is batch_x
    if exclude_self and not same:
        raise ValueError(
            'exclude_self needs y to be x and batch_y to be batch_x, the same '
            'objects'
        )
    backend = _checked(x, y, k, metric, backend, chunk_size)
    dtype = x.dtype if x.is_floating_point() else torch.double
    x, to_x, sizes_x = _sorted(x, batch_x, 'x')
    y, to_y, sizes_y = (x, to_x, sizes_x) if same else _sorted(y, batch_y, 'y')
    if x.dtype != y.dtype:
        x, y = x.double(), y.double()
    index = torch.full((len(y), k), -1, device=y.device)
    dist = torch.full_like(index, torch.inf, dtype=torch.double)
    if k > 0 and len(x) > 0 and len(y) > 0:
        from pyg_ext.utils import knn_search  # loads numba

        knn_search.search(
            *(x, y, sizes_x, sizes_y, metric == 'cosine', exclude_self),
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
    dist = dist.sqrt_() if metric == 'euclidean' else dist.div_(2)
    return Neighbors(index, dist.to(dtype), mask)


def knn(
    x: Tensor,
    y: Tensor,
    k: int,
    batch_x: OptTensor = None,
    batch_y: OptTensor = None,
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    r"""Finds for each point in :obj:`y` the :obj:`k` nearest points in
    :obj:`x`, in place of :func:`torch_geometric.nn.knn`.

    See :func:`knn_index`.

    Args:
        x (torch.Tensor): Points to choose from.
        y (torch.Tensor): Points that choose.
        k (int): The number of neighbors.
        batch_x (torch.Tensor, optional): The graph of each point in
            :obj:`x`. (default: :obj:`None`)
        batch_y (torch.Tensor, optional): The graph of each point in
            :obj:`y`. (default: :obj:`None`)
        cosine (bool, optional): If set to :obj:`True`, takes the cosine
            distance. (default: :obj:`False`)
        num_workers (int, optional): Accepted as in PyG; the number of threads
            is that of PyTorch. (default: :obj:`1`)
        batch_size (int, optional): Accepted as in PyG, and not needed.
            (default: :obj:`None`)

    Raises:
        ValueError: As in :func:`knn_index`.

    Shapes:
        - **input:** points :math:`(N, F)` and :math:`(M, F)`, graphs
          :math:`(N)` and :math:`(M)` *(optional)*
        - **output:** :math:`(2, E)`: indices of points in :obj:`y`, ascending,
          and in :obj:`x`, nearest first
    """
    metric = 'cosine' if cosine else 'euclidean'
    near = knn_index(x, y, k, batch_x, batch_y, metric).index
    return neighbor_edges(near, 'target_to_source')


def knn_graph(
    x: Tensor,
    k: int,
    batch: OptTensor = None,
    loop: bool = False,
    flow: str = 'source_to_target',
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    r"""Joins each point to its :obj:`k` nearest, in place of
    :func:`torch_geometric.nn.knn_graph`.

    Each point gets exactly :obj:`k` neighbors, or all there are in a smaller
    graph, also among points at the same place. See :func:`knn_index`.

    Args:
        x (torch.Tensor): The points.
        k (int): The number of neighbors.
        batch (torch.Tensor, optional): The graph of each point.
            (default: :obj:`None`)
        loop (bool, optional): If set to :obj:`True`, a point counts among its
            neighbors, as any other of distance zero; else it never does.
            (default: :obj:`False`)
        flow (str, optional): :obj:`'source_to_target'`, so that messages go
            from the neighbors to the point, or :obj:`'target_to_source'`.
            (default: :obj:`'source_to_target'`)
        cosine (bool, optional): If set to :obj:`True`, takes the cosine
            distance. (default: :obj:`False`)
        num_workers (int, optional): Accepted as in PyG; the number of threads
            is that of PyTorch. (default: :obj:`1`)
        batch_size (int, optional): Accepted as in PyG, and not needed.
            (default: :obj:`None`)

    Raises:
        ValueError: On an unknown flow, and as in :func:`knn_index`.

    Shapes:
        - **input:** points :math:`(N, F)`, graphs :math:`(N)` *(optional)*
        - **output:** edge indices :math:`(2, E)`
    """
    check_name('flow', flow, FLOWS)
    metric = 'cosine' if cosine else 'euclidean'
    near = knn_index(x, x, k, batch, batch, metric, not loop).index
    return neighbor_edges(near, flow)


def neighbor_edges(index: Tensor, flow: str = 'source_to_target') -> Tensor:
    """Edges between points and their neighbors.

    Args:
        index (torch.Tensor): Neighbors of each point, -1 for none.
        flow (str, optional): :obj:`'source_to_target'`, from the neighbors to
            the point, or :obj:`'target_to_source'`.
            (default: :obj:`'source_to_target'`)

    Shapes:
        - **input:** neighbors :math:`(N, k)`
        - **output:** edge indices :math:`(2, E)`, point by point
    """
    mask = index >= 0
    point = torch.arange(len(index), device=index.device)
    point = point.unsqueeze(1).expand_as(index)
    if not bool(mask.all()):
        point, index = point[mask], index[mask]
    edges = torch.stack([index.reshape(-1), point.reshape(-1)])
    return edges if flow == 'source_to_target' else edges.flip(0)


def _checked(
    x: Tensor,
    y: Tensor,
    k: int,
    metric: str,
    backend: str,
    chunk_size: int | None,
) -> str:
    """The backend to take, if the arguments fit together."""
    check_name('metric', metric, METRICS)
    check_name('backend', backend, BACKENDS)
    if k < 0:
        raise ValueError(f'k must not be negative (got {k})')
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f'chunk_size must be at least 1 (got {chunk_size})')
    if (
        x.dim() not in (1, 2)
        or x.dim() != y.dim()
        or x.size()[1:] != y.size()[1:]
    ):
        raise ValueError(
            f'x and y must be [N, F] and [M, F], or [N] and [M] (got '
            f'{list(x.size())} and {list(y.size())})'
        )
    if x.dim() == 2 and x.size(1) == 0:
        raise ValueError('points must have at least one number (got 0)')
    if x.device != y.device:
        raise ValueError(
            f'x and y must be on one device (got {x.device} and {y.device})'
        )
    if backend == 'faiss' and find_spec('faiss') is None:
        raise ImportError("backend 'faiss' needs the package faiss-cpu")
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


def _sorted(
    x: Tensor, batch: OptTensor, name: str
) -> tuple[Tensor, OptTensor, Tensor]:
    """Points graph by graph in a type to compute with, where each of them
    stood (if not there), and the sizes of the graphs.
    """
    x = x.detach() if x.dim() == 2 else x.detach().unsqueeze(1)
    wide = x.dtype == torch.double or not x.is_floating_point()
    x = x.to(torch.double if wide else torch.float)
    largest = float(x.abs().amax()) if x.numel() else 0.0
    if not largest <= LARGEST:
        bad = int((~(x.abs() <= LARGEST)).any(1).nonzero()[0])
        raise ValueError(
            f'{name} must be finite numbers of at most {LARGEST:g} (got '
            f'{x[bad].tolist()[:8]} in row {bad})'
        )
    if batch is None:
        return x.contiguous(), None, torch.tensor([len(x)])
    if batch.dim() != 1 or len(batch) != len(x) or batch.is_floating_point():
        raise ValueError(
            f'batch_{name} must be a vector of {len(x)} integers, one for '
            f'each point (got {batch.dtype}, {list(batch.size())})'
        )
    if batch.numel() and int(batch.min()) < 0:
        raise ValueError(
            f'batch_{name} must not be negative (got {int(batch.min())})'
        )
    batch = batch.to(x.device)
    sizes = batch.bincount().cpu()
    if bool((batch[1:] >= batch[:-1]).all()):
        return x.contiguous(), None, sizes
    order = batch.argsort(stable=True)
    return x[order], order, sizes
