"""Points and their graphs, checked and brought into order."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_ext.utils.checks import check_vector

EXPONENT = 500  # of points to compute with: a sum of squares is a number


def check_points(name: str, points: Any) -> None:
    """Raises a ValueError unless there are numbers for each point."""
    if not isinstance(points, Tensor):
        raise ValueError(
            f'{name} must be a tensor (got {type(points).__name__})'
        )
    if points.layout != torch.strided or points.is_complex():
        raise ValueError(
            f'{name} must be a dense tensor of real numbers (got '
            f'{points.dtype}, {points.layout})'
        )
    if points.is_meta:
        raise ValueError(f'{name} must have values (got a meta tensor)')
    if points.dim() not in (1, 2):
        raise ValueError(
            f'{name} must be of shape [N, F] or [N] (got '
            f'{list(points.size())})'
        )
    if points.dim() == 2 and points.size(1) == 0:
        raise ValueError(
            f'{name} must have at least one number for each point (got shape '
            f'{list(points.size())})'
        )


def check_graph(name: str, batch: OptTensor, points: Tensor) -> OptTensor:
    """The graph of each point, on the device of the points."""
    if batch is None:
        return None
    batch = check_vector(name, batch, len(points), None, 'graphs')
    return batch.to(points.device)


def number_graphs(
    x: Tensor, y: Tensor, batch_x: OptTensor, batch_y: OptTensor
) -> tuple[OptTensor, OptTensor]:
    """The graphs by numbers less than that of all points."""
    given = [b for b in (batch_x, batch_y) if b is not None and len(b) > 0]
    if all(int(batch.max()) < len(x) + len(y) for batch in given):
        return batch_x, batch_y
    graphs = [
        torch.zeros(len(points), dtype=torch.long, device=points.device)
        if batch is None
        else batch
        for batch, points in ((batch_x, x), (batch_y, y))
    ]
    number = torch.cat(graphs).unique(return_inverse=True)[1]
    return number[: len(x)], number[len(x) :]


def largest(x: Tensor) -> float:
    """The largest size of a number."""
    return float(x.abs().amax()) if x.numel() > 0 else 0.0


def times_power(x: Tensor, power: int) -> Tensor:
    """Points times a power of two, which may be no number itself."""
    for part in (power // 2, power - power // 2):
        if part:
            x = x * 2.0**part
    return x


def sort_by_graph(
    x: Tensor, batch: OptTensor, name: str
) -> tuple[Tensor, OptTensor, Tensor]:
    """Points graph by graph in a type to compute with, where each of them
    stood (if not there), and the sizes of the graphs.
    """
    x = x.detach() if x.dim() == 2 else x.detach().unsqueeze(1)
    whole = not x.is_floating_point()
    x = x.to(torch.double if whole or x.dtype == torch.double else torch.float)
    bound = (
        2.0**53 if whole else torch.inf
    )  # of whole numbers that float64 has
    if not largest(x) < bound:
        bad = int((~(x.abs() < bound)).any(1).nonzero()[0])
        meant = 'whole numbers less than 2**53' if whole else 'finite numbers'
        raise ValueError(
            f'{name} must be {meant} (got {x[bad].tolist()[:8]} in row {bad})'
        )
    if batch is None:
        return x.contiguous(), None, torch.tensor([len(x)])
    sizes = batch.bincount().cpu()
    if bool((batch[1:] >= batch[:-1]).all()):
        return x.contiguous(), None, sizes
    order = batch.argsort(stable=True)
    return x[order], order, sizes
