from dataclasses import replace
from numbers import Integral

import numpy as np
import torch
from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_ext.utils.checks import (
    check_count,
    check_edges,
    check_index,
    check_name,
    check_probability,
    check_real,
    check_targets,
    check_untraced,
)
from pyg_ext.utils.threads import in_threads
from pyg_ext.utils.walk_steps import (
    EMPTY,
    MAX_NODES,
    Graph,
    Sparsification,
    TransitionMatrix,
    run_diffusion,
)

MEASURES = ('visit', 'cosine')
MAX_STEPS = 10**6  # of a walk
MAX_WALKS = 10**6  # from a node
CHUNK = 2**22  # steps that a thread takes at a time


def random_walk(
    edge_index: Tensor,
    start: Tensor,
    walk_length: int,
    restart: float = 0.0,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    seed: int | None = None,
    *,
    p: float = 1.0,
    q: float = 1.0,
) -> tuple[Tensor, Tensor]:
    r"""Walks at random along the edges, as in the `"DeepWalk: Online Learning
    of Social Representations" <https://arxiv.org/abs/1403.6652>`_ paper, or
    with the bias of the `"node2vec: Scalable Feature Learning for Networks"
    <https://arxiv.org/abs/1607.00653>`_ paper.

    A step takes one of the outgoing edges, each with the same probability or
    with one in proportion to its weight. Where there is none, the walk stays.
    With :obj:`p` and :obj:`q`, the probability of an edge is multiplied by
    :math:`1/p` if it leads back to the node before, by one if that node has
    an edge to where it leads, and by :math:`1/q` otherwise. A first step, and
    one after a restart, has no node before.
    It is always the same compiled loop, so that a seed gives the same walks
    on every machine.

    Args:
        edge_index (torch.Tensor): The edges.
        start (torch.Tensor): The node that each walk starts at.
        walk_length (int): The number of steps :math:`L`, at most a million.
        restart (float, optional): The probability that a step leads back to
            the start. (default: :obj:`0.0`)
        edge_weight (torch.Tensor, optional): Weights of the edges, not
            negative. (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        seed (int, optional): Seed of the random numbers; drawn from
            PyTorch's generator if :obj:`None`. (default: :obj:`None`)
        p (float, optional): How much less likely a step back is.
            (default: :obj:`1.0`)
        q (float, optional): How much less likely a step away from the node
            before is. (default: :obj:`1.0`)

    Raises:
        ValueError: If :obj:`walk_length` is not in :math:`[1, 10^6]`,
            :obj:`restart` no probability below one, :obj:`p` or :obj:`q` not
            in :math:`[0.01, 100]`, or the graph or the starts make no
            sense.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)`, starts
          :math:`(S)`, weights :math:`(|\mathcal{E}|)` *(optional)*
        - **output:** nodes :math:`(S, L + 1)`, the start first; positions of
          the edges taken in :obj:`edge_index` :math:`(S, L)`, -1 for none
    """
    from pyg_ext.utils.diffusion_kernels import biased_walk, row_cumsum, walk
    from pyg_ext.utils.sorting import counting_sort

    _check_walk(walk_length, restart)
    _check_bias(p=p, q=q)
    edge_index, edge_weight, num_nodes = check_edges(
        edge_index, edge_weight, num_nodes
    )
    starts = check_targets(start, num_nodes, 'start').numpy()
    row, col = edge_index.cpu().contiguous().numpy()
    order, cumsum = np.arange(len(row)), EMPTY
    if edge_weight is not None:
        weight = edge_weight.detach().cpu().double().numpy()
        order = np.flatnonzero(weight > 0.0)
    plain = p == q == 1.0
    if not plain:  # which looks nodes up among the columns of a row
        order, _ = counting_sort(order, col, num_nodes)
    order, rowptr = counting_sort(order, row, num_nodes)
    if edge_weight is not None:
        cumsum = row_cumsum(rowptr, weight[order])
    small = max(num_nodes, len(row)) <= MAX_NODES
    hops = np.empty((len(order), 2), np.int32 if small else np.int64)
    hops[:, 0], hops[:, 1] = col[order], order
    nodes = np.empty((len(starts), walk_length + 1), np.int64)
    edges = np.empty((len(starts), walk_length), np.int64)
    graph = (rowptr.astype(hops.dtype), hops, EMPTY, cumsum, EMPTY)
    shares = np.array([1.0 / p, 1.0, 1.0 / q])
    in_threads(
        walk if plain else biased_walk,
        (starts, nodes, edges, np.arange(len(starts))),
        (
            *(graph, fixed_point(restart), draw_seed(seed)),
            0 if plain else shares / shares.max(),
        ),
        max(CHUNK // walk_length, 1),
    )
    device = edge_index.device
    return (
        torch.from_numpy(nodes).to(device),
        torch.from_numpy(edges).to(device),
    )


def walk_topk(
    edge_index: Tensor,
    walk_length: int = 20,
    num_walks: int = 100,
    k: int | None = 64,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    targets: OptTensor = None,
    *,
    restart: float = 0.15,
    measure: str = 'visit',
    threshold: float | None = None,
    avg_degree: int | None = None,
    loop: bool = True,
    seed: int | None = None,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    r"""The :obj:`k` nodes that random walks find most similar to each node.

    With :obj:`measure='visit'`, the similarity of node :math:`v` to the seed
    is the share of the places in all walks from the seed, the start included,
    at which they are at :math:`v`. With long walks it tends to the
    personalized PageRank with :math:`\alpha` the restart probability.

    With :obj:`measure='cosine'`, the profile of a node is the vector of these
    shares, of which the :obj:`k` largest count, and the similarity of two
    nodes is the cosine of their profiles, two nodes are
    similar that visit the same nodes.

    Args:
        edge_index (torch.Tensor): The edges; repeated ones are summed.
        walk_length (int, optional): The number of steps of a walk, at most a
            million. (default: :obj:`20`)
        num_walks (int, optional): The number of walks from each node, at
            most a million. (default: :obj:`100`)
        k (int, optional): The most nodes for each seed; all if :obj:`None`.
            (default: :obj:`64`)
        edge_weight (torch.Tensor, optional): Weights of the edges, not
            negative. (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        targets (torch.Tensor, optional): The seeds; all nodes if
            :obj:`None`. (default: :obj:`None`)
        restart (float, optional): The probability that a step leads back to
            the seed. (default: :obj:`0.15`)
        measure (str, optional): :obj:`'visit'` or :obj:`'cosine'`.
            (default: :obj:`'visit'`)
        threshold (float, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        avg_degree (int, optional): As in :func:`ppr_topk`.
            (default: :obj:`None`)
        loop (bool, optional): As in :func:`ppr_topk`. (default: :obj:`True`)
        seed (int, optional): Seed of the random numbers; drawn from
            PyTorch's generator if :obj:`None`. (default: :obj:`None`)
        progress (bool, optional): If set to :obj:`True`, shows a progress
            bar. (default: :obj:`False`)

    Raises:
        ValueError: On an unknown measure, if :obj:`walk_length` or
            :obj:`num_walks` are not in :math:`[1, 10^6]` or :obj:`restart`
            is no probability below one, and as in :func:`ppr_topk`.

    Shapes:
        As in :func:`ppr_topk`.
    """
    rule = Sparsification(k, threshold, avg_degree, loop)
    graph = (edge_index, edge_weight, num_nodes)
    walks = (walk_length, num_walks, restart, measure, seed)
    return monte_carlo(graph, targets, rule, *walks, progress)


def monte_carlo(
    graph: Graph,
    targets: OptTensor,
    rule: Sparsification,
    walk_length: int,
    num_walks: int,
    restart: float,
    measure: str,
    seed: int | None,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """See :func:`walk_topk`."""
    from scipy.sparse import coo_matrix

    from pyg_ext.utils import diffusion_kernels as kernels

    check_name('measure', measure, MEASURES)
    _check_walk(walk_length, restart)
    check_count('num_walks', num_walks, 1, MAX_WALKS)
    transition = TransitionMatrix.from_edges(*graph)
    rest = (fixed_point(restart), num_walks, walk_length, draw_seed(seed))
    if measure == 'visit':
        return run_diffusion(
            kernels.monte_carlo, rest, transition, targets, rule, progress
        )
    size = len(transition.degree)
    check_targets(targets, size)
    exact = replace(transition, dtype=torch.float64)
    (node, visited), share = run_diffusion(
        kernels.monte_carlo, rest, exact, None, Sparsification(rule.k)
    )
    share = share / node.bincount(share.square(), size).sqrt()[node]
    profiles = coo_matrix(
        (share.cpu().numpy(), (node.cpu().numpy(), visited.cpu().numpy())),
        (size, size),
    )
    rows, columns = (
        (m.indptr.astype(np.int64), m.indices, m.data)
        for m in (profiles.tocsr(), profiles.T.tocsr())
    )
    rest = (rows, columns)
    return run_diffusion(
        kernels.spgemm, rest, transition, targets, rule, progress
    )


def walk_pairs(nodes: Tensor, window: int) -> Tensor:
    r"""The pairs of nodes at most :obj:`window` places apart on a walk, the
    earlier first: the positive pairs of the `"DeepWalk: Online Learning of
    Social Representations" <https://arxiv.org/abs/1403.6652>`_ paper.

    Args:
        nodes (torch.Tensor): Walks, from :func:`random_walk`.
        window (int): How far apart they may be.

    Raises:
        ValueError: If :obj:`window` is less than one, or the walks make no
            sense.

    Shapes:
        - **input:** walks :math:`(S, L + 1)`
        - **output:** pairs :math:`(2, P)`
    """
    check_count('window', window)
    nodes = check_index('nodes', nodes, None)
    if nodes.dim() != 2:
        raise ValueError(
            f'nodes must be of shape [S, L + 1] (got {list(nodes.size())})'
        )
    pairs = [
        torch.stack([nodes[:, :-apart], nodes[:, apart:]]).flatten(1)
        for apart in range(1, min(window, nodes.size(1) - 1) + 1)
    ]
    return torch.cat(pairs, dim=1) if pairs else nodes.new_empty(2, 0)


def dropout_path(
    edge_index: Tensor,
    p: float = 0.2,
    walks_per_node: int = 1,
    walk_length: int = 3,
    num_nodes: int | None = None,
    is_sorted: bool = False,
    training: bool = True,
    seed: int | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Drops the edges that random walks take, from the `"MaskGAE: Masked
    Graph Modeling Meets Graph Autoencoders"
    <https://arxiv.org/abs/2205.10053>`_ paper.

    It replaces :func:`torch_geometric.utils.dropout_path`, which needs
    :obj:`pyg-lib`.

    Args:
        edge_index (torch.Tensor): The edges.
        p (float, optional): The probability that walks start at the first
            node of an edge. (default: :obj:`0.2`)
        walks_per_node (int, optional): The number of walks from there, at
            most a million. (default: :obj:`1`)
        walk_length (int, optional): The number of steps of a walk.
            (default: :obj:`3`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        is_sorted (bool, optional): Not needed; there since PyG has it.
            (default: :obj:`False`)
        training (bool, optional): If set to :obj:`False`, nothing is dropped.
            (default: :obj:`True`)
        seed (int, optional): Seed of the random numbers; drawn from
            PyTorch's generator if :obj:`None`. (default: :obj:`None`)

    Raises:
        ValueError: If :obj:`p` is no probability, :obj:`walks_per_node` not
            in :math:`[1, 10^6]`, and as in :func:`random_walk`.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)`
        - **output:** edge indices :math:`(2, E)`; which edges they are, a
          mask :math:`(|\mathcal{E}|)`
    """
    check_probability('p', p)
    _check_walk(walk_length)
    check_count('walks_per_node', walks_per_node, 1, MAX_WALKS)
    edge_index, _, num_nodes = check_edges(edge_index, None, num_nodes)
    mask = edge_index.new_ones(edge_index.size(1), dtype=torch.bool)
    if not training or p == 0.0:
        return edge_index, mask
    key = draw_seed(seed)
    generator = torch.Generator().manual_seed(key)
    chosen = torch.rand(edge_index.size(1), generator=generator) < p
    start = edge_index[0, chosen.to(mask.device)].repeat(walks_per_node)
    _, edges = random_walk(
        edge_index, start, walk_length, num_nodes=num_nodes, seed=key
    )
    mask[edges[edges >= 0]] = False
    return edge_index[:, mask], mask


def add_random_walk_edge(
    edge_index: Tensor,
    p: float = 0.5,
    walk_length: int = 2,
    force_undirected: bool = False,
    num_nodes: int | None = None,
    training: bool = True,
    seed: int | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Joins nodes to where random walks from them end, with other edges at
    each call: for use in training beside
    :func:`torch_geometric.utils.dropout_edge`, in the manner of
    :func:`torch_geometric.utils.add_random_edge`.

    The new edges lead from the end of a walk to its start. A walk that ends
    where it started gives none.

    Args:
        edge_index (torch.Tensor): The edges.
        p (float, optional): The number of walks, in units of the number of
            edges. They start at random nodes. (default: :obj:`0.5`)
        walk_length (int, optional): The number of steps of a walk.
            (default: :obj:`2`)
        force_undirected (bool, optional): If set to :obj:`True`, edges go
            both ways. (default: :obj:`False`)
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        training (bool, optional): If set to :obj:`False`, nothing is added.
            (default: :obj:`True`)
        seed (int, optional): Seed of the random numbers; drawn from
            PyTorch's generator if :obj:`None`. (default: :obj:`None`)

    Raises:
        ValueError: If :obj:`p` is not in :math:`[0, 1]`, and as in
            :func:`random_walk`.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)`
        - **output:** all edges :math:`(2, |\mathcal{E}| + E)`; the new ones
          :math:`(2, E)`
    """
    _check_walk(walk_length)
    check_probability('p', p)
    edge_index, _, num_nodes = check_edges(edge_index, None, num_nodes)
    key = draw_seed(seed)
    number = round(p * edge_index.size(1)) if training and num_nodes else 0
    start = torch.randint(
        max(num_nodes, 1),
        (number,),
        generator=torch.Generator().manual_seed(key),
    )
    nodes, _ = random_walk(
        edge_index, start, walk_length, num_nodes=num_nodes, seed=key
    )
    new = torch.stack([nodes[:, -1], nodes[:, 0]])
    new = new[:, new[0] != new[1]]
    if force_undirected:
        new = torch.cat([new, new.flip(0)], dim=1)
    return torch.cat([edge_index, new], dim=1), new


def draw_seed(seed: int | None) -> int:
    """The seed, or one from PyTorch's generator."""
    if seed is None:
        return int(torch.randint(2**62, ()))
    if not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise ValueError(
            f'seed must be in [0, 2^63), an integer (got {seed!r})'
        )
    return int(seed)


def fixed_point(restart: float) -> np.uint64:
    """A probability in units of 2^-32."""
    return np.uint64(round(restart * 2**32))


def _check_walk(walk_length: int, restart: float = 0.0) -> None:
    check_untraced('a random walk')
    check_count('walk_length', walk_length, 1, MAX_STEPS)
    if not 0.0 <= check_real('restart', restart) < 1.0:
        raise ValueError(f'restart must be in [0, 1) (got {restart})')


def _check_bias(**bias: float) -> None:
    for name, value in bias.items():
        if not 0.01 <= check_real(name, value) <= 100.0:
            raise ValueError(f'{name} must be in [0.01, 100] (got {value})')
