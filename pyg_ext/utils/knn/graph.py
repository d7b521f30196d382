from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_ext.utils.checks import check_index, check_name
from pyg_ext.utils.knn.index import nearest

FLOWS = ('source_to_target', 'target_to_source')


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
        num_workers (int, optional): Stands where PyG has it, and must be one:
            the number of threads is that of PyTorch. (default: :obj:`1`)
        batch_size (int, optional): Accepted as in PyG, and not needed.
            (default: :obj:`None`)

    Raises:
        ValueError: On another :obj:`num_workers` than one, and as in
            :func:`knn_index`.

    Shapes:
        - **input:** points :math:`(N, F)` and :math:`(M, F)`, graphs
          :math:`(N)` and :math:`(M)` *(optional)*
        - **output:** :math:`(2, E)`: indices of points in :obj:`y`, ascending,
          and in :obj:`x`, nearest first
    """
    check_workers(num_workers)
    metric = 'cosine' if cosine else 'euclidean'
    near = nearest(x, y, k, batch_x, batch_y, metric).index
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
        num_workers (int, optional): Stands where PyG has it, and must be one:
            the number of threads is that of PyTorch. (default: :obj:`1`)
        batch_size (int, optional): Accepted as in PyG, and not needed.
            (default: :obj:`None`)

    Raises:
        ValueError: On an unknown flow or another :obj:`num_workers` than one,
            and as in :func:`knn_index`.

    Shapes:
        - **input:** points :math:`(N, F)`, graphs :math:`(N)` *(optional)*
        - **output:** edge indices :math:`(2, E)`
    """
    check_name('flow', flow, FLOWS)
    check_workers(num_workers)
    metric = 'cosine' if cosine else 'euclidean'
    near = nearest(x, x, k, batch, batch, metric, not loop).index
    return neighbor_edges(near, flow)


def neighbor_edges(index: Tensor, flow: str = 'source_to_target') -> Tensor:
    """Edges between points and their neighbors.

    Args:
        index (torch.Tensor): Neighbors of each point, -1 for none.
        flow (str, optional): :obj:`'source_to_target'`, from the neighbors to
            the point, or :obj:`'target_to_source'`.
            (default: :obj:`'source_to_target'`)

    Raises:
        ValueError: On an unknown flow, or what are no neighbors.

    Shapes:
        - **input:** neighbors :math:`(N, k)`
        - **output:** edge indices :math:`(2, E)`, point by point
    """
    check_name('flow', flow, FLOWS)
    index = check_neighbors(index)
    mask = index >= 0
    point = torch.arange(len(index), device=index.device)
    point = point.unsqueeze(1).expand_as(index)
    if not bool(mask.all()):
        point, index = point[mask], index[mask]
    edges = torch.stack([index.reshape(-1), point.reshape(-1)])
    return edges if flow == 'source_to_target' else edges.flip(0)


def check_workers(num_workers: int) -> None:
    """Raises a ValueError if PyG's argument has another value than its
    default, which nothing here follows.
    """
    if num_workers != 1:
        raise ValueError(
            f'num_workers must be 1, as torch.set_num_threads sets the number '
            f'of threads (got {num_workers!r})'
        )


def check_neighbors(index: Any) -> Tensor:
    """Returns neighbors of points as int64.

    Raises:
        ValueError: If they are no matrix of integers from -1 on.
    """
    if isinstance(index, Tensor) and index.dim() != 2:
        raise ValueError(
            f'index must be of shape [N, k] (got {list(index.size())})'
        )
    some = isinstance(index, Tensor) and index.layout == torch.strided
    check_index('index', index[:0] if some else index, None, 'points')
    if index.numel() > 0 and int(index.min()) < -1:
        raise ValueError(
            f'index must name points from 0 on, or -1 for none (got '
            f'{int(index.min())})'
        )
    return index.long()
