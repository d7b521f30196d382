import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import scatter

from pyg_ext.metrics.blocks import (
    augmented_degree,
    in_range,
    row_norms,
    rows_at_a_time,
)
from pyg_ext.metrics.components import components
from pyg_ext.metrics.graphs import Graphs
from pyg_ext.metrics.per_graph import per_graph
from pyg_ext.utils.checks import check_name


@per_graph
def smooth_distance(
    x: Tensor,
    edge_index: Adj,
    edge_weight: OptTensor = None,
    normalization: str | None = 'sym',
    relative: bool = False,
    *,
    graphs: Graphs,
) -> Tensor:
    r"""The distance :math:`{\| \mathbf{X} - \mathbf{P} \mathbf{X} \|}_F` of
    node features to the subspace that repeated convolutions end in, of
    `"Graph Neural Networks Exponentially Lose Expressive Power for Node
    Classification" <https://arxiv.org/abs/1905.10947>`_.

    With :obj:`normalization='sym'` this holds multiples of :math:`\sqrt{1 +
    d_i}` in each component, where the convolution of a GCN ends; with
    :obj:`None` constants in each component, where one ends that takes means
    (for a connected graph, the measure of `"Demystifying Oversmoothing in
    Attention-Based Graph Neural Networks"
    <https://arxiv.org/abs/2305.16102>`_).

    It is tied to that operator: features may be far from one subspace and
    lie in the other. It falls with the size of features unless
    :obj:`relative`.

    Args:
        x (torch.Tensor): The node features.
        edge_index (torch.Tensor or SparseTensor): The edges of an undirected
            graph.
        edge_weight (torch.Tensor, optional): Their weights.
            (default: :obj:`None`)
        normalization (str, optional): :obj:`'sym'` or :obj:`None`.
            (default: :obj:`'sym'`)
        relative (bool, optional): If set to :obj:`True`, divides by
            :math:`{\| \mathbf{X} \|}_F`. (default: :obj:`False`)
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
          :obj:`batch`; in :math:`[0, \infty)`, or :math:`[0, 1]` if relative
    """
    check_name('normalization', normalization, (None, 'sym'))
    x, scale = in_range(x, graphs=graphs)
    size = len(x)
    joined = edge_index
    if edge_weight is not None:
        joined = edge_index[:, edge_weight > 0]
    label = components(joined, size)
    direction = torch.ones(size, dtype=torch.double, device=x.device)
    if normalization == 'sym':
        direction = augmented_degree(edge_index, edge_weight, size).sqrt()
    length = scatter(direction.square(), label, 0).sqrt()
    direction = (direction / length[label]).view(-1, 1)  # [N, 1]
    outside = x.new_zeros(size, dtype=torch.double)
    for some in x.split(rows_at_a_time(size), dim=1):  # columns
        part = some.double()
        inside = scatter(direction * part, label, 0)
        apart = (part - direction * inside[label]).square_()
        outside = outside + apart.sum(dim=-1)
    distance = graphs.sum(outside).sqrt()
    if relative:
        return distance / graphs.sum(row_norms(x).square()).sqrt()
    return distance * scale
