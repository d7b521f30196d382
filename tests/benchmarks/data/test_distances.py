"""Distances in random graphs."""

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.utils import to_networkx

from benchmarks.data import distances
from benchmarks.data.graphs import SPLITS, split_of


@pytest.mark.parametrize('kind', distances.KINDS)
@pytest.mark.parametrize('seed', range(5))
def test_graphs_are_connected_and_of_their_size(kind, seed):
    low, high = distances.SIZES
    draw = np.random.default_rng(seed)
    for size in (low, 29, high):
        graph = kind(size, draw)
        assert nx.is_connected(graph)
        assert 3 * size / 4 < len(graph) <= size
        assert not nx.number_of_selfloops(graph)


def test_lobster_is_two_steps_from_a_path():
    graph = distances._lobster(35, np.random.default_rng(0))
    for _ in range(2):
        leaves = [n for n in graph if graph.degree(n) == 1]
        graph.remove_nodes_from(leaves)
    assert max(d for _, d in graph.degree) <= 2


def graphs_of(data):
    whole = to_networkx(data, to_undirected=True)
    for number in data.batch.unique():
        nodes = (data.batch == number).nonzero().view(-1).tolist()
        yield whole.subgraph(nodes), nodes


@pytest.mark.parametrize('name', ['shortest_paths', 'eccentricity'])
def test_labels_of_nodes(name):
    data = getattr(distances, name)(20, 0)
    found = torch.empty_like(data.y)
    for graph, nodes in graphs_of(data):
        [source] = [n for n in nodes if data.x[n, 1] == 1]
        if name == 'shortest_paths':
            truth = nx.single_source_shortest_path_length(graph, source)
        else:
            truth = nx.eccentricity(graph)
        for node in nodes:
            found[node] = truth[node]
    train = split_of(data)['train']
    assert data.y[train].max() == 1
    torch.testing.assert_close(data.y, found / found[train].max())
    # Each graph is in one part, and each part has some:
    parts = [set(data.batch[n].tolist()) for n in split_of(data).values()]
    assert [*map(len, parts)] == [16, 2, 2]
    assert set.union(*parts) == {*range(20)}


def test_labels_of_graphs():
    data = distances.diameter(20, 0)
    truth = [
        nx.diameter(to_networkx(g, to_undirected=True)) for g in data.graphs
    ]
    assert distances.longest(data) == max(truth)
    most = max(truth[int(i)] for i in data.split['train'])
    found = torch.cat([graph.y for graph in data.graphs]).view(-1)
    torch.testing.assert_close(found, torch.tensor(truth) / most)
    assert [len(data.split[part]) for part in SPLITS] == [16, 2, 2]


def test_same_seed_same_graphs():
    one, two, other = (distances.eccentricity(10, seed) for seed in (3, 3, 4))
    assert torch.equal(one.x, two.x)
    assert torch.equal(one.edge_index, two.edge_index)
    assert one.x.shape != other.x.shape or not torch.equal(one.x, other.x)
