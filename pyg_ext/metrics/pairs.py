import torch
from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_ext.metrics.per_graph import (
    estimate,
    rows_at_a_time,
    squared_differences,
)


def sample_nodes(
    size: int, num_samples: int | None, generator: torch.Generator | None
) -> Tensor:
    """So many nodes without replacement, or all of them."""
    if num_samples is None:
        return torch.arange(size)
    if not 2 <= num_samples <= size:
        raise ValueError(
            f'num_samples must be between 2 and the {size} nodes (got '
            f'{num_samples})'
        )
    return torch.randperm(size, generator=generator)[:num_samples]


def sample_pairs(
    size: int, num_samples: int, generator: torch.Generator | None
) -> Tensor:
    """So many pairs of two different nodes, with replacement, ``[2, S]``."""
    if num_samples < 2:
        raise ValueError(f'num_samples must be at least 2 (got {num_samples})')
    if size < 2:
        raise ValueError(f'a pair needs at least 2 nodes (got {size})')
    first = torch.randint(size, (num_samples,), generator=generator)
    step = torch.randint(1, size, (num_samples,), generator=generator)
    return torch.stack([first, (first + step) % size])


def pair_mean(
    x: Tensor,
    scale: OptTensor,
    num_samples: int | None,
    generator: torch.Generator | None,
    return_std_error: bool,
) -> Tensor | tuple[Tensor, Tensor]:
    """The mean distance of two different rows, times :obj:`scale` if given;
    of all pairs, or of random ones.
    """
    if num_samples is not None:
        pairs = sample_pairs(len(x), num_samples, generator).to(x.device)
        distances = squared_differences(x, pairs, scale).sqrt()
        return estimate(distances, 0.0, return_std_error)
    x = x.double() if scale is None else x.double() * scale.view(-1, 1)
    total = sum_of_distances(x, x)
    mean = total / max(len(x) * (len(x) - 1), 1)
    return (mean, torch.zeros_like(mean)) if return_std_error else mean


def sum_of_distances(x: Tensor, y: Tensor) -> Tensor:
    """The sum of the distances of each row of one to each of the other."""
    total = x.new_zeros((), dtype=torch.double)
    for part in x.split(rows_at_a_time(len(y))):
        distances = torch.cdist(
            part[None], y[None], compute_mode='donot_use_mm_for_euclid_dist'
        )
        total = total + distances.sum()
    return total
