import numpy as np
import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.metrics.components import components
from pyg_ext.metrics.laplacian import adjacency, factorize
from pyg_ext.utils import edge_list
from pyg_ext.utils.checks import check_undirected

DENSE = 64  # nodes up to which all eigenvalues are computed
SHIFT = 1e-6  # below zero, where the matrix can be inverted


def spectral_gap(
    edge_index: Adj,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
) -> Tensor:
    r"""The spectral gap: the second smallest eigenvalue :math:`\lambda_2` of
    the normalized Laplacian :math:`\mathbf{I} - \mathbf{D}^{-1/2} \mathbf{A}
    \mathbf{D}^{-1/2}`. It is zero where the graph is in several components,
    an isolated node being one, and small where it has a bottleneck; see
    :func:`cheeger_bounds`. Messages mix the faster, and features get alike
    the faster, the larger it is.

    A Lanczos method on sparse factors from a start vector that is always the
    same (:func:`scipy.sparse.linalg.eigsh` about a point below zero), at the
    cost of a few solves of :func:`effective_resistance`.

    Args:
        edge_index (torch.Tensor or SparseTensor): The edges of an undirected
            graph, each both ways; loops and repeated ones add up.
        edge_weight (torch.Tensor, optional): Their weights; an edge of weight
            zero is none. (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)

    Raises:
        ValueError: If an edge goes one way only, or has another weight back.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)` or a sparse
          adjacency, weights :math:`(|\mathcal{E}|)` *(optional)*
        - **output:** float64, a scalar in :math:`[0, 2]`; NaN of less than
          two nodes
    """
    edges, weight, size = edge_list(edge_index, edge_weight, num_nodes)
    check_undirected(edges, weight, size)
    gap = torch.zeros((), dtype=torch.double, device=edges.device)
    if size < 2:
        return gap + torch.nan
    if weight is not None:
        edges, weight = edges[:, weight > 0.0], weight[weight > 0.0]
    if components(edges, size).max() > 0:
        return gap
    return gap + _second(edges, weight, size)


def cheeger_bounds(
    edge_index: Adj,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
) -> Tensor:
    r"""What the :func:`spectral_gap` says of the Cheeger constant of a graph,

    .. math::
        \frac{\lambda_2}{2} \le h(\mathcal{G}) = \min_{\mathcal{S}}
        \frac{\mathrm{cut}(\mathcal{S}, \mathcal{V} \setminus \mathcal{S})}
        {\min(\mathrm{vol}(\mathcal{S}), \mathrm{vol}(\mathcal{V} \setminus
        \mathcal{S}))} \le \sqrt{2 \lambda_2},

    the share of the edges at one side of the narrowest bottleneck that go
    through it ("Spectral Graph Theory", Chung 1997, chapter 2; as the reason
    of over-squashing in `"Understanding over-squashing and bottlenecks on
    graphs via curvature" <https://arxiv.org/abs/2111.14522>`_). The constant
    itself takes exponential time.

    Args:
        edge_index (torch.Tensor or SparseTensor): As in
            :func:`spectral_gap`.
        edge_weight (torch.Tensor, optional): As there.
            (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)

    Raises:
        ValueError: As there.

    Shapes:
        - **input:** as those of :func:`spectral_gap`
        - **output:** float64, the lower and the upper bound, :math:`(2)`; NaN
          of less than two nodes
    """
    gap = spectral_gap(edge_index, edge_weight, num_nodes)
    return torch.stack([gap / 2.0, (2.0 * gap).sqrt()])


def _second(edges: Tensor, weight: OptTensor, size: int) -> float:
    """The second smallest eigenvalue of a connected graph."""
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import LinearOperator, eigsh

    adj = adjacency(edges, weight, size)
    scale = diags_array(1.0 / np.sqrt(adj.sum(axis=1)))
    one = diags_array(np.ones(size))
    matrix = one - scale @ adj @ scale
    if size <= DENSE:
        return max(np.linalg.eigvalsh(matrix.toarray())[1], 0.0)
    factor = factorize(matrix + SHIFT * one)
    values = eigsh(
        matrix,
        k=2,
        sigma=-SHIFT,
        v0=np.random.default_rng(0).standard_normal(size),
        OPinv=LinearOperator((size, size), factor.solve),
        return_eigenvectors=False,
    )
    return max(values.max(), 0.0)
