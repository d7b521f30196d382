import numpy as np
import torch
from torch_geometric.data.datapipes import functional_transform

from pyg_ext.transforms.rewiring import Rewiring
from pyg_ext.utils.checks import check_count
from pyg_ext.utils.random_walk import draw_seed
from pyg_ext.utils.simple_graph import SimpleGraph


@functional_transform('fosr')
class FoSR(Rewiring):
    r"""Adds edges that widen the spectral gap, by the first-order spectral
    rewiring of the `"FoSR: First-order spectral rewiring for addressing
    oversquashing in GNNs" <https://arxiv.org/abs/2210.11790>`_ paper
    (functional name: :obj:`fosr`).

    Each iteration adds the edge :math:`i \sim j` for which

    .. math::
        \frac{x_i x_j}{\sqrt{(1 + d_i)(1 + d_j)}}

    is least, the change of the :func:`~pyg_ext.metrics.spectral_gap` to first
    order, and then does a power iteration for :math:`\mathbf{x}`, the second
    eigenvector of :math:`\mathbf{D}^{-1/2} \mathbf{A} \mathbf{D}^{-1/2}`,

    .. math::
        \mathbf{x} \leftarrow \mathbf{D}^{-1/2} \mathbf{A} \mathbf{D}^{-1/2}
        \left( \mathbf{x} - \frac{\langle \mathbf{x}, \sqrt{\mathbf{d}}
        \rangle}{\sum_i d_i} \sqrt{\mathbf{d}} \right), \qquad \mathbf{x}
        \leftarrow \frac{\mathbf{x}}{{\| \mathbf{x} \|}_2}.

    It joins components of a graph as well, but isolated nodes last, whose
    entry of :math:`\mathbf{x}` is zero. It ends early where all nodes are
    joined.

    The paper hands new edges to a relational network, as a type of their own;
    they are the last ones of :obj:`data.edge_index`. What is kept of edges
    and their attributes is as in :class:`SDRF`. Each graph of a
    :class:`~torch_geometric.data.Batch`, or of a vector :obj:`data.batch`, is
    treated by itself.

    An iteration takes :math:`O(|\mathcal{V}| \log |\mathcal{V}| +
    |\mathcal{E}|)`.

    Args:
        num_iterations (int, optional): The number of edges to add.
            (default: :obj:`50`)
        num_power_iterations (int, optional): The number of power iterations
            ahead of the first edge. (default: :obj:`5`)
        seed (int, optional): Seed of the first :math:`\mathbf{x}`; drawn from
            PyTorch's own random numbers if :obj:`None`.
            (default: :obj:`None`)

    Raises:
        ValueError: On a number of iterations below zero, and as in
            :class:`SDRF`.
    """

    def __init__(
        self,
        num_iterations: int = 50,
        num_power_iterations: int = 5,
        seed: int | None = None,
    ):
        check_count('num_iterations', num_iterations, 0)
        check_count('num_power_iterations', num_power_iterations, 0)
        if seed is not None:
            draw_seed(seed)  # checks
        self.num_iterations = num_iterations
        self.num_power_iterations = num_power_iterations
        self.seed = seed

    def rewire(self, graph: SimpleGraph, generator: torch.Generator) -> None:
        from pyg_ext.utils import fosr_kernel  # slow to load

        size = len(graph.degree)
        draw = torch.randn(size, generator=generator, dtype=torch.double)
        x = draw.numpy()
        for _ in range(self.num_power_iterations):
            x = _power_iteration(graph, x)
        for _ in range(self.num_iterations):
            y = x / np.sqrt(1.0 + graph.degree)
            order = y.argsort(kind='stable')
            one, other = fosr_kernel.least_product(
                graph.ptr, graph.target, order, y
            )
            if one < 0:
                return
            graph.add(one, other)
            x = _power_iteration(graph, x)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(num_iterations='
            f'{self.num_iterations}, num_power_iterations='
            f'{self.num_power_iterations})'
        )


def _power_iteration(graph: SimpleGraph, x: np.ndarray) -> np.ndarray:
    root = np.sqrt(graph.degree)
    total = max(graph.degree.sum(), 1)
    scaled = x - (x @ root) / total * root
    scaled = np.divide(scaled, root, out=np.zeros_like(x), where=root > 0.0)
    sums = np.bincount(graph.source, scaled[graph.target], len(x))
    out = np.divide(sums, root, out=np.zeros_like(x), where=root > 0.0)
    length = np.linalg.norm(out)
    return out / length if length > 0.0 else out
