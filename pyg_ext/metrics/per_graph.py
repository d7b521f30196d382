import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import is_sparse

from pyg_ext.metrics.blocks import largest
from pyg_ext.metrics.graphs import Graphs
from pyg_ext.metrics.shared import shared
from pyg_ext.utils import edge_list
from pyg_ext.utils.checks import (
    check_count,
    check_features,
    check_joins,
    check_vector,
)

MOST_SAMPLES = 10**7
MOST_GRAPHS = 2**20  # in a batch without batch_size, if nodes are fewer


def per_graph(measure: Callable) -> Callable:
    """Gives a measure of :class:`Graphs` the arguments :obj:`batch` and
    :obj:`batch_size` in their place, and checks all it takes. Features may be
    sparse, and edges have any of PyG's forms.

    The measure returns the value of each graph, ``[G]``, and perhaps a
    standard error, which is dropped unless :obj:`return_std_error`. Its nodes
    are sorted by graph, and its features finite: a graph without nodes or
    channels, or with others, has the value NaN, whatever the measure.
    """
    signature = inspect.signature(measure)
    *parameters, graphs = signature.parameters.values()
    for name in ('batch', 'batch_size'):
        parameters.append(graphs.replace(name=name, default=None))
    signature = signature.replace(parameters=parameters)
    edges = signature.parameters.get('edge_index')

    @functools.wraps(measure)
    def measured(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        x = given['x'] = dense_features(given['x'])
        if 'y' in given:
            given['y'] = check_vector('y', given['y'], len(x))
        if edges is not None and given['edge_index'] is not edges.default:
            given['edge_index'], weight, _ = _edges(
                given['edge_index'], given.get('edge_weight'), len(x)
            )
            if 'edge_weight' in given:
                given['edge_weight'] = weight
        batch, batch_size = given.pop('batch'), given.pop('batch_size')
        number, size = check_graphs(
            batch, batch_size, x, given.get('edge_index')
        )
        values = _values(measure, given, number, size)
        if batch is None:
            values = [value.view(()) for value in values]
        return tuple(values) if given.get('return_std_error') else values[0]

    measured.__signature__ = signature
    return measured


def dense_features(x: Any) -> Tensor:
    """Features as a dense matrix."""
    return check_features(x.to_dense() if is_sparse(x) else x)


def nan_of(x: Tensor) -> Tensor:
    """A NaN in float64, through which gradients pass."""
    return x.sum(dtype=torch.double) * torch.nan


def check_graphs(
    batch: OptTensor, batch_size: int | None, x: Tensor, edges: OptTensor
) -> tuple[Tensor, int]:
    """The graph of each node, and the number of graphs."""
    if batch is None:
        if batch_size is not None:
            raise ValueError(f'batch_size needs batch (got {batch_size})')
        return _one_graph(x), 1
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
    if edges is not None:
        check_joins(edges, batch)
    return batch, batch_size


def _values(
    measure: Callable, given: dict[str, Any], batch: Tensor, batch_size: int
) -> list[Tensor]:
    """What a measure returns, with NaN for all graphs that have no value."""
    batch = _sort(given, batch)
    x = given['x']
    if x.numel() == 0:
        return [nan_of(x).repeat(batch_size)] * 2
    given['x'], graphs, present, valid = _finite(x, batch)
    values = measure(**given, graphs=graphs)
    values = values if isinstance(values, tuple) else (values,)
    valid = valid & ~values[0].isnan()
    nothing = x.new_full((batch_size,), torch.nan, dtype=torch.double)
    return [
        nothing.index_put((present,), value.where(valid, torch.nan))
        for value in values
    ]


_edges = shared(edge_list)


@shared
def _one_graph(x: Tensor) -> Tensor:
    """The graph of each node, where there is one only."""
    return x.new_zeros(len(x), dtype=torch.long)


@shared
def _finite(x: Tensor, batch: Tensor) -> tuple[Tensor, Graphs, Tensor, Tensor]:
    """Features that are zero in graphs where some are not finite; graphs, the
    numbers of those that have nodes, and whether all of theirs are finite.
    """
    present, index, sizes = batch.unique_consecutive(
        return_inverse=True, return_counts=True
    )
    graphs = Graphs(index, sizes)
    infinite = ~largest(x, 1).isfinite().view(-1)
    valid = graphs.sum(infinite.double()) == 0.0
    if not valid.all():
        x = x.masked_fill(~valid[index].view(-1, 1), 0.0)
    return x, graphs, present, valid


def _sort(given: dict[str, Any], batch: Tensor) -> Tensor:
    """Sorts the nodes by graph."""
    if (batch[1:] >= batch[:-1]).all():
        return batch
    batch, order = batch.sort(stable=True)
    for name in {'x', 'y'} & set(given):
        given[name] = given[name][order]
    edges = given.get('edge_index')
    if edges is not None:
        given['edge_index'] = order.argsort()[edges]
    return batch
