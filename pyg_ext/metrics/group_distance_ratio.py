from functools import partial

import torch
from torch import Tensor
from torch_geometric.utils import scatter

from pyg_ext.metrics.blocks import (
    in_range,
    means_and_variances,
    squared_differences,
    sum_of_distances,
    unit_scale,
)
from pyg_ext.metrics.graphs import Graphs
from pyg_ext.metrics.per_graph import MOST_SAMPLES, nan_of, per_graph
from pyg_ext.utils.checks import check_count, check_name


@per_graph
def group_distance_ratio(
    x: Tensor,
    y: Tensor,
    definition: str = 'pyg',
    num_samples: int | None = None,
    generator: torch.Generator | None = None,
    return_std_error: bool = False,
    *,
    graphs: Graphs,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""The group distance ratio of `"Towards Deeper Graph Neural Networks
    with Differentiable Group Normalization"
    <https://arxiv.org/abs/2006.06972>`_: how far apart two classes are, over
    how far apart nodes of a class are. There are two of the name, whose
    numbers do not compare:

    * :obj:`'pyg'`: that of
      :meth:`torch_geometric.nn.DiffGroupNorm.group_distance_ratio`,

      .. math::
          \frac{\frac{1}{(C-1)^2} \sum_c d(\mathcal{V}_c, \mathcal{V}
          \setminus \mathcal{V}_c)}{\frac{1}{C} \sum_c d(\mathcal{V}_c,
          \mathcal{V}_c)}

      with :math:`d` the mean Euclidean distance of two nodes, a node and
      itself included. Its numerator is not a mean: at equal distances the
      ratio is :math:`C / (C - 1)^2`, and not one.
    * :obj:`'dgn'`: that of the authors' code, squared distances of features
      of length one, the mean over pairs of classes over the mean over
      classes. It needs no pairs of nodes.

    It needs labels, and sees neither the graph nor whether a classifier could
    tell classes apart that lie inside each other.

    Args:
        x (torch.Tensor): The node features.
        y (torch.Tensor): The class of each node, from zero on: a node
            without a class cannot be given. Classes without nodes do not
            count.
        definition (str, optional): :obj:`'pyg'` or :obj:`'dgn'`.
            (default: :obj:`'pyg'`)
        num_samples (int, optional): With :obj:`'pyg'`, takes each mean
            distance over so many random pairs; all if :obj:`None`, in time
            :math:`O({|\mathcal{V}|}^2 F)`. (default: :obj:`None`)
        generator (torch.Generator, optional): Where random numbers come from;
            by default PyTorch's own. (default: :obj:`None`)
        return_std_error (bool, optional): Whether to return the standard
            error of the sample as well. (default: :obj:`False`)
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Raises:
        ValueError: On an unknown definition, or on less than two samples.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, classes
          :math:`(|\mathcal{V}|)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, \infty)`, infinite where only the nodes
          of each class are equal, and NaN with less than two classes or
          where all nodes are equal
    """
    check_name('definition', definition, ('pyg', 'dgn'))
    if num_samples is not None:
        check_count('num_samples', num_samples, 2, MOST_SAMPLES)
    if definition == 'dgn':
        ratios = _ratios_of_squares(x, y, graphs)
        return ratios, torch.zeros_like(ratios)
    x, _ = in_range(x, graphs=graphs)
    function = partial(_ratio, num_samples, generator)
    return graphs.map(function, x, y)


def _ratios_of_squares(x: Tensor, y: Tensor, graphs: Graphs) -> Tensor:
    """By the means and variances of classes alone."""
    labels, y = y.unique(return_inverse=True)
    groups, group, count = (graphs.index * len(labels) + y).unique(
        return_inverse=True, return_counts=True
    )  # a class of a graph each
    owner = groups // len(labels)
    means, within = means_and_variances(*unit_scale(x), group, count)
    classes = owner.bincount(minlength=len(graphs))
    _, between = means_and_variances(
        means, torch.ones_like(within), owner, classes
    )
    within = scatter(within, owner, 0, len(graphs), 'mean')
    return (between * classes / (classes - 1) + within) / within


def _ratio(
    num_samples: int | None,
    generator: torch.Generator | None,
    x: Tensor,
    y: Tensor,
) -> tuple[Tensor, Tensor]:
    """The ratio of a graph and its standard error, by propagation of those of
    its two sides.
    """
    labels = y.unique()
    classes = len(labels)
    if classes < 2:
        return nan_of(x), nan_of(x)
    sides = []
    for apart in (True, False):
        found = []
        for label in labels:
            mine = (y == label).nonzero().view(-1)
            other = (y != label).nonzero().view(-1) if apart else mine
            found.append(
                _mean_distance(x, mine, other, num_samples, generator)
            )
        means, variances = map(torch.stack, zip(*found, strict=True))
        mean = means.mean()
        sides.append((mean, variances.sum() / (classes * mean) ** 2))
    (inter, inter_error), (intra, intra_error) = sides
    ratio = classes / (classes - 1) ** 2 * inter / intra
    return ratio, ratio * (inter_error + intra_error).sqrt()


def _mean_distance(
    x: Tensor,
    mine: Tensor,
    other: Tensor,
    num_samples: int | None,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """The mean distance of a node of one set and one of the other, and the
    variance of the estimate.
    """
    if num_samples is None:
        total = sum_of_distances(x[mine].double(), x[other].double())
        return total / (len(mine) * len(other)), torch.zeros_like(total)
    drawn = [
        torch.randint(len(nodes), (num_samples,), generator=generator)
        for nodes in (mine, other)
    ]
    first, second = (draw.to(x.device) for draw in drawn)
    pairs = torch.stack([mine[first], other[second]])
    distances = squared_differences(x, pairs).sqrt()
    return distances.mean(), distances.var() / num_samples
