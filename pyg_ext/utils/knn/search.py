"""How the candidates of a k-NN search are found, and how they are proven.

The k-d tree, and all distances in a small graph, are exact by themselves. The
other backends find a few more candidates than :math:`k` by a fast arithmetic
of known error. Their distances are then computed in float64, by difference; a
row whose k-th does not beat what was left out by more than that error is
searched again among all points that could be nearer.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pyg_ext.utils.knn import kernels, places, tree
from pyg_ext.utils.knn.padded import by_torch, distances
from pyg_ext.utils.knn.products import by_products
from pyg_ext.utils.knn.scores import full_precision
from pyg_ext.utils.knn.task import Task, ranges
from pyg_ext.utils.threads import in_threads, workers

SMALL = 256  # points of a graph of which all distances are computed
NUMBERS = 2**14  # likewise: most of these points' numbers
GROUPS = 2**12  # leaves of a tree that a thread takes at a time
CACHED = 2**20  # bytes of the rows that a kernel does at a time


def exact(
    kernel: Callable[..., int],
    items: np.ndarray,
    given: tuple,
    task: Task,
    rows_per_item: int = 1,
) -> None:
    """Fills in what a kernel finds by distances in float64.

    Args:
        kernel: Finds the neighbors for some items, of so many rows at most;
            see :func:`~pyg_ext.utils.knn.kernels.brute`.
        items: All items.
        given: What else the kernel wants to know.
        task: Where the result goes.
        rows_per_item: See above.
    """
    index, dist = task.index.numpy(), task.dist.numpy()
    k = index.shape[1]
    step = max(CACHED // (24 * k * rows_per_item), 1)

    def do(items: np.ndarray) -> None:
        size = min(step, len(items)) * rows_per_item
        buffers = (
            np.empty(size, np.int64),
            np.empty((size, k), np.uint64),
            np.empty((size, k)),
            np.empty((size, k), np.int64),
        )
        for part in ranges(0, len(items), step):
            num = kernel(items[part], *given, task.exclude_self, *buffers)
            rows, marked, *found = (array[:num] for array in buffers)
            marked.sort(axis=1)
            kernels.arrange(rows, marked, *found, index, dist)

    in_threads(do, (items,), ())


def by_tree(task: Task) -> None:
    """All from a k-d tree of exact arithmetic."""
    few = task.index.size(1) <= tree.FEW
    leaf = tree.SMALL_LEAF if few else tree.LEAF
    tree_x = tree.build(task.x.numpy(), leaf)
    tree_y = tree_x if task.same else tree.build(task.y.numpy(), leaf)
    starts = tree_y[1][1]
    leaves = np.arange(len(starts) // 2, len(starts))
    if few:
        given = (*tree_y, *tree_x, task.exclude_self)
        found = (task.index.numpy(), task.dist.numpy())
        in_threads(tree.query_few, (leaves,), (*given, *found), GROUPS)
        return
    exact(tree.query, leaves, (*tree_y, *tree_x), task, leaf)


def search(
    x: Tensor,
    y: Tensor,
    sizes_x: np.ndarray,
    sizes_y: np.ndarray,
    cosine: bool,
    exclude_self: bool,
    index: Tensor,
    dist: Tensor,
    backend: str,
    chunk_size: int | None,
) -> None:
    """Fills ``index`` and ``dist``, the squared distances, for points that
    lie graph by graph. Where there is no neighbor, both stay as they are.

    With ``cosine``, the distances are those of points on a sphere: twice one
    minus the cosine.
    """
    same = y is x
    if cosine:
        x = _on_sphere(x)
        y = x if same else _on_sphere(y)
    task = Task(x, y, exclude_self, index, dist, chunk_size)
    num = max(len(sizes_x), len(sizes_y))
    sizes_x, sizes_y = (
        np.pad(sizes, (0, num - len(sizes))) for sizes in (sizes_x, sizes_y)
    )
    ends_x, ends_y = (
        np.concatenate([[0], sizes.cumsum()]) for sizes in (sizes_x, sizes_y)
    )
    full = (sizes_x > 0) & (sizes_y > 0)
    small = np.zeros_like(full)
    if backend != 'torch':
        most = min(SMALL, NUMBERS // x.size(1))
        small = full & (sizes_x <= max(most, task.size))
    if small.any():
        graph = np.arange(num).repeat(sizes_y)
        given = ends_x[graph], ends_x[1:][graph], x.numpy(), y.numpy()
        exact(kernels.brute, small[graph].nonzero()[0], given, task)
    graphs = (full & ~small).nonzero()[0]
    if len(graphs):
        graphs = by_place(task, ends_x, ends_y, graphs, backend)
    if len(graphs) == 0:
        return
    if backend == 'torch':
        by_torch(task, ends_x, ends_y, graphs)
        return

    def one(g: int) -> None:
        of_x, of_y = (slice(*ends[g : g + 2]) for ends in (ends_x, ends_y))
        part = task.slice(of_x, of_y)
        BACKENDS[backend](part)
        if of_x.start:
            part.index.add_(of_x.start * (part.index >= 0))

    threads = torch.get_num_threads()
    if len(graphs) < 2 * threads:  # each takes all of them
        threads = 1
    with full_precision(x.device), workers(threads) as do:
        do(one, graphs.tolist())


BACKENDS = {'tree': by_tree, 'products': by_products}


def by_place(
    task: Task,
    ends_x: np.ndarray,
    ends_y: np.ndarray,
    graphs: np.ndarray,
    backend: str,
) -> np.ndarray:
    """Searches graphs in which many points lie at one place, of which it
    takes one; returns the other graphs.
    """
    x, y, k = task.x, task.y, task.index.size(1)
    crowded = places.crowded(x, ends_x, k)
    if not task.same:
        crowded = crowded | places.crowded(y, ends_y, k)
    some = graphs[crowded[graphs]]
    if len(some) == 0:
        return graphs
    of_x = places.places(x, ends_x, some)
    of_y = of_x if task.same else places.places(y, ends_y, some)
    if of_x is None or of_y is None:
        return graphs
    first_x = of_x.first(x)
    first_y = first_x if task.same else of_y.first(y)
    k = min(k + task.exclude_self, int(of_x.sizes.max()))
    near = task.index.new_full((len(first_y), k), -1)
    dist = torch.full_like(near, torch.inf, dtype=torch.double)
    search(
        *(first_x, first_y, of_x.sizes, of_y.sizes, False, False),
        *(near, dist, backend, task.chunk_size),
    )
    places.expand(
        near, dist, of_x, of_y, task.exclude_self, task.index, task.dist
    )
    return graphs[~crowded[graphs]]


def _on_sphere(x: Tensor) -> Tensor:
    """Points scaled to length one; those in the origin go together to a
    dimension of their own.
    """
    x = x.double()
    largest = x.abs().amax(1, keepdim=True)
    x = x / largest.masked_fill(largest == 0, 1.0)
    square = distances(x, torch.zeros_like(x[:1])).unsqueeze(1)
    norm = square.cpu().sqrt().to(x.device)  # on CUDA a root may round anew
    return torch.cat([x / norm.clamp(min=1.0), norm == 0], dim=1)
