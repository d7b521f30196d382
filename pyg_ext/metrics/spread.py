import torch
from torch import Tensor

from pyg_ext.metrics.pairs import pair_mean, sum_of_distances
from pyg_ext.metrics.per_graph import (
    per_graph,
    squared_differences,
    unit_rows,
)
from pyg_ext.utils.checks import check_name


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

    Raises:
        ValueError: On less than two samples, or two nodes.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, \infty)`
    """
    return pair_mean(x, None, num_samples, generator, return_std_error)


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

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, 2]`
    """
    size = x.abs().sum(dim=0, dtype=torch.double)
    size = torch.where(size > 0.0, size, 1.0)
    columns = x.t().contiguous() / size.view(-1, 1)  # [F, N]
    count = len(columns)
    return sum_of_distances(columns, columns) / max(count * (count - 1), 1)


@per_graph
def group_distance_ratio(
    x: Tensor,
    y: Tensor,
    definition: str = 'pyg',
    num_samples: int | None = None,
    generator: torch.Generator | None = None,
    return_std_error: bool = False,
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
        y (torch.Tensor): The class of each node. Classes without nodes do not
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

    Raises:
        ValueError: On an unknown definition, on less than two classes, or on
            less than two samples.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, classes
          :math:`(|\mathcal{V}|)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, \infty)`, and no number where the nodes
          of each class are equal
    """
    check_name('definition', definition, ('pyg', 'dgn'))
    labels, y = y.unique(return_inverse=True)
    if len(labels) < 2:
        raise ValueError(
            f'a ratio of distances needs at least 2 classes (got '
            f'{len(labels)})'
        )
    if num_samples is not None and num_samples < 2:
        raise ValueError(f'num_samples must be at least 2 (got {num_samples})')
    if definition == 'dgn':
        ratio, error = _ratio_of_squares(x, y, len(labels)), None
    else:
        ratio, error = _ratio(x, y, len(labels), num_samples, generator)
    if not return_std_error:
        return ratio
    return ratio, torch.zeros_like(ratio) if error is None else error


def _ratio_of_squares(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """By the means and variances of classes alone."""
    count = y.bincount(minlength=classes).double().view(-1, 1)
    mean = x.new_zeros(classes, x.size(1), dtype=torch.double)
    variance = x.new_zeros(classes, dtype=torch.double)
    for place, part in unit_rows(x):
        mean.index_add_(0, y[place], part / count[y[place]])
    for place, part in unit_rows(x):
        apart = (part - mean[y[place]]).square_().sum(dim=-1)
        variance.index_add_(0, y[place], apart / count[y[place], 0])
    pairs = torch.combinations(torch.arange(classes, device=x.device))
    one, other = pairs.t()
    between = (mean[one] - mean[other]).square().sum(dim=-1)
    inter = (between + variance[one] + variance[other]).mean()
    return inter / (2 * variance.mean())


def _ratio(
    x: Tensor,
    y: Tensor,
    classes: int,
    num_samples: int | None,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor | None]:
    """The ratio and its standard error, by propagation of those of its two
    sides.
    """
    sides = []
    for apart in (True, False):
        means, variances = [], []
        for label in range(classes):
            mine = (y == label).nonzero().view(-1)
            other = (y != label).nonzero().view(-1) if apart else mine
            if num_samples is None:
                one, two = x[mine].double(), x[other].double()
                count = len(mine) * len(other)
                means.append(sum_of_distances(one, two) / count)
                continue
            pairs = torch.stack(
                [
                    nodes[
                        torch.randint(
                            len(nodes), (num_samples,), generator=generator
                        ).to(x.device)
                    ]
                    for nodes in (mine, other)
                ]
            )
            distances = squared_differences(x, pairs).sqrt()
            means.append(distances.mean())
            variances.append(distances.var() / num_samples)
        factor = 1 / (classes - 1) ** 2 if apart else 1 / classes
        error = torch.stack(variances).sum() if variances else None
        sides.append((factor * torch.stack(means).sum(), factor, error))
    (inter, by, inter_error), (intra, of, intra_error) = sides
    ratio = inter / intra
    if num_samples is None:
        return ratio, None
    relative = by**2 * inter_error / inter**2 + of**2 * intra_error / intra**2
    return ratio, ratio * relative.sqrt()
