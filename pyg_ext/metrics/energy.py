from torch import Tensor
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.metrics.blocks import (
    augmented_degree,
    in_range,
    row_norms,
    squared_differences,
)
from pyg_ext.metrics.graphs import Graphs
from pyg_ext.metrics.per_graph import per_graph
from pyg_ext.utils.checks import check_name


@per_graph
def dirichlet_energy(
    x: Tensor,
    edge_index: Adj,
    edge_weight: OptTensor = None,
    normalization: str | None = None,
    *,
    graphs: Graphs,
) -> Tensor:
    r"""The Dirichlet energy of node features: how much they differ along the
    edges.

    * :obj:`normalization=None`, of `"A Survey on Oversmoothing in Graph
      Neural Networks" <https://arxiv.org/abs/2303.10993>`_:

      .. math::
          \frac{1}{|\mathcal{V}|} \sum_{(j, i) \in \mathcal{E}} w_{ji} \,
          {\| \mathbf{x}_i - \mathbf{x}_j \|}_2^2

      (the survey's own plots show its square root). It is zero exactly where
      the features are constant in each component, and it has no upper bound:
      features that shrink have less energy, whether or not they get alike.
    * :obj:`normalization='sym'`, of `"A Note on Over-Smoothing for Graph
      Neural Networks" <https://arxiv.org/abs/2006.13318>`_:

      .. math::
          \frac{1}{2} \sum_{(j, i) \in \mathcal{E}} w_{ji} \, {\left\|
          \frac{\mathbf{x}_i}{\sqrt{1 + d_i}} -
          \frac{\mathbf{x}_j}{\sqrt{1 + d_j}} \right\|}_2^2
          = \mathrm{tr}(\mathbf{X}^{\top} \mathbf{\tilde{\Delta}} \mathbf{X})

      for an undirected graph. It goes to zero under repeated convolutions,
      but features that are all the same have a positive energy, and features
      like :math:`\sqrt{1 + d_i}` have none: it measures how far they are
      from that vector, and not how much nodes differ.

    Args:
        x (torch.Tensor): The node features.
        edge_index (torch.Tensor or SparseTensor): The edges.
        edge_weight (torch.Tensor, optional): Their weights.
            (default: :obj:`None`)
        normalization (str, optional): :obj:`None` or :obj:`'sym'`.
            (default: :obj:`None`)
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Raises:
        ValueError: On an unknown normalization.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, edge indices
          :math:`(2, |\mathcal{E}|)` or a sparse adjacency, weights
          :math:`(|\mathcal{E}|)` *(optional)*
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, \infty)`
    """
    check_name('normalization', normalization, (None, 'sym'))
    x, scale = in_range(x, graphs=graphs)
    energy = _energy(x, edge_index, edge_weight, normalization, graphs)
    return energy * scale * scale


@per_graph
def rayleigh_quotient(
    x: Tensor,
    edge_index: Adj,
    edge_weight: OptTensor = None,
    *,
    graphs: Graphs,
) -> Tensor:
    r"""The Rayleigh quotient of the normalized Laplacian with self-loops,

    .. math::
        \frac{\mathrm{tr}(\mathbf{X}^{\top} \mathbf{\tilde{\Delta}}
        \mathbf{X})}{{\| \mathbf{X} \|}_F^2},

    as in `"Rank Collapse Causes Over-Smoothing and Over-Correlation in Graph
    Neural Networks" <https://arxiv.org/abs/2308.16800>`_: the energy of
    :func:`dirichlet_energy` with :obj:`normalization='sym'` freed of the size
    of the features. Like that one it is zero for features like
    :math:`\sqrt{1 + d_i}`, and not for constant ones.

    Args:
        x (torch.Tensor): The node features.
        edge_index (torch.Tensor or SparseTensor): The edges of an undirected
            graph.
        edge_weight (torch.Tensor, optional): Their weights.
            (default: :obj:`None`)
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Shapes:
        - **input:** as those of :func:`dirichlet_energy`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, 2)`, and NaN where all features
          are zero
    """
    x, _ = in_range(x, graphs=graphs)
    energy = _energy(x, edge_index, edge_weight, 'sym', graphs)
    return energy / graphs.sum(row_norms(x).square())


def _energy(
    x: Tensor,
    edge_index: Tensor,
    edge_weight: OptTensor,
    normalization: str | None,
    graphs: Graphs,
) -> Tensor:
    scale, count = None, graphs.sizes
    if normalization == 'sym':
        scale = augmented_degree(edge_index, edge_weight, len(x)).rsqrt()
        count = 2.0
    squared = squared_differences(x, edge_index, scale)
    if edge_weight is not None:
        squared = squared * edge_weight
    return graphs.sum(squared, edge_index[1]) / count
