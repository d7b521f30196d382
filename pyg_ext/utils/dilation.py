import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import remove_self_loops

from pyg_ext.utils.checks import (
    check_count,
    check_edges,
    check_name,
    check_probability,
)
from pyg_ext.utils.knn import (
    FLOWS,
    MOST,
    check_neighbors,
    nearest,
    neighbor_edges,
)


def dilate(
    index: Tensor,
    k: int,
    dilation: int = 1,
    stochastic: bool = False,
    epsilon: float = 0.2,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Keeps :obj:`k` of the nearest :math:`k \cdot d` neighbors of each
    point: every :math:`d`-th, from the `"DeepGCNs: Can GCNs Go as Deep as
    CNNs?" <https://arxiv.org/abs/1904.03751>`_ paper.

    A point with only :math:`n < k \cdot d` neighbors, as in a small graph,
    keeps every :math:`\max(1, \lfloor n / k \rfloor)`-th of those.

    Args:
        index (torch.Tensor): Neighbors of each point, nearest first, -1 for
            none, from :func:`knn_index`.
        k (int): The number of neighbors to keep.
        dilation (int, optional): The dilation :math:`d`. (default: :obj:`1`)
        stochastic (bool, optional): If set to :obj:`True`, each point takes
            :obj:`k` of its :math:`k \cdot d` nearest at random with
            probability :obj:`epsilon`, independently of the others.
            (default: :obj:`False`)
        epsilon (float, optional): That probability. (default: :obj:`0.2`)
        generator (torch.Generator, optional): Where random numbers come from;
            by default PyTorch's own. (default: :obj:`None`)

    Raises:
        ValueError: If :obj:`index` holds no neighbors, :obj:`k` or
            :obj:`dilation` is less than one, or :obj:`epsilon` no
            probability.

    Shapes:
        - **input:** neighbors :math:`(N, K)`, of which the first
          :math:`k \cdot d` count
        - **output:** neighbors :math:`(N, k)`, nearest first, -1 for none
    """
    check_dilation(k, dilation)
    check_probability('epsilon', epsilon)
    index = check_neighbors(index)
    if bool(((index[:, :-1] < 0) & (index[:, 1:] >= 0)).any()):
        raise ValueError(
            'index must hold -1 behind the neighbors of a point (got one '
            'before a neighbor)'
        )
    index = index[:, : k * dilation]
    if index.size(1) < k:
        index = torch.nn.functional.pad(
            index, (0, k - index.size(1)), value=-1
        )
    have = (index >= 0).sum(1, keepdim=True)  # [N, 1]
    step = (have // k).clamp(1, dilation)
    place = torch.arange(k, device=index.device) * step  # [N, k]
    if stochastic and dilation > 1:
        draws = torch.rand(
            (2, *index.size()), generator=generator, device=index.device
        )
        keys = draws[0].masked_fill(index < 0, 2.0)
        random = keys.argsort(1)[:, :k].sort(1).values  # [N, k]
        place = torch.where(draws[1, :, :1] < epsilon, random, place)
    found = index.gather(1, place.clamp(max=index.size(1) - 1))
    return found.masked_fill(place >= have, -1)


def check_dilation(k: int, dilation: int) -> None:
    """Raises a ValueError if one of them is less than one."""
    check_count('k', k, 1, MOST)
    check_count('dilation', dilation, 1, MOST)


def dilated_knn_graph(
    x: Tensor,
    k: int,
    dilation: int = 1,
    batch: OptTensor = None,
    loop: bool = False,
    flow: str = 'source_to_target',
    cosine: bool = False,
    stochastic: bool = False,
    epsilon: float = 0.2,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Joins each point to every :math:`d`-th of its :math:`k \cdot d`
    nearest; see :func:`dilate` and :func:`knn_graph`.

    Args:
        x (torch.Tensor): The points.
        k (int): The number of neighbors.
        dilation (int, optional): The dilation :math:`d`. (default: :obj:`1`)
        batch (torch.Tensor, optional): The graph of each point.
            (default: :obj:`None`)
        loop (bool, optional): If set to :obj:`True`, a point counts among
            its neighbors. (default: :obj:`False`)
        flow (str, optional): :obj:`'source_to_target'` or
            :obj:`'target_to_source'`. (default: :obj:`'source_to_target'`)
        cosine (bool, optional): If set to :obj:`True`, takes the cosine
            distance. (default: :obj:`False`)
        stochastic (bool, optional): As in :func:`dilate`.
            (default: :obj:`False`)
        epsilon (float, optional): As in :func:`dilate`. (default: :obj:`0.2`)
        generator (torch.Generator, optional): As in :func:`dilate`.
            (default: :obj:`None`)

    Raises:
        ValueError: On an unknown flow, and as in :func:`dilate` and
            :func:`knn_index`.

    Shapes:
        - **input:** points :math:`(N, F)`, graphs :math:`(N)` *(optional)*
        - **output:** edge indices :math:`(2, E)`
    """
    check_name('flow', flow, FLOWS)
    metric = 'cosine' if cosine else 'euclidean'
    check_dilation(k, dilation)
    most = min(k * dilation, MOST)
    near = nearest(x, x, most, batch, batch, metric, not loop).index
    k = min(k, max(near.size(1), 1))  # as many as there may be
    near = dilate(near, k, dilation, stochastic, epsilon, generator)
    return neighbor_edges(near, flow)


def walk_graph(
    edge_index: Tensor,
    length: int,
    num_nodes: int | None = None,
    loop: bool = False,
) -> Tensor:
    r"""Dilation on an ordinary graph: joins each node to those from which a
    walk of exactly :obj:`length` edges leads to it.

    The result grows fast with :obj:`length`, up to :math:`N^2` edges.

    Args:
        edge_index (torch.Tensor): Edge indices.
        length (int): The number of edges of a walk.
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        loop (bool, optional): If set to :obj:`False`, nodes to which a walk
            returns are not joined to themselves. (default: :obj:`False`)

    Raises:
        ValueError: If :obj:`length` is less than one, or on edges of another
            shape or type, or beyond the nodes.

    Shapes:
        - **input:** edge indices :math:`(2, E)`
        - **output:** edge indices :math:`(2, E')`, sorted, each pair once
    """
    check_count('length', length)
    edge_index, _, num = check_edges(edge_index, None, num_nodes)

    def pattern(index: Tensor) -> Tensor:
        ones = torch.ones(index.size(1), device=index.device)
        return torch.sparse_coo_tensor(
            index, ones, (num, num), check_invariants=False
        ).coalesce()

    adj = pattern(edge_index)
    reached = adj
    for _ in range(length - 1):  # of counts that cannot overflow
        reached = pattern(torch.sparse.mm(reached, adj).coalesce().indices())
    edges = reached.indices()
    return edges if loop else remove_self_loops(edges)[0]
