import torch
from torch import Tensor
from torch_geometric.typing import Adj

from pyg_ext.metrics.laplacian import to_tensor
from pyg_ext.utils import edge_list
from pyg_ext.utils.checks import check_undirected
from pyg_ext.utils.curvature import balanced_forman
from pyg_ext.utils.simple_graph import SimpleGraph


def balanced_forman_curvature(
    edge_index: Adj, num_nodes: int | None = None
) -> Tensor:
    r"""The balanced Forman curvature of each edge, of `"Understanding
    over-squashing and bottlenecks on graphs via curvature"
    <https://arxiv.org/abs/2111.14522>`_ (Definition 1). It is zero where
    :math:`\min(d_i, d_j) = 1`, and else

    .. math::
        \mathrm{Ric}(i, j) = \frac{2}{d_i} + \frac{2}{d_j} - 2 +
        2 \frac{|\sharp_{\Delta}|}{\max(d_i, d_j)} +
        \frac{|\sharp_{\Delta}|}{\min(d_i, d_j)} +
        \frac{|\sharp_{\square}^i| + |\sharp_{\square}^j|}{\gamma_{\max}
        \max(d_i, d_j)},

    where :math:`\sharp_{\Delta}` are the common neighbors,
    :math:`\sharp_{\square}^i` the other neighbors :math:`k` of :math:`i` on a
    cycle :math:`i, k, w, j` of four without a diagonal inside, and
    :math:`\gamma_{\max}` the most such :math:`w` of a single :math:`k` of
    either end; the last term is zero without such cycles. It is more than
    -2. Edges of very negative curvature are bottlenecks: few paths lead
    around them, and what comes from many nodes goes through.

    It sees paths of three edges at most, and not whether anything must come
    from the other side.

    The cost is the sum over edges of the degrees of the neighbors of both
    ends.

    Args:
        edge_index (torch.Tensor or SparseTensor): The edges of an undirected
            graph, each both ways. Loops and repetitions do not count.
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)

    Raises:
        ValueError: If an edge goes one way only.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)` or a sparse
          adjacency
        - **output:** float64, a value for each edge in their order,
          :math:`(|\mathcal{E}|)`; NaN of a loop
    """
    edges, _, size = edge_list(edge_index, None, num_nodes)
    check_undirected(edges.unique(dim=1), None, size)
    first, second = edges.cpu().numpy()
    curvature = balanced_forman(SimpleGraph(edges, size), first, second)
    out = to_tensor(curvature, edges.device)
    return torch.where(edges[0] == edges[1], torch.nan, out)
