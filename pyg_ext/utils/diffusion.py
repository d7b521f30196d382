import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from tqdm import tqdm

from pyg_ext.utils.checks import (
    check_edges,
    check_name,
    check_real,
    check_targets,
)
from pyg_ext.utils.walk_steps import (
    MIN_PROB,
    Graph,
    SparseResult,
    Sparsification,
    TransitionMatrix,
    run_diffusion,
    scale_by_row_max,
)

TRUNCATION = 0.05  # share of eps that the steps left out at the end may take
BLOCK_BYTES = 256 * 2**20  # bytes of the dense blocks on a CUDA device
MIN_ALPHA = 1e-6  # a walk of that many steps is long enough
MIN_EPS = 1e-16  # float64 is not more exact
MIN_COEFF = MIN_PROB * MIN_EPS  # of a heat kernel
MIN_FLOOR = 1e-100  # what is pushed stays far above zero


def ppr_topk(
    edge_index: Tensor,
    alpha: float = 0.15,
    eps: float = 1e-4,
    k: int | None = 64,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    targets: OptTensor = None,
    *,
    threshold: float | None = None,
    avg_degree: int | None = None,
    loop: bool = True,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    r"""The :obj:`k` largest entries of the personalized PageRank of each
    node,

    .. math::
        \boldsymbol{\pi}_s = \alpha \sum_{j=0}^{\infty} (1 - \alpha)^j
        \left( \mathbf{D}^{-1} \mathbf{A} \right)^j_{s, :}

    by the forward push of the `"Local Graph Partitioning using PageRank
    Vectors" <https://mathweb.ucsd.edu/~fan/wp/localpartition.pdf>`_ paper.

    It stops as :func:`torch_geometric.utils.get_ppr` does, when no node has a
    residual of :math:`\alpha \epsilon` times its degree; on an undirected
    graph, weighted or not, every entry then lacks at most :math:`\epsilon`
    times the degree of its node. It returns in the same convention, with the
    seed in row 0 and the visited node in row 1.
    A walk stays at a node without outgoing edges, so that an isolated node
    keeps all mass.

    The work is split over :func:`torch.get_num_threads` threads, of which
    each takes 44 bytes for each node. The result is the same for any number
    of threads, and for any split of the nodes into :obj:`targets`.
    On a CUDA device, powers of the transition matrix are summed instead until
    less is left than :math:`\epsilon` times the least degree, or
    :math:`\epsilon` if all are above one.

    Args:
        edge_index (torch.Tensor): The edges; repeated ones are summed.
        alpha (float, optional): The teleport probability :math:`\alpha`. A
            seed takes time in proportion to :math:`1 / \alpha`.
            (default: :obj:`0.15`)
        eps (float, optional): The error bound :math:`\epsilon`.
            (default: :obj:`1e-4`)
        k (int, optional): The most entries for each seed; all if
            :obj:`None`. (default: :obj:`64`)
        edge_weight (torch.Tensor, optional): Weights of the edges, not
            negative. The degree is then their sum in units of their mean;
            steps of a probability below 1e-100 are not taken.
            (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        targets (torch.Tensor, optional): The seeds; all nodes if
            :obj:`None`. (default: :obj:`None`)
        threshold (float, optional): The least value to keep.
            (default: :obj:`None`)
        avg_degree (int, optional): Keeps only the largest values of all
            seeds, so many for each seed on average. (default: :obj:`None`)
        loop (bool, optional): Whether the seed counts among its own entries.
            (default: :obj:`True`)
        progress (bool, optional): If set to :obj:`True`, shows a progress
            bar. (default: :obj:`False`)

    Raises:
        ValueError: If :obj:`alpha` is not in :math:`[10^{-6}, 1)`, :obj:`eps`
            not in :math:`[10^{-16}, 1)`, :obj:`k` or :obj:`avg_degree` are
            less than one, or the edges, weights or targets make no sense.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)`, weights
          :math:`(|\mathcal{E}|)` *(optional)*, targets :math:`(T)`
          *(optional)*
        - **output:** seeds and visited nodes :math:`(2, E)`, for each seed
          in order of targets the largest value first, the lower node first
          where they are equal in float64; values :math:`(E)` of the type of
          the weights, if it has fractions
    """
    rule = Sparsification(k, threshold, avg_degree, loop)
    graph = (edge_index, edge_weight, num_nodes)
    return ppr(graph, targets, rule, alpha, eps, progress)


def heat_kernel_topk(
    edge_index: Tensor,
    t: float = 5.0,
    eps: float = 1e-4,
    k: int | None = 64,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    targets: OptTensor = None,
    *,
    threshold: float | None = None,
    avg_degree: int | None = None,
    loop: bool = True,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    r"""The :obj:`k` largest entries of the heat kernel of each node,

    .. math::
        \mathbf{h}_s = e^{-t} \sum_{j=0}^{\infty} \frac{t^j}{j!}
        \left( \mathbf{D}^{-1} \mathbf{A} \right)^j_{s, :}

    as in the `"Heat Kernel Based Community Detection"
    <https://arxiv.org/abs/1403.3148>`_ paper, step by step; see
    :func:`diffusion_topk`.

    Args:
        edge_index (torch.Tensor): The edges; repeated ones are summed.
        t (float, optional): The time :math:`t`. (default: :obj:`5.0`)
        eps (float, optional): The error bound :math:`\epsilon`.
            (default: :obj:`1e-4`)
        k (int, optional): As in :func:`ppr_topk`. (default: :obj:`64`)
        edge_weight (torch.Tensor, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        num_nodes (int, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        targets (torch.Tensor, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        threshold (float, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        avg_degree (int, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        loop (bool, optional): As in :func:`ppr_topk`. (default: :obj:`True`)
        progress (bool, optional): As in :func:`ppr_topk`.
            (default: :obj:`False`)

    Raises:
        ValueError: If :obj:`t` is not in :math:`(0, 500]` or :obj:`eps` not
            in :math:`[10^{-16}, 1)`, and as in :func:`ppr_topk`.

    Shapes:
        As in :func:`ppr_topk`.
    """
    rule = Sparsification(k, threshold, avg_degree, loop)
    graph = (edge_index, edge_weight, num_nodes)
    return heat_kernel(graph, targets, rule, t, eps, progress)


def diffusion_topk(
    edge_index: Tensor,
    coeffs: Sequence[float],
    eps: float = 1e-4,
    k: int | None = 64,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    targets: OptTensor = None,
    *,
    threshold: float | None = None,
    avg_degree: int | None = None,
    loop: bool = True,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    r"""The :obj:`k` largest entries of a diffusion of each node with any
    coefficients,

    .. math::
        \mathbf{s}_s = \sum_{j=0}^{J} \theta_j
        \left( \mathbf{D}^{-1} \mathbf{A} \right)^j_{s, :}

    After each step, a node pushes its residual only if it is at least its
    degree times a limit. With :math:`\Theta_j = \sum_{i > j} \theta_i`, what
    is not pushed at step :math:`j` cannot reach more than :math:`\Theta_j`
    times that limit at a node of degree one, if the graph is undirected; the
    limits are proportional to :math:`1 / \sqrt{\Theta_j}`, which costs least,
    and such that an entry lacks at most :math:`\epsilon` times the degree of
    its node, with weights or without. The last steps are left out where the
    sum of their coefficients is below a twentieth of that for every node.

    Args:
        edge_index (torch.Tensor): The edges; repeated ones are summed.
        coeffs (list): The coefficients :math:`\theta_0, \ldots, \theta_J`,
            not negative.
        eps (float, optional): The error bound :math:`\epsilon`.
            (default: :obj:`1e-4`)
        k (int, optional): As in :func:`ppr_topk`. (default: :obj:`64`)
        edge_weight (torch.Tensor, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        num_nodes (int, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        targets (torch.Tensor, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        threshold (float, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        avg_degree (int, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        loop (bool, optional): As in :func:`ppr_topk`. (default: :obj:`True`)
        progress (bool, optional): As in :func:`ppr_topk`.
            (default: :obj:`False`)

    Raises:
        ValueError: If there is no coefficient, or a negative one, or their
            sum is not finite, and as in :func:`ppr_topk`.

    Shapes:
        As in :func:`ppr_topk`.
    """
    rule = Sparsification(k, threshold, avg_degree, loop)
    graph = (edge_index, edge_weight, num_nodes)
    return series(graph, targets, rule, coeffs, eps, progress)


def diffusion_matrix(
    edge_index: Tensor,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    normalization: str = 'row',
    *,
    alpha: float | None = None,
    t: float | None = None,
    coeffs: Sequence[float] | None = None,
) -> Tensor:
    r"""The exact diffusion of a small graph as a dense matrix: personalized
    PageRank with :obj:`alpha`, the heat kernel with :obj:`t`, or a series
    with :obj:`coeffs`.

    With :obj:`normalization='row'`, row :math:`s` holds what
    :func:`ppr_topk`, :func:`heat_kernel_topk` and :func:`diffusion_topk` find
    for seed :math:`s`.

    Args:
        edge_index (torch.Tensor): The edges; repeated ones are summed.
        edge_weight (torch.Tensor, optional): Their weights.
            (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        normalization (str, optional): The transition matrix, with the names
            of :class:`torch_geometric.transforms.GDC`: :obj:`'row'` for
            :math:`\mathbf{D}^{-1} \mathbf{A}`, :obj:`'col'` for
            :math:`\mathbf{A} \mathbf{D}^{-1}` and :obj:`'sym'` for
            :math:`\mathbf{D}^{-1/2} \mathbf{A} \mathbf{D}^{-1/2}`, the
            latter two with the sums of the columns. Where
            :math:`\mathbf{D}` has a zero, so has its inverse, as in
            :class:`~torch_geometric.transforms.GDC`, and the diagonal of the
            transition matrix a one: a walk stays. (default: :obj:`'row'`)
        alpha (float, optional): The teleport probability.
            (default: :obj:`None`)
        t (float, optional): The time. (default: :obj:`None`)
        coeffs (list, optional): The coefficients. (default: :obj:`None`)

    Raises:
        ValueError: If not exactly one of :obj:`alpha`, :obj:`t` and
            :obj:`coeffs` is given, or a value makes no sense.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)`, weights
          :math:`(|\mathcal{E}|)` *(optional)*
        - **output:** :math:`(|\mathcal{V}|, |\mathcal{V}|)`, float64
    """
    if sum(option is not None for option in (alpha, t, coeffs)) != 1:
        raise ValueError(
            f'exactly one of alpha, t and coeffs must be given (got '
            f'alpha={alpha}, t={t}, coeffs={coeffs})'
        )
    check_name('normalization', normalization, NORMALIZATIONS)
    edge_index, edge_weight, num_nodes = check_edges(
        edge_index, edge_weight, num_nodes
    )
    row, col = edge_index
    end = row if normalization == 'row' else col
    largest, share = scale_by_row_max(end, edge_weight, num_nodes)
    total = torch.zeros_like(largest).scatter_add_(0, end, share)  # [N]
    value = share / total[end].clamp(min=1.0)
    if normalization == 'sym':  # in an order that does not overflow
        root = (largest.sqrt(), total.sqrt())
        ratio = (root[0][col] / root[0][row]) * (root[1][col] / root[1][row])
        value = torch.where(largest[row] > 0.0, value * ratio, 0.0)
    step = value.new_zeros(num_nodes, num_nodes)
    step.index_put_((row, col), value, accumulate=True)
    step.diagonal()[largest == 0.0] = 1.0
    eye = torch.eye(num_nodes).to(step)
    if alpha is not None:
        check_between('alpha', alpha, MIN_ALPHA)
        return alpha * torch.linalg.inv(eye - (1.0 - alpha) * step)
    if t is not None:
        check_time(t)
        return torch.linalg.matrix_exp(t * (step - eye))
    *others, last = check_coeffs(coeffs).tolist()
    out = last * eye
    for theta in reversed(others):  # Horner
        out = out @ step
        out.diagonal().add_(theta)
    return out


NORMALIZATIONS = ('sym', 'col', 'row')


def check_between(name: str, value: float, least: float) -> None:
    """Raises a ValueError unless a value is in [least, 1)."""
    if not least <= check_real(name, value) < 1.0:
        raise ValueError(f'{name} must be in [{least}, 1) (got {value})')


def check_time(t: float) -> None:
    """Raises a ValueError unless a time is one that can be computed."""
    if not 0.0 < check_real('t', t) <= 500.0:
        raise ValueError(f't must be in (0, 500] (got {t})')


def check_coeffs(coeffs: Sequence[float]) -> np.ndarray:
    """Raises a ValueError unless coefficients are not negative, and their sum
    is finite.
    """
    theta = np.asarray(coeffs, dtype=np.float64)
    with np.errstate(over='ignore'):
        fine = theta.ndim == 1 and len(theta) and (theta >= 0.0).all()
        fine = fine and theta.sum() < math.inf
    if not fine:
        raise ValueError(
            f'coeffs must hold at least one number and no negative one, and '
            f'have a finite sum (got {coeffs})'
        )
    return theta


def ppr(
    graph: Graph,
    targets: OptTensor,
    rule: Sparsification,
    alpha: float,
    eps: float,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """See :func:`ppr_topk`."""
    from pyg_ext.utils import diffusion_kernels as kernels

    check_between('alpha', alpha, MIN_ALPHA)
    check_between('eps', eps, MIN_EPS)
    transition = TransitionMatrix.from_edges(*graph)
    if transition.device.type == 'cuda':
        left = math.log(eps * transition.least_degree())
        number = math.ceil(left / math.log1p(-alpha))
        theta = alpha * (1.0 - alpha) ** np.arange(number)
        return power_iteration(transition, targets, rule, theta, progress)
    rest = (float(alpha), float(eps))
    return run_diffusion(
        kernels.forward_push, rest, transition, targets, rule, progress
    )


def heat_kernel(
    graph: Graph,
    targets: OptTensor,
    rule: Sparsification,
    t: float,
    eps: float,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """See :func:`heat_kernel_topk`."""
    check_time(t)
    theta = [math.exp(-t)]
    while len(theta) < t or theta[-1] > MIN_COEFF:
        theta.append(theta[-1] * t / len(theta))
    return series(graph, targets, rule, theta, eps, progress)


def series(
    graph: Graph,
    targets: OptTensor,
    rule: Sparsification,
    coeffs: Sequence[float],
    eps: float,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """See :func:`diffusion_topk`."""
    from pyg_ext.utils import diffusion_kernels as kernels

    check_between('eps', eps, MIN_EPS)
    theta = check_coeffs(coeffs)
    transition = TransitionMatrix.from_edges(*graph)
    left = np.append(theta[::-1].cumsum()[::-1], 0.0)  # of step j and later
    number = int((left > TRUNCATION * eps * transition.least_degree()).sum())
    theta = theta[: max(number, 1)]
    root = np.sqrt(left[1 : len(theta) + 1])
    if transition.device.type == 'cuda':
        return power_iteration(transition, targets, rule, theta, progress)
    with np.errstate(divide='ignore'):
        floor = (1.0 - TRUNCATION) * eps / (root * root.sum())
    rest = (theta, floor.clip(MIN_FLOOR))
    return run_diffusion(
        kernels.series_push, rest, transition, targets, rule, progress
    )


def power_iteration(
    transition: TransitionMatrix,
    targets: OptTensor,
    rule: Sparsification,
    theta: np.ndarray,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """A series of powers without a limit, for many seeds at a time: dense
    blocks ``[N, B]`` on the device of the edges.
    """
    device, num_nodes = transition.device, len(transition.degree)
    seeds = check_targets(targets, num_nodes).numpy()
    forward = transition.t().to(device)  # [N, N]
    scale = torch.from_numpy(rule.scale(transition)).to(device)
    width = max(BLOCK_BYTES // (4 * 8 * max(num_nodes, 1)), 1)
    parts = [seeds[i : i + width] for i in range(0, len(seeds), width)]
    result = SparseResult(rule.avg_degree, len(seeds))
    for part in tqdm(parts, disable=not progress):
        seed = torch.from_numpy(part).to(device)
        place = torch.arange(len(part), device=device)
        power = torch.zeros(num_nodes, len(part)).to(scale)  # [N, B]
        power[seed, place] = 1.0
        total = theta[0] * power
        for coefficient in theta[1:]:
            power = forward @ power
            total += coefficient * power
        total = total.t().contiguous()  # [B, N]
        if len(scale):
            unit = torch.where(scale[seed] > 0.0, scale[seed], 1.0)
            itself = total[place, seed]
            total *= scale / unit.unsqueeze(1)
            total[place, seed] = itself
        if not rule.loop:
            total[place, seed] = 0.0
        value, node = total.sort(dim=1, descending=True, stable=True)
        value, node = value[:, : rule.k], node[:, : rule.k]
        mask = value > 0.0
        if rule.threshold is not None:
            mask &= value >= rule.threshold
        rows = mask.sum(1), node[mask], value[mask]
        result.add(*(array.cpu().numpy() for array in rows))
    edges, weight = result.edges(seeds)
    return edges.to(device), weight.to(device, transition.dtype)
