"""Sums in float64 over features of any type and size, block by block."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import scatter

from pyg_ext.metrics.graphs import Graphs
from pyg_ext.metrics.shared import shared
from pyg_ext.utils.checks import has_values
from pyg_ext.utils.threads import in_threads

BLOCK_BYTES = 2**24  # of temporary values at a time
MANY = 2**18  # values of edges for which it pays to load compiled code


def largest(x: Tensor, dim: int) -> Tensor:
    """The largest absolute value along a dimension, which is kept; it is not
    finite where some value is not.
    """
    x = x.detach()
    return torch.maximum(x.amax(dim, keepdim=True), -x.amin(dim, keepdim=True))


def in_range(
    x: Tensor, dim: int = 1, graphs: Graphs | None = None
) -> tuple[Tensor, Tensor]:
    """Features whose squares neither overflow nor vanish, and the power of
    two by which they were divided: one for each row, each column with
    :obj:`dim=0`, or each graph. Nothing is done to features of another type
    than float64, which are squared in float64, or of a size of no danger.
    """
    one = x.new_ones(1, dtype=torch.double)
    if x.dtype != torch.double or x.numel() == 0:
        return x, one
    peak = largest(x, dim)
    if graphs is not None:
        peak = scatter(peak, graphs.index, 0, len(graphs), 'max')  # [G, 1]
    usual = (peak > 2.0**-400) & (peak < 2.0**400)
    usual |= (peak == 0.0) | ~peak.isfinite()
    if usual.all():
        return x, one
    scale = torch.where(usual, one, peak / (2.0 * torch.frexp(peak).mantissa))
    divisor = scale if graphs is None else scale[graphs.index]
    return x / divisor, scale.view(-1)


def varies(spread: Tensor, mean: Tensor, dtype: torch.dtype) -> Tensor:
    """Whether the deviation of a channel is more than rounding makes it."""
    return spread > torch.finfo(dtype).eps * mean.abs()


@shared
def augmented_degree(
    edge_index: Tensor, edge_weight: OptTensor, size: int
) -> Tensor:
    """One and the sum of the weights that come in, in float64, ``[N]``."""
    if edge_weight is None:
        edge_weight = torch.ones_like(edge_index[0])
    return 1.0 + scatter(edge_weight.double(), edge_index[1], 0, size)


def rows_at_a_time(channels: int) -> int:
    """How many rows of float64 fill a block of temporary values."""
    return max(BLOCK_BYTES // (8 * max(channels, 1)), 1)


def blocks(x: Tensor, size: int) -> Iterator[slice]:
    """Slices of so many rows that a block of features stays in the cache; of
    all rows where a gradient is to come, which each block would have of the
    size of all.
    """
    if x.requires_grad and torch.is_grad_enabled():
        return iter([slice(0, size)])
    share = 16 if x.device.type == 'cpu' else 1
    rows = max(rows_at_a_time(x.size(1)) // share, 1)
    return (slice(i, i + rows) for i in range(0, size, rows))


def squared_differences(
    x: Tensor, edge_index: Tensor, scale: OptTensor = None
) -> Tensor:
    r"""The squared distance along each edge in float64,
    :math:`(|\mathcal{E}|)`, of rows times :obj:`scale` if given.
    """
    if edge_index.size(1) * x.size(1) >= MANY and _bare(x, scale):
        return _compiled_differences(x.detach(), edge_index, scale)
    # Small results among large temporaries would break up the memory, so all
    # have their place from the start.
    out = x.new_empty(edge_index.size(1), dtype=torch.double)
    for block in blocks(x, len(out)):
        source, target = edge_index[:, block]
        one, other = x[source].double(), x[target].double()
        if scale is not None:
            one = one * scale[source].view(-1, 1)
            other = other * scale[target].view(-1, 1)
        out[block] = (one - other).square().sum(dim=-1)
    return out


def _bare(*tensors: OptTensor) -> bool:
    """Whether compiled code can take tensors: on the CPU, with values, and
    without a gradient.
    """
    given = [tensor for tensor in tensors if tensor is not None]
    within = torch._C._are_functorch_transforms_active()
    grad = torch.is_grad_enabled()
    return (
        has_values(*given)
        and not within
        and all(t.device.type == 'cpu' for t in given)
        and not (grad and any(t.requires_grad for t in given))
    )


def _compiled_differences(
    x: Tensor, edge_index: Tensor, scale: OptTensor
) -> Tensor:
    from pyg_ext.metrics import edge_kernel  # loads numba

    if x.dtype not in (torch.float, torch.double):
        x = x.float()  # of half precision
    if scale is None:
        scale = x.new_ones(len(x), dtype=torch.double)
    out = x.new_empty(edge_index.size(1), dtype=torch.double)
    ends = (vector.contiguous().numpy() for vector in edge_index)
    in_threads(
        edge_kernel.squared_differences,
        (*ends, out.numpy()),
        (x.contiguous().numpy(), scale.detach().contiguous().numpy()),
    )
    return out


@shared
def row_norms(x: Tensor) -> Tensor:
    """The length of each row in float64, ``[N]``."""
    norm = x.new_empty(len(x), dtype=torch.double)
    for block in blocks(x, len(x)):
        norm[block] = x[block].double().norm(dim=-1)
    return norm


@shared
def unit_scale(x: Tensor) -> tuple[Tensor, Tensor]:
    """Features in range, and what makes each of their rows of length one, and
    is zero for a row of zeros, in float64, ``[N]``.
    """
    x, _ = in_range(x)
    norm = row_norms(x)
    inverse = 1.0 / torch.where(norm > 0.0, norm, 1.0)
    return x, torch.where(norm > 0.0, inverse, 0.0)


def scaled_rows(x: Tensor, scale: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Each block of rows in float64, times :obj:`scale`; with its slice."""
    for block in blocks(x, len(x)):
        yield block, x[block].double() * scale[block].view(-1, 1)


def means_and_variances(
    x: Tensor, scale: Tensor, group: Tensor, count: Tensor
) -> tuple[Tensor, Tensor]:
    """The mean of the rows of each group, ``[C, F]``, and the mean of their
    squared distances to it, ``[C]``; of rows times :obj:`scale`.
    """
    # From the first row of each group on, so that equal ones differ by zero.
    first = group.argsort(stable=True)[count.cumsum(0) - count]
    origin = x[first].double() * scale[first].view(-1, 1)
    shift = torch.zeros_like(origin)
    for block, rows in scaled_rows(x, scale):
        shift.index_add_(0, group[block], rows - origin[group[block]])
    mean = origin + shift / count.view(-1, 1)
    total = x.new_zeros(len(count), dtype=torch.double)
    for block, rows in scaled_rows(x, scale):
        apart = (rows - mean[group[block]]).square_().sum(dim=-1)
        total.index_add_(0, group[block], apart)
    return mean, total / count


def sum_of_distances(x: Tensor, y: Tensor) -> Tensor:
    """The sum of the distances of each row of one to each of the other."""
    total = x.new_zeros((), dtype=torch.double)
    for part in x.split(rows_at_a_time(len(y))):
        distances = torch.cdist(
            part[None], y[None], compute_mode='donot_use_mm_for_euclid_dist'
        )
        total = total + distances.sum()
    return total


def estimate(values: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """The mean of sampled values, and its standard error; a sample of the
    share :obj:`share` of a finite population is that much better.
    """
    mean = values.mean()
    if len(values) < 2:
        return mean, mean * (0.0 if share == 1.0 else torch.nan)
    variance = values.var() * (1.0 - share) / len(values)
    return mean, variance.sqrt()
