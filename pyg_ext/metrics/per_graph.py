import functools
import inspect
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import is_sparse, scatter

from pyg_ext.utils import edge_list
from pyg_ext.utils.checks import check_count, check_features, check_vector

BLOCK_BYTES = 2**24  # of temporary values at a time
MOST_SAMPLES = 10**7
MOST_GRAPHS = 2**20  # in a batch without batch_size, if nodes are fewer


def per_graph(measure: Callable) -> Callable:
    """Checks the arguments of a measure of one graph, and gives it
    :obj:`batch` and :obj:`batch_size`: with them there is one value for each
    graph. Features may be sparse, and edges have any of PyG's forms.

    A graph without nodes or channels, or with features that are not finite,
    has no number (NaN), whatever the measure.
    """
    signature = inspect.signature(measure)

    @functools.wraps(measure)
    def measured(
        *args: Any,
        batch: OptTensor = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        x = given['x'] = dense_features(given['x'])
        if 'y' in given:
            given['y'] = check_vector('y', given['y'], len(x))
        if _has_edges(given, signature):
            given['edge_index'], weight, _ = edge_list(
                given['edge_index'], given.get('edge_weight'), len(x)
            )
            if 'edge_weight' in given:
                given['edge_weight'] = weight
        if batch is not None:
            return _of_each(measure, given, batch, batch_size)
        if batch_size is not None:
            raise ValueError(f'batch_size needs batch (got {batch_size})')
        return _of_one(measure, given)

    parameters = [*signature.parameters.values()]
    for name in ('batch', 'batch_size'):
        parameters.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None
            )
        )
    measured.__signature__ = signature.replace(parameters=parameters)
    return measured


def _has_edges(given: dict[str, Any], signature: inspect.Signature) -> bool:
    """Whether there are edges, which some measures can do without."""
    if 'edge_index' not in given:
        return False
    optional = signature.parameters['edge_index'].default is None
    return not (optional and given['edge_index'] is None)


def dense_features(x: Any) -> Tensor:
    """Features as a dense matrix."""
    return check_features(x.to_dense() if is_sparse(x) else x)


def measurable(x: Tensor) -> bool:
    """Whether features have a number at all: whether there are any, and all
    are finite.
    """
    if x.numel() == 0:
        return False
    low, high = torch.aminmax(x.detach())
    return isfinite(low) and isfinite(high)


def no_number(x: Tensor) -> Tensor:
    """A NaN in float64, through which gradients pass."""
    return x.sum(dtype=torch.double) * torch.nan


def _of_one(measure: Callable, given: dict[str, Any]) -> Any:
    if measurable(given['x']):
        return measure(**given)
    value = no_number(given['x'])
    return (value, value) if given.get('return_std_error') else value


def _of_each(
    measure: Callable,
    given: dict[str, Any],
    batch: Tensor,
    batch_size: int | None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The value of each graph, ``[G]``, and its standard error if asked."""
    x = given['x']
    if batch_size is not None:
        check_count('batch_size', batch_size, 0)
    batch = check_vector('batch', batch, len(x), batch_size, 'graphs')
    if batch_size is None:
        batch_size = int(batch.max()) + 1 if len(x) else 0
        if batch_size > max(len(x), MOST_GRAPHS):
            raise ValueError(
                f'batch must number graphs from 0 on (got {batch_size - 1} '
                f'among {len(x)} nodes): give batch_size if the others are '
                f'empty'
            )
    width = 2 if given.get('return_std_error') else 1
    out = x.new_full((batch_size, width), torch.nan, dtype=torch.double)
    present, batch, sizes = batch.unique(
        return_inverse=True, return_counts=True
    )
    values = [_of_one(measure, part) for part in _graphs(given, batch, sizes)]
    if values:
        rows = [torch.stack(v) if width == 2 else v.view(1) for v in values]
        out = out.index_put((present,), torch.stack(rows))
    return out.unbind(1) if width == 2 else out.view(-1)


def _graphs(
    given: dict[str, Any], batch: Tensor, sizes: Tensor
) -> Iterator[dict[str, Any]]:
    """The arguments for each graph, in time that follows nodes and edges."""
    order = batch.argsort(stable=True)
    edges = given.get('edge_index')
    if edges is not None:
        graph, other = batch[edges]
        if not torch.equal(graph, other):
            raise ValueError(
                'edge_index must join nodes of one graph of the batch (got '
                'an edge between two)'
            )
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)
        edges = place[edges] - (sizes.cumsum(0) - sizes)[graph]
        counts = graph.bincount(minlength=len(sizes)).tolist()
        inside = graph.argsort(stable=True).split(counts)
    for i, nodes in enumerate(order.split(sizes.tolist())):
        part = {**given, 'x': given['x'][nodes]}
        if 'y' in given:
            part['y'] = given['y'][nodes]
        if edges is not None:
            part['edge_index'] = edges[:, inside[i]]
            if given.get('edge_weight') is not None:
                part['edge_weight'] = given['edge_weight'][inside[i]]
        yield part


def in_range(x: Tensor, dim: int | None = None) -> tuple[Tensor, Tensor]:
    """Features whose squares neither overflow nor vanish, and the power of
    two by which they were divided: one for each column with :obj:`dim=0`,
    each row with :obj:`dim=1`, else one for all. Nothing is done to features
    of another type than float64, which are squared in float64, or of a size
    of no danger.
    """
    one = torch.ones((), dtype=torch.double, device=x.device)
    if x.dtype != torch.double or x.numel() == 0:
        return x, one
    dims = {} if dim is None else {'dim': dim, 'keepdim': True}
    low, high = torch.aminmax(x.detach(), **dims)
    peak = torch.maximum(-low, high)
    fine = (peak == 0.0) | ((peak > 2.0**-400) & (peak < 2.0**400))
    if fine.all():
        return x, one
    usual = fine | ~peak.isfinite()
    scale = torch.where(usual, one, peak / (2.0 * torch.frexp(peak).mantissa))
    return x / scale, scale


def varies(spread: Tensor, mean: Tensor, dtype: torch.dtype) -> Tensor:
    """Whether the deviation of a channel is more than rounding makes it."""
    return spread > torch.finfo(dtype).eps * mean.abs()


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


def squared_differences(
    x: Tensor, edge_index: Tensor, scale: OptTensor = None
) -> Tensor:
    r"""The squared distance along each edge in float64,
    :math:`(|\mathcal{E}|)`, of rows times :obj:`scale` if given.
    """
    # Small results among large temporaries would break up the memory, so all
    # have their place from the start.
    out = x.new_empty(edge_index.size(1), dtype=torch.double)
    rows = rows_at_a_time(x.size(1))
    for start in range(0, len(out), rows):
        place = slice(start, start + rows)
        source, target = edge_index[:, place]
        one, other = x[source].double(), x[target].double()
        if scale is not None:
            one = one * scale[source].view(-1, 1)
            other = other * scale[target].view(-1, 1)
        out[place] = (one - other).square().sum(dim=-1)
    return out


def unit_scale(x: Tensor) -> Tensor:
    """What makes each row of length one, and zero for a row of zeros, in
    float64, ``[N]``.
    """
    norm = x.new_empty(len(x), dtype=torch.double)
    rows = rows_at_a_time(x.size(1))
    for start in range(0, len(x), rows):
        place = slice(start, start + rows)
        norm[place] = x[place].double().norm(dim=-1)
    inverse = 1.0 / torch.where(norm > 0.0, norm, 1.0)
    return torch.where(norm > 0.0, inverse, 0.0)


def unit_rows(
    x: Tensor, scale: OptTensor = None
) -> Iterator[tuple[slice, Tensor]]:
    """Some rows after the other, in float64 and times :obj:`scale`, which by
    default makes each of length one; with their place.
    """
    scale = (unit_scale(x) if scale is None else scale).view(-1, 1)
    rows = rows_at_a_time(x.size(1))
    for start in range(0, len(x), rows):
        place = slice(start, start + rows)
        yield place, x[place].double() * scale[place]


def estimate(
    values: Tensor, share: float, return_std_error: bool
) -> Tensor | tuple[Tensor, Tensor]:
    """The mean of sampled values, perhaps with its standard error; a sample
    of the share :obj:`share` of a finite population is that much better.
    """
    mean = values.mean()
    if not return_std_error:
        return mean
    if len(values) < 2:
        return mean, mean * (0.0 if share == 1.0 else torch.nan)
    variance = values.var() * (1.0 - share) / len(values)
    return mean, variance.sqrt()
