import torch
from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_ext.metrics.per_graph import (
    MOST_SAMPLES,
    estimate,
    in_range,
    no_number,
    per_graph,
    rows_at_a_time,
    squared_differences,
    unit_scale,
)
from pyg_ext.utils.checks import check_count


@per_graph
def smv(
    x: Tensor,
    num_samples: int | None = None,
    generator: torch.Generator | None = None,
    return_std_error: bool = False,
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
          :obj:`batch`; in :math:`[0, 1]`, and no number with less than two
          nodes
    """
    x, _ = in_range(x, dim=1)
    return _pair_mean(
        x, unit_scale(x) / 2, num_samples, generator, return_std_error
    )


@per_graph
def row_difference(
    x: Tensor,
    num_samples: int | None = None,
    generator: torch.Generator | None = None,
    return_std_error: bool = False,
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
          :obj:`batch`; in :math:`[0, \infty)`, and no number with less than
          two nodes
    """
    x, scale = in_range(x)
    mean = _pair_mean(x, None, num_samples, generator, return_std_error)
    if return_std_error:
        return mean[0] * scale, mean[1] * scale
    return mean * scale


@per_graph
def column_difference(x: Tensor) -> Tensor:
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
          :obj:`batch`; in :math:`[0, 2]`, and no number with less than two
          channels
    """
    x, _ = in_range(x, dim=0)
    size = x.abs().sum(dim=0, dtype=torch.double)
    size = torch.where(size > 0.0, size, 1.0)
    columns = x.t().contiguous() / size.view(-1, 1)  # [F, N]
    count = len(columns)
    return sum_of_distances(columns, columns) / (count * (count - 1))


def _sample(
    size: int, num_samples: int, generator: torch.Generator | None
) -> Tensor:
    """So many pairs of two different nodes, with replacement, ``[2, S]``."""
    first = torch.randint(size, (num_samples,), generator=generator)
    step = torch.randint(1, size, (num_samples,), generator=generator)
    return torch.stack([first, (first + step) % size])


def _pair_mean(
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
        check_count('num_samples', num_samples, 2, MOST_SAMPLES)
    if len(x) < 2:
        nothing = no_number(x)
        return (nothing, nothing) if return_std_error else nothing
    if num_samples is not None:
        pairs = _sample(len(x), num_samples, generator).to(x.device)
        distances = squared_differences(x, pairs, scale).sqrt()
        return estimate(distances, 0.0, return_std_error)
    x = x.double() if scale is None else x.double() * scale.view(-1, 1)
    total = sum_of_distances(x, x)
    mean = total / (len(x) * (len(x) - 1))
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
