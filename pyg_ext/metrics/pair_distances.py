from collections.abc import Callable

import torch
from torch import Tensor

from pyg_ext.metrics.blocks import (
    estimate,
    in_range,
    squared_differences,
    sum_of_distances,
    unit_scale,
)
from pyg_ext.metrics.graphs import Graphs
from pyg_ext.metrics.per_graph import MOST_SAMPLES, per_graph
from pyg_ext.utils.checks import check_count


@per_graph
def smv(
    x: Tensor,
    num_samples: int | None = None,
    generator: torch.Generator | None = None,
    return_std_error: bool = False,
    *,
    graphs: Graphs,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""The smoothness metric value of `"Towards Deeper Graph Neural Networks"
    <https://arxiv.org/abs/2007.09296>`_ over all pairs of nodes, neighbors or
    not,

    .. math::
        \frac{1}{|\mathcal{V}| (|\mathcal{V}| - 1)} \sum_{i \neq j}
        \frac{1}{2} {\left\| \frac{\mathbf{x}_i}{\| \mathbf{x}_i \|} -
        \frac{\mathbf{x}_j}{\| \mathbf{x}_j \|} \right\|}_2.

    It sees neither the size of features nor the graph.

    Args:
        x (torch.Tensor): The node features.
        num_samples (int, optional): Takes the mean over so many random pairs;
            all if :obj:`None`, in time :math:`O({|\mathcal{V}|}^2 F)`.
            (default: :obj:`None`)
        generator (torch.Generator, optional): Where random numbers come from;
            by default PyTorch's own. (default: :obj:`None`)
        return_std_error (bool, optional): Whether to return the standard
            error of the sample as well. (default: :obj:`False`)
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Raises:
        ValueError: On less than two samples.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, 1]`, and NaN with less than two
          nodes
    """
    x, scale = unit_scale(x)
    return graphs.map(_pair_mean(num_samples, generator), x, scale / 2)


@per_graph
def row_difference(
    x: Tensor,
    num_samples: int | None = None,
    generator: torch.Generator | None = None,
    return_std_error: bool = False,
    *,
    graphs: Graphs,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""The row difference of `"PairNorm: Tackling Oversmoothing in GNNs"
    <https://arxiv.org/abs/1909.12223>`_, the mean distance of two nodes,

    .. math::
        \frac{1}{|\mathcal{V}| (|\mathcal{V}| - 1)} \sum_{i \neq j}
        {\| \mathbf{x}_i - \mathbf{x}_j \|}_2.

    The paper divides by :math:`{|\mathcal{V}|}^2`. It falls with the size of
    features, whether or not they get alike, and does not see the graph.

    Args:
        x (torch.Tensor): The node features.
        num_samples (int, optional): Takes the mean over so many random pairs;
            all if :obj:`None`, in time :math:`O({|\mathcal{V}|}^2 F)`.
            (default: :obj:`None`)
        generator (torch.Generator, optional): Where random numbers come from;
            by default PyTorch's own. (default: :obj:`None`)
        return_std_error (bool, optional): Whether to return the standard
            error of the sample as well. (default: :obj:`False`)
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Raises:
        ValueError: On less than two samples.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, \infty)`, and NaN with less than
          two nodes
    """
    x, scale = in_range(x, graphs=graphs)
    ones = x.new_ones(len(x), dtype=torch.double)
    mean, error = graphs.map(_pair_mean(num_samples, generator), x, ones)
    return mean * scale, error * scale


@per_graph
def column_difference(x: Tensor, *, graphs: Graphs) -> Tensor:
    r"""The column difference of `"PairNorm: Tackling Oversmoothing in GNNs"
    <https://arxiv.org/abs/1909.12223>`_, the mean distance of two channels,
    each divided by its sum of absolute values,

    .. math::
        \frac{1}{F (F - 1)} \sum_{i \neq j} {\left\|
        \frac{\mathbf{x}_{\cdot i}}{{\| \mathbf{x}_{\cdot i} \|}_1} -
        \frac{\mathbf{x}_{\cdot j}}{{\| \mathbf{x}_{\cdot j} \|}_1}
        \right\|}_2.

    The paper divides by :math:`F^2`. It is near zero where all channels say
    the same, and gets smaller with the number of nodes. A channel of zeros
    counts as it is.

    Args:
        x (torch.Tensor): The node features.
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, 2]`, and NaN with less than two
          channels
    """
    return graphs.map(_column_mean, x)


def _column_mean(x: Tensor) -> Tensor:
    x, _ = in_range(x, dim=0)
    size = x.abs().sum(dim=0, dtype=torch.double)
    size = torch.where(size > 0.0, size, 1.0)
    columns = x.t().contiguous() / size.view(-1, 1)  # [F, N]
    count = len(columns)
    return sum_of_distances(columns, columns) / (count * (count - 1))


def _pair_mean(
    num_samples: int | None, generator: torch.Generator | None
) -> Callable:
    """The mean distance of two different rows times their scale, of all pairs
    or of random ones, and its standard error.
    """
    if num_samples is not None:
        check_count('num_samples', num_samples, 2, MOST_SAMPLES)

    def mean(x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        size = len(x)
        if num_samples is not None and size > 1:
            first = torch.randint(size, (num_samples,), generator=generator)
            step = torch.randint(1, size, (num_samples,), generator=generator)
            pairs = torch.stack([first, (first + step) % size]).to(x.device)
            distances = squared_differences(x, pairs, scale).sqrt()
            return estimate(distances, 0.0)
        rows = x.double() * scale.view(-1, 1)
        mean = sum_of_distances(rows, rows) / (size * (size - 1))
        return mean, torch.zeros_like(mean)

    return mean
