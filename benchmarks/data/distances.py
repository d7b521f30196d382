"""Small random graphs whose distances are to be told."""

import math
from collections.abc import Callable

import networkx as nx
import numpy as np
import torch
from scipy.sparse.csgraph import shortest_path
from torch_geometric.data import Batch, Data

from .graphs import Graphs
from .splits import in_order, with_masks
from .transfer import shares

SIZES = 25, 35  # nodes of a graph, at least and at most

Draw = np.random.Generator


def shortest_paths(graphs: int, seed: int) -> Data:
    """The distance of each node to the one that is marked."""
    return _of_nodes(graphs, seed, lambda hops: hops[0])


def eccentricity(graphs: int, seed: int) -> Data:
    """The distance of each node to the one farthest from it."""
    return _of_nodes(graphs, seed, lambda hops: hops.max(axis=1))


def diameter(graphs: int, seed: int) -> Graphs:
    """The largest distance in each graph."""
    found = _draw(graphs, seed, lambda hops: hops.max(keepdims=True))
    parts = torch.arange(graphs).split(shares(graphs))
    return Graphs(found, in_order(*parts))


def longest(data: Data | Graphs) -> int:
    """The most steps between two nodes of a graph."""
    graphs = data.graphs if isinstance(data, Graphs) else [data]
    return int(max(graph.hops.max() for graph in graphs))


def _of_nodes(graphs: int, seed: int, label: Callable) -> Data:
    found = _draw(graphs, seed, label)
    data = Batch.from_data_list(found)
    number = torch.arange(graphs).split(shares(graphs))
    nodes = [
        torch.isin(data.batch, part).nonzero().view(-1) for part in number
    ]
    kept = ('x', 'edge_index', 'y', 'batch', 'hops')
    data = Data(**{name: data[name] for name in kept})
    return with_masks(data, in_order(*nodes))


def _draw(number: int, seed: int, label: Callable) -> list[Data]:
    """Graphs with two features of each node, a random number and a mark of
    the first one, and labels as shares of the largest to train with.
    """
    draw = np.random.default_rng(seed)
    out = []
    for i in range(number):
        size = int(draw.integers(SIZES[0], SIZES[1] + 1))
        graph = KINDS[i % len(KINDS)](size, draw)
        order = draw.permutation(len(graph))
        adj = nx.to_scipy_sparse_array(graph)[order][:, order]
        hops = shortest_path(adj, unweighted=True)
        x = np.stack([draw.random(len(order)), np.eye(len(order))[0]], axis=1)
        out.append(
            Data(
                x=torch.from_numpy(x).float(),
                edge_index=torch.from_numpy(np.stack(adj.nonzero())).long(),
                y=torch.from_numpy(label(hops)).float().view(-1, 1),
                hops=torch.tensor([hops.max()]),
            )
        )
    order = draw.permutation(number)  # kinds of graphs over all parts
    out = [out[i] for i in order]
    most = max(float(graph.y.max()) for graph in out[: shares(number)[0]])
    for graph in out:
        graph.y /= most
    return out


def _random(size: int, draw: Draw) -> nx.Graph:
    while True:
        share = draw.uniform(1.2 * math.log(size) / size, 0.5)
        graph = nx.gnp_random_graph(size, share, seed=_seed(draw))
        if nx.is_connected(graph):
            return graph


def _preferential(size: int, draw: Draw) -> nx.Graph:
    return nx.barabasi_albert_graph(
        size, int(draw.integers(1, 6)), _seed(draw)
    )


def _grid(size: int, draw: Draw) -> nx.Graph:
    low = int(draw.integers(2, math.isqrt(size) + 1))
    return nx.grid_2d_graph(low, size // low)


def _cavemen(size: int, draw: Draw) -> nx.Graph:
    members = int(draw.integers(3, 7))
    return nx.connected_caveman_graph(size // members, members)


def _tree(size: int, draw: Draw) -> nx.Graph:
    return nx.from_prufer_sequence(draw.integers(0, size, size - 2).tolist())


def _ladder(size: int, draw: Draw) -> nx.Graph:
    return nx.ladder_graph(size // 2)


def _line(size: int, draw: Draw) -> nx.Graph:
    return nx.path_graph(size)


def _star(size: int, draw: Draw) -> nx.Graph:
    return nx.star_graph(size - 1)


def _caterpillar(size: int, draw: Draw) -> nx.Graph:
    return _hang(nx.path_graph(int(draw.integers(2, size))), size, draw)


def _lobster(size: int, draw: Draw) -> nx.Graph:
    spine = int(draw.integers(2, size - 1))
    middle = int(draw.integers(spine + 1, size))
    return _hang(_hang(nx.path_graph(spine), middle, draw), size, draw, spine)


def _hang(graph: nx.Graph, size: int, draw: Draw, first: int = 0) -> nx.Graph:
    """Hangs further nodes on random ones of the graph, from one on."""
    old = len(graph)
    for node in range(old, size):
        graph.add_edge(node, int(draw.integers(first, old)))
    return graph


def _seed(draw: Draw) -> int:
    return int(draw.integers(2**31))


KINDS = (
    _random,
    _preferential,
    _grid,
    _cavemen,
    _tree,
    _ladder,
    _line,
    _star,
    _caterpillar,
    _lobster,
)
