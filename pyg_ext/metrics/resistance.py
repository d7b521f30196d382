import numpy as np
import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import scatter

from pyg_ext.metrics.laplacian import GroundedLaplacian, to_tensor
from pyg_ext.utils import edge_list
from pyg_ext.utils.checks import check_index, check_undirected


def effective_resistance(
    edge_index: Adj,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    pairs: OptTensor = None,
) -> Tensor:
    r"""The effective resistance of pairs of nodes: the voltage between them
    where a unit of current flows from one to the other, and the weight of an
    edge is its conductance,

    .. math::
        R_{uv} = {(\mathbf{e}_u - \mathbf{e}_v)}^{\top} \mathbf{L}^{+}
        (\mathbf{e}_u - \mathbf{e}_v), \qquad \mathbf{L} = \mathbf{D} -
        \mathbf{A}.

    As `"On Over-Squashing in Message Passing Neural Networks: The Impact of
    Width, Depth, and Topology" <https://arxiv.org/abs/2302.02941>`_ and
    `"Understanding Oversquashing in GNNs through the Lens of Effective
    Resistance" <https://arxiv.org/abs/2302.06835>`_ show, it bounds how
    little of a node's features arrives at the other. It is at most the
    length of a shortest path, less with each further path, and a distance.

    It is of the graph alone, and does not see what a network computes.

    The Laplacian is factorized once (sparse LU in an order of minimum
    degree) and solved for each node that is in a pair: for all edges of
    PubMed (20 000 nodes) in about a minute, nearly all of it for solves. It
    takes much more where a graph has no small separators, as the factors
    fill up.

    Args:
        edge_index (torch.Tensor or SparseTensor): The edges of an undirected
            graph, each both ways. Repeated edges are parallel; loops do not
            count.
        edge_weight (torch.Tensor, optional): Their weights; an edge of weight
            zero is none. (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        pairs (torch.Tensor, optional): The pairs of nodes, by default the
            edges. (default: :obj:`None`)

    Raises:
        ValueError: If an edge goes one way only, or has another weight back,
            or if :obj:`pairs` are none of nodes.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)` or a sparse
          adjacency, weights :math:`(|\mathcal{E}|)` *(optional)*, pairs
          :math:`(2, P)` *(optional)*
        - **output:** float64, :math:`(P)`; zero of a node and itself,
          infinite between components
    """
    edges, weight, size = _undirected(edge_index, edge_weight, num_nodes)
    pairs = edges if pairs is None else _check_pairs(pairs, size)
    return _of_pairs(GroundedLaplacian(edges, weight, size), pairs)


def commute_time(
    edge_index: Adj,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    pairs: OptTensor = None,
) -> Tensor:
    r"""The expected number of steps of a random walk from one node to another
    and back,

    .. math::
        C_{uv} = R_{uv} \sum_{i} d_i,

    with the :func:`effective_resistance` and the degrees of the component of
    both, in which loops count. Source of the identity: "The electrical
    resistance of a graph captures its commute and cover times" (Chandra et
    al., STOC 1989). It goes with over-squashing as `"On Over-Squashing in
    Message Passing Neural Networks: The Impact of Width, Depth, and Topology"
    <https://arxiv.org/abs/2302.02941>`_ shows. Between remote nodes of a
    large graph it tells little more than their degrees.

    Args:
        edge_index (torch.Tensor or SparseTensor): As in
            :func:`effective_resistance`.
        edge_weight (torch.Tensor, optional): As there.
            (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        pairs (torch.Tensor, optional): As there. (default: :obj:`None`)

    Raises:
        ValueError: As there.

    Shapes are those of :func:`effective_resistance`, and so is its cost.
    """
    edges, weight, size = _undirected(edge_index, edge_weight, num_nodes)
    pairs = edges if pairs is None else _check_pairs(pairs, size)
    if weight is None:
        weight = torch.ones_like(edges[0], dtype=torch.double)
    electric = GroundedLaplacian(edges, weight, size)
    label = to_tensor(electric.component, edges.device).long()
    volume = scatter(weight.detach().double(), label[edges[1]], 0, size)
    out = _of_pairs(electric, pairs)
    return torch.where(out.isinf(), out, out * volume[label[pairs[0]]])


def total_resistance(
    edge_index: Adj,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
) -> Tensor:
    r"""The total effective resistance, or Kirchhoff index,

    .. math::
        R_{\mathrm{tot}} = \sum_{u < v} R_{uv} = |\mathcal{V}| \cdot
        \mathrm{tr}(\mathbf{L}^{+}),

    of the :func:`effective_resistance` of all pairs, which `"Understanding
    Oversquashing in GNNs through the Lens of Effective Resistance"
    <https://arxiv.org/abs/2302.06835>`_ takes for the over-squashing of a
    whole graph. Each edge that is added makes it less. It grows with the
    graph: over :math:`|\mathcal{V}| (|\mathcal{V}| - 1) / 2` it is the mean.

    It takes a solve for each node: :math:`O(|\mathcal{V}|^2)` time and more,
    in memory for some columns at a time.

    Args:
        edge_index (torch.Tensor or SparseTensor): As in
            :func:`effective_resistance`.
        edge_weight (torch.Tensor, optional): As there.
            (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)

    Raises:
        ValueError: As there.

    Shapes:
        - **input:** as those of :func:`effective_resistance`
        - **output:** float64, a scalar; infinite of a graph in several
          components, and NaN without nodes
    """
    edges, weight, size = _undirected(edge_index, edge_weight, num_nodes)
    electric = GroundedLaplacian(edges, weight, size)
    total = torch.zeros((), dtype=torch.double, device=edges.device)
    if size == 0:
        return total + torch.nan
    if len(electric.kept) < size - 1:
        return total + torch.inf
    for nodes, inverse in electric.columns(electric.kept):
        diagonal = inverse[electric.place[nodes], np.arange(len(nodes))]
        total += size * diagonal.sum() - inverse.sum()
    return total


def _undirected(
    edge_index: Adj, edge_weight: OptTensor, num_nodes: int | None
) -> tuple[Tensor, OptTensor, int]:
    edges, weight, size = edge_list(edge_index, edge_weight, num_nodes)
    check_undirected(edges, weight, size)
    return edges, weight, size


def _check_pairs(pairs: Tensor, size: int) -> Tensor:
    pairs = check_index('pairs', pairs, size)
    if pairs.dim() != 2 or pairs.size(0) != 2:
        raise ValueError(
            f'pairs must be of shape [2, P] (got {list(pairs.size())})'
        )
    return pairs


def _of_pairs(electric: GroundedLaplacian, pairs: Tensor) -> Tensor:
    source, target = pairs.cpu().numpy()
    place, label = electric.place, electric.component
    ground = len(electric.kept)
    apart = label[source] != label[target]
    needed = np.unique(np.concatenate([source, target])[np.tile(~apart, 2)])
    needed = needed[place[needed] < ground]
    order = np.argsort(source, kind='stable')
    ordered = source[order]
    diagonal = np.zeros(len(place))
    both = np.zeros(len(source))
    for nodes, inverse in electric.columns(needed):
        diagonal[nodes] = inverse[place[nodes], np.arange(len(nodes))]
        bounds = np.searchsorted(ordered, (nodes[0], nodes[-1] + 1))
        mine = order[slice(*bounds)]
        mine = mine[~apart[mine] & (place[source[mine]] < ground)]
        column = np.searchsorted(nodes, source[mine])
        both[mine] = inverse[place[target[mine]], column]
    out = np.maximum(diagonal[source] + diagonal[target] - 2.0 * both, 0.0)
    out[source == target] = 0.0
    out[apart] = np.inf
    return to_tensor(out, pairs.device)
