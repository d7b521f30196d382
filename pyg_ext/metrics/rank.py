import torch
from torch import Tensor

from pyg_ext.metrics.blocks import in_range, rows_at_a_time
from pyg_ext.metrics.graphs import Graphs
from pyg_ext.metrics.per_graph import per_graph
from pyg_ext.metrics.shared import shared

APART = 1e-10  # of the largest eigenvalue: rounding is far below


@shared
def _singular_values(x: Tensor) -> Tensor:
    """In float64, those of columns that are zero left out: by the matrix of
    inner products of columns where squares do not lose the smallest ones,
    else by triangular factors of blocks of rows.
    """
    if x.requires_grad and torch.is_grad_enabled():
        return torch.linalg.svdvals(x.double())  # the others have no gradient
    size = x.size(1)
    parts = x.split(max(rows_at_a_time(size), size))
    if len(x) >= 2 * size:
        gram = sum(part.T @ part for part in map(Tensor.double, parts))
        some = gram.diagonal() > 0.0
        squares = torch.linalg.eigvalsh(gram[some][:, some])
        if bool(some.any()) and squares[0] > APART * squares[-1]:
            return squares.sqrt()
    factor = x.new_zeros(0, size, dtype=torch.double)
    for part in parts:
        stacked = torch.cat([factor, part.double()])
        factor = torch.linalg.qr(stacked, mode='r').R
    return torch.linalg.svdvals(factor)


def _numerical_rank(x: Tensor) -> Tensor:
    values = _singular_values(x)
    return (values / values.max()).square().sum()


def _effective_rank(x: Tensor) -> Tensor:
    values = _singular_values(x)
    return torch.special.entr(values / values.sum()).sum().exp()


@per_graph
def numerical_rank(x: Tensor, *, graphs: Graphs) -> Tensor:
    r"""The numerical (or stable) rank,

    .. math::
        \frac{{\| \mathbf{X} \|}_F^2}{{\| \mathbf{X} \|}_2^2} = \frac{\sum_k
        \sigma_k^2}{\sigma_1^2},

    which `"Rethinking Oversmoothing in Graph Neural Networks: A Rank-Based
    Perspective" <https://arxiv.org/abs/2502.04591>`_ proposes: it comes to
    one where all nodes lie on a line, whatever their size, also where energies
    do not show it. It sees neither the graph nor labels, and features with a
    large mean have a low rank from the start.

    Args:
        x (torch.Tensor): The node features.
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; from 1 to the rank, and NaN where all features
          are zero
    """
    x, _ = in_range(x, graphs=graphs)
    return graphs.map(_numerical_rank, x)


@per_graph
def effective_rank(x: Tensor, *, graphs: Graphs) -> Tensor:
    r"""The effective rank of "The Effective Rank: A Measure of Effective
    Dimensionality" (Roy and Vetterli, EUSIPCO 2007), the exponential of the
    entropy of the singular values,

    .. math::
        \exp \left( - \sum_k p_k \log p_k \right), \qquad p_k =
        \frac{\sigma_k}{\sum_l \sigma_l}.

    It counts small singular values for more than :func:`numerical_rank` does,
    and is blind to the same.

    Args:
        x (torch.Tensor): The node features.
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; from 1 to the rank, and NaN where all features
          are zero
    """
    x, _ = in_range(x, graphs=graphs)
    return graphs.map(_effective_rank, x)
