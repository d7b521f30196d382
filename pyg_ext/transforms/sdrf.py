import numpy as np
import torch
from torch_geometric.data.datapipes import functional_transform

from pyg_ext.transforms.rewiring import Rewiring
from pyg_ext.utils.checks import check_count, check_real
from pyg_ext.utils.curvature import balanced_forman
from pyg_ext.utils.random_walk import draw_seed
from pyg_ext.utils.simple_graph import SimpleGraph


@functional_transform('sdrf')
class SDRF(Rewiring):
    r"""Rewires bottlenecks by the stochastic discrete Ricci flow of
    `"Understanding over-squashing and bottlenecks on graphs via curvature"
    <https://arxiv.org/abs/2111.14522>`_ (functional name: :obj:`sdrf`).

    Each iteration takes the edge :math:`i \sim j` of the least
    :func:`~pyg_ext.metrics.balanced_forman_curvature` and adds an edge
    :math:`k \sim l` between neighbors of its ends, or these themselves, that
    are not joined yet, drawn with probability

    .. math::
        \mathrm{softmax}_{kl} \left( \tau \left( \mathrm{Ric}_{\mathcal{G} +
        kl}(i, j) - \mathrm{Ric}_{\mathcal{G}}(i, j) \right) \right).

    It then removes the edge of the largest curvature, if that is above
    :obj:`removal_bound`. It ends early where there is nothing to add nor to
    remove. Of edges of one curvature, the first by its nodes counts.

    Edges keep their order, with new ones behind them, both ways. Weights
    (:obj:`data.edge_weight`, or :obj:`data.edge_attr` where only that is
    there, has one dimension and fractions) have no part in it, and are 1 for
    a new edge; all other attributes of edges are kept as in
    :class:`AddRandomWalkEdges`, with zeros for a new one. Loops stay and
    count nowhere. Each graph of a :class:`~torch_geometric.data.Batch`, or
    of a vector :obj:`data.batch`, is treated by itself.

    Curvatures are computed again where an edge changed them only. An
    iteration takes the product of the degrees of both ends, times what one
    curvature costs.

    Args:
        num_iterations (int, optional): The most edges to add, and to remove;
            the paper tunes it for each dataset, up to about the number of
            edges. (default: :obj:`10`)
        tau (float, optional): The inverse temperature :math:`\tau`;
            :obj:`math.inf` takes the best edge. (default: :obj:`1.0`)
        removal_bound (float, optional): The curvature above which an edge is
            removed, :math:`C^{+}`; none is if :obj:`None`.
            (default: :obj:`0.5`)
        seed (int, optional): Seed of the random numbers; drawn from PyTorch's
            own if :obj:`None`. (default: :obj:`None`)

    Raises:
        ValueError: On :obj:`num_iterations` below zero, :obj:`tau` not above
            zero, a :obj:`removal_bound` that is no number, a seed that is
            none, on data of several types of nodes, without
            :obj:`edge_index` or with a sparse adjacency beside it, on edges
            that go one way only, on a batch that was changed after its graphs
            were joined, and on attributes of edges that new edges cannot get.
    """

    def __init__(
        self,
        num_iterations: int = 10,
        tau: float = 1.0,
        removal_bound: float | None = 0.5,
        seed: int | None = None,
    ):
        check_count('num_iterations', num_iterations, 0)
        if not check_real('tau', tau) > 0.0:
            raise ValueError(f'tau must be above zero (got {tau})')
        if removal_bound is not None:
            bound = check_real('removal_bound', removal_bound)
            if np.isnan(bound):
                raise ValueError('removal_bound must be a number (got nan)')
        if seed is not None:
            draw_seed(seed)  # checks
        self.num_iterations = num_iterations
        self.tau = tau
        self.removal_bound = removal_bound
        self.seed = seed

    def rewire(self, graph: SimpleGraph, generator: torch.Generator) -> None:
        curvature = balanced_forman(graph, graph.source, graph.target)
        for _ in range(self.num_iterations):
            if len(curvature) == 0:
                return
            change = False
            new = self._draw(graph, curvature, generator)
            if new is not None:
                places = graph.add(*new)
                curvature = np.insert(curvature, places, 0.0)
                _update(graph, curvature, _near(graph, *new))
                change = True
            at = curvature.argmax()
            bound = self.removal_bound
            if bound is not None and curvature[at] > bound:
                old = graph.source[at], graph.target[at]
                near = _near(graph, *old)
                curvature = np.delete(curvature, graph.remove(*old))
                _update(graph, curvature, near)
                change = True
            if not change:
                return

    def _draw(
        self,
        graph: SimpleGraph,
        curvature: np.ndarray,
        generator: torch.Generator,
    ) -> tuple[int, int] | None:
        """The edge to add around the one of the least curvature."""
        at = curvature.argmin()
        i, j = graph.source[at], graph.target[at]
        size = len(graph.degree)
        k, l = np.meshgrid(  # noqa: E741
            np.append(graph.neighbors(i), i),
            np.append(graph.neighbors(j), j),
            indexing='ij',
        )
        keys = graph.source * size + graph.target
        free = (k != l) & ~np.isin(k * size + l, keys)
        k, l = k[free], l[free]  # noqa: E741
        if len(k) == 0:
            return None
        ends = (np.full(len(k), v) for v in (i, j))
        gain = balanced_forman(graph, *ends, k, l) - curvature[at]
        if np.isinf(self.tau):
            drawn = gain.argmax()
        else:
            share = torch.from_numpy(self.tau * gain).softmax(0)
            drawn = int(share.multinomial(1, generator=generator))
        return int(k[drawn]), int(l[drawn])

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(num_iterations='
            f'{self.num_iterations}, tau={self.tau}, '
            f'removal_bound={self.removal_bound})'
        )


def _near(graph: SimpleGraph, one: int, other: int) -> np.ndarray:
    """The nodes between which an edge of these two has a part in curvatures:
    they and their neighbors, ``[N]``.
    """
    near = np.zeros(len(graph.degree), dtype=bool)
    for node in (one, other):
        near[node] = True
        near[graph.neighbors(node)] = True
    return near


def _update(
    graph: SimpleGraph, curvature: np.ndarray, near: np.ndarray
) -> None:
    """Computes the curvature of edges between such nodes again."""
    places = np.flatnonzero(near[graph.source] & near[graph.target])
    curvature[places] = balanced_forman(
        graph, graph.source[places], graph.target[places]
    )
