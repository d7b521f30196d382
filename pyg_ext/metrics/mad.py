import torch
from torch import Tensor
from torch_geometric.typing import Adj
from torch_geometric.utils import scatter

from pyg_ext.metrics.blocks import (
    estimate,
    means_and_variances,
    rows_at_a_time,
    scaled_rows,
    squared_differences,
    unit_scale,
)
from pyg_ext.metrics.components import components
from pyg_ext.metrics.graphs import Graphs
from pyg_ext.metrics.per_graph import per_graph
from pyg_ext.metrics.shared import shared
from pyg_ext.utils import CSRTensor
from pyg_ext.utils.checks import check_count


@shared
def _cosine_distances(x: Tensor, edge_index: Tensor) -> Tensor:
    x, scale = unit_scale(x)
    return squared_differences(x, edge_index, scale) / 2


@per_graph
def mad(x: Tensor, edge_index: Adj | None = None, *, graphs: Graphs) -> Tensor:
    r"""The mean average distance of `"Measuring and Relieving the
    Over-smoothing Problem for Graph Neural Networks from the Topological
    View" <https://arxiv.org/abs/1909.03211>`_: the mean over nodes of the
    mean cosine distance to their neighbors, or to all other nodes,

    .. math::
        \frac{1}{|\mathcal{V}|} \sum_i \frac{1}{|\mathcal{N}(i)|}
        \sum_{j \in \mathcal{N}(i)} \left( 1 - \frac{\mathbf{x}_i^{\top}
        \mathbf{x}_j}{{\| \mathbf{x}_i \|} {\| \mathbf{x}_j \|}} \right).

    It does not see the size of features: with one channel of positive values
    it is zero whatever they are. Nodes without neighbors do not count. Pairs
    at distance zero do; the paper's code leaves out those whose distance is
    zero in floating-point numbers. A node of zeros has distance zero from
    another one, and a half from others.

    Args:
        x (torch.Tensor): The node features.
        edge_index (torch.Tensor or SparseTensor, optional): The edges, of
            which :obj:`edge_index[0]` are the neighbors; all pairs of nodes
            if :obj:`None`. (default: :obj:`None`)
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, edge indices
          :math:`(2, |\mathcal{E}|)` or a sparse adjacency
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, 2]`, and NaN where no node has
          a neighbor
    """
    if edge_index is None:
        count = graphs.sizes
        _, variance = means_and_variances(*unit_scale(x), graphs.index, count)
        return variance * count / (count - 1)
    distance = _cosine_distances(x, edge_index)
    mean = scatter(distance, edge_index[1], 0, len(x), 'mean')
    has_any = torch.zeros_like(mean).index_fill_(0, edge_index[1], 1.0)
    return graphs.sum(mean) / graphs.sum(has_any)


@per_graph
def mad_rusch(x: Tensor, edge_index: Adj, *, graphs: Graphs) -> Tensor:
    r"""What `"A Survey on Oversmoothing in Graph Neural Networks"
    <https://arxiv.org/abs/2303.10993>`_ calls mean average distance, another
    number than :func:`mad`: the sum, and not the mean, over the neighbors,

    .. math::
        \frac{1}{|\mathcal{V}|} \sum_i \sum_{j \in \mathcal{N}(i)} \left( 1 -
        \frac{\mathbf{x}_i^{\top} \mathbf{x}_j}{{\| \mathbf{x}_i \|}
        {\| \mathbf{x}_j \|}} \right),

    so that it grows with the mean degree. It is as blind to the size of
    features, which is why the survey does not count it among node
    similarity measures.

    Args:
        x (torch.Tensor): The node features.
        edge_index (torch.Tensor or SparseTensor): The edges.
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, edge indices
          :math:`(2, |\mathcal{E}|)` or a sparse adjacency
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; from 0 to twice the mean degree
    """
    distance = _cosine_distances(x, edge_index)
    return graphs.sum(distance, edge_index[1]) / graphs.sizes


@per_graph
def mad_gap(
    x: Tensor,
    edge_index: Adj,
    neighbor_hops: int = 3,
    remote_hops: int = 8,
    num_samples: int | None = None,
    generator: torch.Generator | None = None,
    return_std_error: bool = False,
    *,
    graphs: Graphs,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""The MADGap of `"Measuring and Relieving the Over-smoothing Problem for
    Graph Neural Networks from the Topological View"
    <https://arxiv.org/abs/1909.03211>`_: the mean cosine distance to remote
    nodes minus that to near ones, the mean over all nodes that have both,

    .. math::
        \mathrm{MAD}^{\mathrm{rmt}} - \mathrm{MAD}^{\mathrm{neb}}.

    Near are nodes within :obj:`neighbor_hops` edges, remote those of the same
    component that are at least :obj:`remote_hops` away. Where it is positive,
    features tell more than noise. It does not see whether near nodes have the
    same label. Cosine distances are those of :func:`mad`.

    Args:
        x (torch.Tensor): The node features.
        edge_index (torch.Tensor or SparseTensor): The edges of an undirected
            graph.
        neighbor_hops (int, optional): How far near nodes are at most.
            (default: :obj:`3`)
        remote_hops (int, optional): How far remote nodes are at least.
            (default: :obj:`8`)
        num_samples (int, optional): Takes the mean over so many random nodes,
            or over all of a graph that has no more; over all if :obj:`None`,
            in time :math:`O(|\mathcal{V}| |\mathcal{E}|)`.
            (default: :obj:`None`)
        generator (torch.Generator, optional): Where random numbers come from;
            by default PyTorch's own. (default: :obj:`None`)
        return_std_error (bool, optional): Whether to return the standard
            error of the sample as well. (default: :obj:`False`)
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Raises:
        ValueError: If near nodes would be remote, or on less than two
            samples.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, edge indices
          :math:`(2, |\mathcal{E}|)` or a sparse adjacency
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[-2, 2]`, and NaN where no node has
          both
    """
    check_count('neighbor_hops', neighbor_hops, 1)
    check_count('remote_hops', remote_hops, 1)
    if neighbor_hops >= remote_hops:
        raise ValueError(
            f'remote_hops must be above neighbor_hops (got {remote_hops} and '
            f'{neighbor_hops})'
        )

    def gap(
        x: Tensor, scale: Tensor, component: Tensor, edge_index: Tensor
    ) -> tuple[Tensor, Tensor]:
        size = len(x)
        ones = torch.ones_like(edge_index[0], dtype=torch.float)
        step = CSRTensor.from_coo(edge_index, ones, (size, size))
        nodes = _sample(size, num_samples, generator).to(x.device)
        gaps = [
            _gaps(x, scale, component, part, step, neighbor_hops, remote_hops)
            for part in nodes.split(2 * rows_at_a_time(size))
        ]
        return estimate(torch.cat(gaps), len(nodes) / size)

    x, scale = unit_scale(x)
    component = components(edge_index, len(x))
    return graphs.map(gap, x, scale, component, graphs.edges(edge_index))


def _sample(
    size: int, num_samples: int | None, generator: torch.Generator | None
) -> Tensor:
    """So many nodes without replacement, or all of them."""
    if num_samples is None:
        return torch.arange(size)
    check_count('num_samples', num_samples, 2)
    return torch.randperm(size, generator=generator)[:num_samples]


def _gaps(
    x: Tensor,
    scale: Tensor,
    component: Tensor,
    part: Tensor,
    step: CSRTensor,
    neighbor_hops: int,
    remote_hops: int,
) -> Tensor:
    """The gap of each of some nodes that has nodes on both sides."""
    seen = torch.zeros(len(x), len(part), device=x.device)  # [N, B]
    column = torch.arange(len(part), device=x.device)
    seen[part, column] = 1.0
    near, total = None, len(part)
    for hop in range(1, remote_hops):
        seen = (seen + step @ seen).clamp_(max=1.0)
        if hop == neighbor_hops:
            near = seen.bool()
        before, total = total, seen.sum(dtype=torch.double).item()
        if total == before:  # whatever can be reached is
            break
    near = seen.bool() if near is None else near
    near[part, column] = False
    same = component.view(-1, 1) == component[part]
    remote = same & (seen == 0.0)
    both = near.any(dim=0) & remote.any(dim=0)
    far, close = (
        _mean_distance(x, scale, part[both], mask[:, both])
        for mask in (remote, near)
    )
    return far - close


def _mean_distance(
    x: Tensor, scale: Tensor, part: Tensor, mask: Tensor
) -> Tensor:
    """The mean cosine distance of some nodes to those in their column."""
    mine = x[part].double() * scale[part].view(-1, 1)  # [B, F]
    total, lengths = torch.zeros_like(mine), torch.zeros_like(mine[:, 0])
    for block, unit in scaled_rows(x, scale):
        some = mask[block].t().double()
        total += some @ unit
        lengths += some @ unit.square().sum(dim=-1)
    count = mask.sum(dim=0)
    both = (lengths + count * mine.square().sum(dim=-1)) / 2
    return (both - (total * mine).sum(dim=-1)) / count
