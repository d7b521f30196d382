import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import GDC
from torch_geometric.typing import OptTensor
from torch_geometric.utils import add_self_loops, coalesce, is_undirected

from pyg_ext.utils.checks import check_edges, check_name, check_real
from pyg_ext.utils.diffusion import (
    NORMALIZATIONS,
    diffusion_matrix,
    heat_kernel,
    ppr,
)
from pyg_ext.utils.random_walk import monte_carlo
from pyg_ext.utils.walk_steps import (
    Sparsification,
    TransitionMatrix,
    run_diffusion,
    value_type,
)

OPTIONS = {  # of each method
    'ppr': ('alpha', 'eps'),
    'heat': ('t', 'eps'),
    'walk': ('walk_length', 'num_walks', 'restart', 'measure'),
}
METHODS = tuple(OPTIONS)


def similarity_graph(
    edge_index: Tensor,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    method: str = 'ppr',
    k: int | None = 64,
    threshold: float | None = None,
    avg_degree: int | None = None,
    *,
    exact: bool = False,
    alpha: float = 0.15,
    t: float = 5.0,
    eps: float = 1e-4,
    walk_length: int = 20,
    num_walks: int = 100,
    restart: float = 0.15,
    measure: str = 'visit',
    symmetric: bool = True,
    normalization_in: str = 'sym',
    normalization_out: str | None = 'col',
    self_loop_weight: float | None = 1.0,
    loop: bool = True,
    seed: int | None = None,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    r"""Joins each node to those that random walks from it find similar, as in
    the `"Diffusion Improves Graph Learning"
    <https://arxiv.org/abs/1911.05485>`_ paper (GDC).

    An edge leads from the node that is found to the seed, which so aggregates
    from what it visits. The walks go against the direction of the edges, to
    where messages come from.
    With :obj:`exact=True`, :obj:`symmetric=False` and otherwise equal
    options, the result is that of :class:`torch_geometric.transforms.GDC`
    without its edges of weight zero, but that a walk stays at a node that no
    edge, nor a loop, leads to. With :obj:`normalization_in='sym'` such a node
    is joined to no other, since the inverse of its degree counts as zero.

    Args:
        edge_index (torch.Tensor): The edges; repeated ones are summed.
        edge_weight (torch.Tensor, optional): Their weights, not negative.
            (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        method (str, optional): :obj:`'ppr'` (:func:`ppr_topk`),
            :obj:`'heat'` (:func:`heat_kernel_topk`) or :obj:`'walk'`
            (:func:`walk_topk`). (default: :obj:`'ppr'`)
        k (int, optional): The most edges to a node; fewer where walks reach
            fewer nodes, and no limit if :obj:`None`. (default: :obj:`64`)
        threshold (float, optional): The least similarity.
            (default: :obj:`None`)
        avg_degree (int, optional): The mean number of edges to a node: the
            least similar pairs of the graph are left out.
            (default: :obj:`None`)
        exact (bool, optional): If set to :obj:`True`, computes dense
            :math:`N \times N` matrices in float64. (default: :obj:`False`)
        alpha (float, optional): The teleport probability of :obj:`'ppr'`.
            (default: :obj:`0.15`)
        t (float, optional): The time of :obj:`'heat'`.
            (default: :obj:`5.0`)
        eps (float, optional): The error bound of :obj:`'ppr'` and
            :obj:`'heat'`, unless :obj:`exact`. (default: :obj:`1e-4`)
        walk_length (int, optional): The number of steps of a :obj:`'walk'`.
            (default: :obj:`20`)
        num_walks (int, optional): The number of walks of :obj:`'walk'` from
            each node. (default: :obj:`100`)
        restart (float, optional): The probability that a step of a
            :obj:`'walk'` leads back to the start. (default: :obj:`0.15`)
        measure (str, optional): What :obj:`'walk'` takes from walks, see
            :func:`walk_topk`. (default: :obj:`'visit'`)
        symmetric (bool, optional): If set to :obj:`True`, the similarities
            :math:`\mathbf{S}` become
            :math:`(\mathbf{S} + \mathbf{S}^{\top}) / 2`, which may give a
            node more than :obj:`k` edges. (default: :obj:`True`)
        normalization_in (str, optional): The transition matrix:
            :obj:`'sym'`, :obj:`'col'` or :obj:`'row'`, as in
            :class:`~torch_geometric.transforms.GDC`. (default: :obj:`'sym'`)
        normalization_out (str, optional): The same for the result; not at
            all if :obj:`None`. (default: :obj:`'col'`)
        self_loop_weight (float, optional): The weight of a loop that each
            node gets beforehand; none if :obj:`None`. (default: :obj:`1.0`)
        loop (bool, optional): Whether a node is joined to itself, which
            counts among its :obj:`k`. (default: :obj:`True`)
        seed (int, optional): Seed of the walks, which no other method draws;
            from PyTorch's generator if :obj:`None`. (default: :obj:`None`)
        progress (bool, optional): If set to :obj:`True`, shows a progress
            bar. (default: :obj:`False`)

    Raises:
        ValueError: On unknown names, on :obj:`exact` walks, on an option of
            another method that is not at its default, on a
            :obj:`self_loop_weight` that is negative or not finite, on
            :obj:`normalization_in='row'` with a directed graph unless
            :obj:`exact`, and as in the functions named above.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)`, weights
          :math:`(|\mathcal{E}|)` *(optional)*
        - **output:** edge indices :math:`(2, E)`, sorted; weights
          :math:`(E)`
    """
    check_name('method', method, METHODS)
    if exact and method == 'walk':
        raise ValueError("exact=True needs method 'ppr' or 'heat'")
    _check_options(
        method,
        alpha=alpha,
        t=t,
        eps=eps,
        walk_length=walk_length,
        num_walks=num_walks,
        restart=restart,
        measure=measure,
    )
    check_name('normalization_in', normalization_in, NORMALIZATIONS)
    if normalization_out is not None:
        check_name('normalization_out', normalization_out, NORMALIZATIONS)
    edge_index, edge_weight, num_nodes = check_edges(
        edge_index, edge_weight, num_nodes
    )
    dtype = value_type(edge_weight)
    if edge_weight is None:
        edge_weight = torch.ones_like(edge_index[0], dtype=dtype)
    if dtype.itemsize < 4:
        edge_weight = edge_weight.float()
    if self_loop_weight is not None and not (
        0 <= check_real('self_loop_weight', self_loop_weight) < math.inf
    ):
        raise ValueError(
            f'self_loop_weight must be finite and not negative (got '
            f'{self_loop_weight})'
        )
    if self_loop_weight:
        edge_index, edge_weight = add_self_loops(
            edge_index, edge_weight, float(self_loop_weight), num_nodes
        )
    one_way = normalization_in == 'row' and not exact
    if one_way and not is_undirected(edge_index, edge_weight, num_nodes):
        raise ValueError(
            "normalization_in='row' needs an undirected graph, or exact=True "
            "(got a directed one); 'col' and 'sym' take any graph"
        )
    graph = (edge_index.flip(0), edge_weight, num_nodes)
    rule = Sparsification(k, threshold, avg_degree, loop, normalization_in)
    if exact:
        result = _exact(graph, rule, method, alpha, t, progress)
    elif method == 'ppr':
        result = ppr(graph, None, rule, alpha, eps, progress)
    elif method == 'heat':
        result = heat_kernel(graph, None, rule, t, eps, progress)
    else:
        walks = (walk_length, num_walks, restart, measure, seed)
        result = monte_carlo(graph, None, rule, *walks, progress)
    edge_index, weight = result[0].flip(0), result[1]
    if symmetric:
        edge_index = torch.cat([edge_index, edge_index.flip(0)], dim=1)
        weight = torch.cat([weight, weight]) / 2
    edge_index, weight = coalesce(edge_index, weight, num_nodes)
    edge_index, weight = GDC().transition_matrix(
        edge_index, weight, num_nodes, normalization_out
    )
    return edge_index, weight.to(dtype)


def _check_options(method: str, **options: Any) -> None:
    """Raises a ValueError if an option is set that is not read."""
    for name, value in options.items():
        read = name in OPTIONS[method]
        if not read and value != similarity_graph.__kwdefaults__[name]:
            raise ValueError(
                f'{name} has no effect with method={method!r} (got '
                f'{name}={value!r})'
            )


def _exact(
    graph: tuple[Tensor, Tensor, int],
    rule: Sparsification,
    method: str,
    alpha: float,
    t: float,
    progress: bool,
) -> tuple[Tensor, Tensor]:
    from pyg_ext.utils.diffusion_kernels import dense_rows

    edge_index, edge_weight, num_nodes = graph
    how = {'alpha': alpha} if method == 'ppr' else {'t': t}
    matrix = diffusion_matrix(
        edge_index.flip(0), edge_weight, num_nodes, rule.normalization, **how
    )
    rest = (matrix.t().contiguous().cpu().numpy(),)
    plain = replace(rule, normalization='col')  # the matrix is normalized
    transition = TransitionMatrix.from_edges(*graph)
    return run_diffusion(dense_rows, rest, transition, None, plain, progress)
