"""Tasks whose answer is far away."""

import networkx as nx
import pytest
import torch
from torch_geometric.utils import is_undirected, to_networkx

from benchmarks.data import datasets, transfer
from benchmarks.data.graphs import SPLITS, split_of


def components(data):
    """Each component as a graph, and its nodes."""
    graph = to_networkx(data)
    for number in data.batch.unique():
        nodes = (data.batch == number).nonzero().view(-1).tolist()
        yield graph.subgraph(nodes), nodes


@pytest.mark.parametrize(
    ('make', 'distance', 'far'),
    [
        (transfer.ring_transfer, 2, 2),
        (transfer.ring_transfer, 7, 7),
        (transfer.crossed_ring, 2, 2),
        (transfer.crossed_ring, 3, 3),
        (transfer.crossed_ring, 8, 8),
        (transfer.clique_path, 3, 3),
        (transfer.clique_path, 8, 13),
    ],
)
def test_source_is_so_far_away(make, distance, far):
    data = make(distance, 3)
    assert is_undirected(data.edge_index)
    assert not (data.edge_index[0] == data.edge_index[1]).any()
    for number, (graph, nodes) in enumerate(components(data)):
        target = nodes[0]
        hops = nx.single_source_shortest_path_length(graph, target)
        assert hops[nodes[far]] == distance
        assert max(hops.values()) == distance
        x = data.x[nodes]
        assert not x[0].any()
        assert x[far].tolist() == torch.eye(3)[number % 3].tolist()
        others = [n for n in range(len(nodes)) if n not in (0, far)]
        assert (x[others] == 1).all()
        assert data.y[target] == number % 3
        assert (data.y[nodes[1:]] == -1).all()


RING = {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)}


@pytest.mark.parametrize(
    ('make', 'edges'),
    [
        (transfer.ring_transfer, RING),
        (transfer.crossed_ring, RING | {(1, 4), (2, 5)}),
        (transfer.clique_path, {(0, 1), (1, 2), (2, 3)}),
    ],
)
def test_edges_written_out(make, edges):
    graph, _ = next(components(make(3, 2)))
    assert {tuple(sorted(edge)) for edge in graph.edges} == edges


def test_each_class_once_in_each_part():
    data = transfer.ring_transfer(4, 3)
    for nodes in split_of(data).values():
        assert data.y[nodes].tolist() == [0, 1, 2]


def test_tree_has_the_value_of_the_key():
    data = transfer.tree_neighbors_match(2, 100, 0)
    assert data.batch.max() + 1 == 24 * 4  # all there are
    seen = set()
    for graph, nodes in components(data):
        x = data.x[nodes]
        key = x[0].argmax()
        keys, values = x[3:, :4], x[3:, 4:]
        assert keys.tolist() == torch.eye(4).tolist()
        assert sorted(values.argmax(1).tolist()) == [0, 1, 2, 3]
        assert data.y[nodes[0]] == values[key].argmax()
        assert x[1:3].count_nonzero() == 0
        seen.add(tuple(x.view(-1).tolist()))
        pairs = {(a - nodes[0], b - nodes[0]) for a, b in graph.edges}
        up = {(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2)}
        assert pairs == up | {(n, n) for n in range(7)}
    assert len(seen) == 24 * 4


def test_sizes_of_parts_and_seed():
    data = transfer.tree_neighbors_match(3, 20, 1)
    split = split_of(data)
    assert [len(split[part]) for part in SPLITS] == [128, 16, 16]
    again = transfer.tree_neighbors_match(3, 20, 1)
    other = transfer.tree_neighbors_match(3, 20, 2)
    assert torch.equal(data.x, again.x)
    assert not torch.equal(data.x, other.x)


def test_chain_asks_for_the_image_at_its_end():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    of_image = {
        row.tobytes(): label
        for row, label in zip((pixels / 16).astype('f4'), labels, strict=True)
    }
    data = transfer.digit_chain(4, 30, 0)
    images = {part: set() for part in SPLITS}
    for graph, nodes in components(data):
        ends = [node for node in nodes if graph.in_degree(node) == 1]
        assert ends == [nodes[0], nodes[-1]]
        assert nx.shortest_path_length(graph, *ends) == 4
        rows = data.x[nodes]
        assert rows[:, -1].tolist() == [0, 0, 0, 0, 1]
        known = [row.numpy().tobytes() for row in rows[:, :-1]]
        assert data.y[nodes[0]] == of_image[known[-1]]
        part = next(p for p in SPLITS if data[f'{p}_mask'][nodes[0]])
        images[part].update(known)
    assert not images['train'] & images['test']
    assert not images['val'] & images['test']


def test_batch_keeps_examples_apart():
    data = datasets.load('ring-transfer:distance=3')
    row, col = data.edge_index
    assert torch.equal(data.batch[row], data.batch[col])
    assert data.batch.unique(return_counts=True)[1].tolist() == [6] * 15
