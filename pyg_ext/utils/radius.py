import torch
from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_ext.utils.checks import check_count, check_name, check_real
from pyg_ext.utils.knn import (
    FLOWS,
    MOST,
    check_workers,
    nearest,
    neighbor_edges,
)


def radius(
    x: Tensor,
    y: Tensor,
    r: float,
    batch_x: OptTensor = None,
    batch_y: OptTensor = None,
    max_num_neighbors: int = 32,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    r"""Finds for each point in :obj:`y` the points in :obj:`x` at a distance
    of at most :obj:`r`, in place of :func:`torch_geometric.nn.radius`.

    Of more than :obj:`max_num_neighbors` it takes the nearest; where PyG
    takes any, the result is the same on every machine. See
    :func:`knn_index`.

    Args:
        x (torch.Tensor): Points to choose from.
        y (torch.Tensor): Points that choose.
        r (float): The radius.
        batch_x (torch.Tensor, optional): The graph of each point in
            :obj:`x`. (default: :obj:`None`)
        batch_y (torch.Tensor, optional): The graph of each point in
            :obj:`y`. (default: :obj:`None`)
        max_num_neighbors (int, optional): The most neighbors of a point.
            Memory grows with it. (default: :obj:`32`)
        num_workers (int, optional): Stands where PyG has it, and must be one:
            the number of threads is that of PyTorch. (default: :obj:`1`)
        batch_size (int, optional): Accepted as in PyG, and not needed.
            (default: :obj:`None`)

    Raises:
        ValueError: On a negative radius, :obj:`max_num_neighbors` less than
            one, another :obj:`num_workers` than one, and as in
            :func:`knn_index`.

    Shapes:
        - **input:** points :math:`(N, F)` and :math:`(M, F)`, graphs
          :math:`(N)` and :math:`(M)` *(optional)*
        - **output:** :math:`(2, E)`: indices of points in :obj:`y`, ascending,
          and in :obj:`x`, nearest first
    """
    check_workers(num_workers)
    near = _within(x, y, r, batch_x, batch_y, max_num_neighbors, False)
    return neighbor_edges(near, 'target_to_source')


def radius_graph(
    x: Tensor,
    r: float,
    batch: OptTensor = None,
    loop: bool = False,
    max_num_neighbors: int = 32,
    flow: str = 'source_to_target',
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    r"""Joins each point to those at a distance of at most :obj:`r`, in place
    of :func:`torch_geometric.nn.radius_graph`.

    Of more than :obj:`max_num_neighbors` it takes the nearest. See
    :func:`radius`.

    Args:
        x (torch.Tensor): The points.
        r (float): The radius.
        batch (torch.Tensor, optional): The graph of each point.
            (default: :obj:`None`)
        loop (bool, optional): If set to :obj:`True`, a point counts among its
            neighbors; else it never does. (default: :obj:`False`)
        max_num_neighbors (int, optional): The most neighbors of a point.
            Memory grows with it. (default: :obj:`32`)
        flow (str, optional): :obj:`'source_to_target'`, so that messages go
            from the neighbors to the point, or :obj:`'target_to_source'`.
            (default: :obj:`'source_to_target'`)
        num_workers (int, optional): Stands where PyG has it, and must be one:
            the number of threads is that of PyTorch. (default: :obj:`1`)
        batch_size (int, optional): Accepted as in PyG, and not needed.
            (default: :obj:`None`)

    Raises:
        ValueError: On an unknown flow, and as in :func:`radius`.

    Shapes:
        - **input:** points :math:`(N, F)`, graphs :math:`(N)` *(optional)*
        - **output:** edge indices :math:`(2, E)`
    """
    check_name('flow', flow, FLOWS)
    check_workers(num_workers)
    near = _within(x, x, r, batch, batch, max_num_neighbors, not loop)
    return neighbor_edges(near, flow)


def _within(
    x: Tensor,
    y: Tensor,
    r: float,
    batch_x: OptTensor,
    batch_y: OptTensor,
    most: int,
    exclude_self: bool,
) -> Tensor:
    """The nearest points that lie within a radius, -1 for none."""
    if not check_real('r', r) >= 0.0:
        raise ValueError(f'r must be at least 0 (got {r})')
    most = check_count('max_num_neighbors', most, 1, MOST)
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        same = y is x  # distances are not to be rounded to a half type
        x = x.double() if x.is_floating_point() else x
        y = x if same else y.double() if y.is_floating_point() else y
    near = nearest(x, y, most, batch_x, batch_y, exclude_self=exclude_self)
    return torch.where(near.dist <= r, near.index, -1)
