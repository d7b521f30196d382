import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import is_sparse, scatter, subgraph

from pyg_ext.utils import edges_of

BLOCK_BYTES = 2**24  # of temporary values at a time


def per_graph(measure: Callable) -> Callable:
    """Gives a measure of one graph the argument :obj:`batch`: with it there
    is one value for each graph. Features may be sparse, and edges have any of
    PyG's forms.
    """
    signature = inspect.signature(measure)

    @functools.wraps(measure)
    def measured(*args: Any, batch: OptTensor = None, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        x = given['x'] = _features(given['x'])
        if given.get('edge_index') is not None:
            given['edge_index'], weight, _ = edges_of(
                given['edge_index'], given.get('edge_weight'), len(x)
            )
            if 'edge_weight' in signature.parameters:
                given['edge_weight'] = weight
        if batch is None:
            return measure(**given)
        values = [measure(**part) for part in _graphs(given, batch)]
        if isinstance(values[0], tuple):
            return tuple(map(torch.stack, zip(*values, strict=True)))
        return torch.stack(values)

    parameter = inspect.Parameter(
        'batch', inspect.Parameter.KEYWORD_ONLY, default=None
    )
    parameters = [*signature.parameters.values(), parameter]
    measured.__signature__ = signature.replace(parameters=parameters)
    return measured


def _features(x: Tensor) -> Tensor:
    if is_sparse(x):
        x = x.to_dense()
    if x.dim() != 2 or not x.is_floating_point():
        raise ValueError(
            f'x must be floating point features of shape [N, F] (got '
            f'{x.dtype} of shape {list(x.size())})'
        )
    return x


def _graphs(given: dict[str, Any], batch: Tensor) -> Iterator[dict[str, Any]]:
    size = len(given['x'])
    if batch.size() != (size,):
        raise ValueError(
            f'batch must name a graph for each of the {size} nodes (got '
            f'shape {list(batch.size())})'
        )
    for graph in range(int(batch.max()) + 1 if size else 0):
        nodes = batch == graph
        part = {**given, 'x': given['x'][nodes]}
        if given.get('y') is not None:
            part['y'] = given['y'][nodes]
        if given.get('edge_index') is not None:
            edges, weight = subgraph(
                nodes,
                given['edge_index'],
                given.get('edge_weight'),
                relabel_nodes=True,
                num_nodes=size,
            )
            part['edge_index'] = edges
            if 'edge_weight' in given:
                part['edge_weight'] = weight
        yield part


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
    return torch.where(norm > 0.0, 1.0 / norm, 0.0)


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
    variance = values.var() * (1.0 - share) / len(values)
    return mean, variance.sqrt()
