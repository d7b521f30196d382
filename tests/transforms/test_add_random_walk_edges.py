import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform, Compose

import pyg_ext.transforms
from pyg_ext.transforms import AddRandomWalkEdges
from pyg_ext.utils import similarity_graph


@pytest.fixture
def path():
    """0 - 1 - 2 - 3, and 4 for itself."""
    edges = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
    return Data(x=torch.eye(5), edge_index=edges)


def pairs(data, name='edge_weight'):
    return dict(
        zip(
            map(tuple, data.edge_index.t().tolist()),
            data[name].tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize('method', ['ppr', 'heat', 'walk'])
def test_replace(path, method):
    transform = AddRandomWalkEdges(method, 3, mode='replace', seed=0)
    data = transform(path)
    want, weight = similarity_graph(
        path.edge_index, None, 5, method, 3, seed=0
    )
    assert torch.equal(data.edge_index, want)
    assert torch.equal(data.edge_weight, weight)
    assert 'edge_weight' not in path  # the input is left alone
    assert path.num_edges == 6
    assert torch.equal(data.x, path.x)


@pytest.mark.parametrize('method', ['ppr', 'heat', 'walk'])
def test_add(path, method):
    data = AddRandomWalkEdges(method, 2, seed=0)(path)
    new, similarity = similarity_graph(
        path.edge_index, None, 5, method, 2, loop=False, seed=0
    )
    found = pairs(data)
    for edge in path.edge_index.t().tolist():
        assert found.pop(tuple(edge)) == 1.0
    assert found == {
        (i, j): pytest.approx(w)
        for (i, j), w in zip(
            new.t().tolist(), similarity.tolist(), strict=True
        )
        if abs(i - j) > 1
    }
    assert len(found) > 0
    assert all(i != j and 4 not in (i, j) for i, j in found)


def test_larger_weight_wins(path):
    path.edge_weight = torch.tensor([1e-3, 9.0, 1.0, 1.0, 1.0, 1.0])
    found = pairs(AddRandomWalkEdges(k=2)(path))
    assert found[0, 1] > 0.01
    assert found[1, 0] == 9.0


def test_weight_one(path):
    found = pairs(AddRandomWalkEdges(weight='one')(path))
    assert len(found) == 12
    assert set(found.values()) == {1.0}


def test_where_weights_stand(path):
    path.edge_attr = torch.ones(6)
    data = AddRandomWalkEdges(k=3)(path)
    assert 'edge_weight' not in data
    assert data.edge_attr.size() == (data.num_edges,)
    path.edge_attr = torch.arange(12.0).view(6, 2)
    path.edge_weight = torch.ones(6)
    path.edge_time = torch.arange(6) + 1
    for mode in ('add', 'replace'):
        data = AddRandomWalkEdges(k=3, mode=mode)(path)
        times = pairs(data, 'edge_time')
        attrs = pairs(data, 'edge_attr')
        old = dict(
            zip(
                map(tuple, path.edge_index.t().tolist()), range(6), strict=True
            )
        )
        assert len(old.keys() & times.keys()) == 6
        for edge, time in times.items():
            at = old.get(edge)
            assert time == (0 if at is None else at + 1)
            assert attrs[edge] == (
                [0, 0] if at is None else [2 * at, 2 * at + 1]
            )


def test_kinds_of_edges_are_no_weights(path):
    path.edge_attr = torch.tensor([3, 3, 3, 4, 4, 4])
    data = AddRandomWalkEdges(k=3)(path)
    assert data.edge_weight.max() == 1.0
    assert data.edge_attr.dtype == torch.long
    assert set(data.edge_attr.tolist()) == {0, 3, 4}


def test_repeated_edges(path):
    """The first one's attributes, the largest weight."""
    path.edge_index = torch.cat([path.edge_index[:, :1]] * 3, dim=1)
    path.edge_time = torch.tensor([5, 6, 7])
    path.edge_weight = torch.tensor([1.0, 3.0, 2.0])
    data = AddRandomWalkEdges()(path)
    assert pairs(data)[0, 1] == 3.0
    assert pairs(data, 'edge_time')[0, 1] == 5


@pytest.mark.parametrize('how', [{'avg_degree': 2}, {'exact': True}, {}])
def test_batch(path, graph, how):
    """Each graph by itself, and the batch can be taken apart again."""
    graphs = [path, Data(x=path.x[:2], edge_index=path.edge_index[:, :2])]
    transform = AddRandomWalkEdges(k=None, mode='replace', **how)
    batch = transform(Batch.from_data_list(graphs))
    assert batch.num_graphs == 2
    for found, one in zip(batch.to_data_list(), graphs, strict=True):
        alone = transform(one)
        assert torch.equal(found.edge_index, alone.edge_index)
        assert torch.equal(found.edge_weight, alone.edge_weight)


def test_new_walks_at_each_call(path):
    torch.manual_seed(0)
    transform = AddRandomWalkEdges('walk', 2, num_walks=1, walk_length=3)
    found = [transform(path).edge_weight.tolist() for _ in range(5)]
    assert len(set(map(tuple, found))) > 1


def test_name_repr_and_compose(path):
    assert str(AddRandomWalkEdges()) == (
        'AddRandomWalkEdges(method=ppr, k=64, mode=add)'
    )
    assert issubclass(AddRandomWalkEdges, BaseTransform)
    assert Compose([AddRandomWalkEdges()])(path).num_edges == 12
    assert set(pyg_ext.transforms.__all__) == {
        'AddRandomWalkEdges',
        'DilatedKNNGraph',
    }


@pytest.mark.parametrize(
    ('options', 'error', 'text'),
    [
        ({'mode': 'swap'}, ValueError, 'mode must be one of add, replace'),
        ({'weight': 'two'}, ValueError, 'weight must be one of'),
        ({'method': 'katz'}, ValueError, 'method must be one of'),
        ({'alpha': 2.0}, ValueError, 'alpha must be in'),
        ({'k': 0}, ValueError, 'k must be at least 1'),
        ({'lambda_': 1}, TypeError, 'lambda_'),
    ],
)
def test_errors_come_early(options, error, text):
    with pytest.raises(error, match=text):
        AddRandomWalkEdges(**options)


def test_no_edges():
    with pytest.raises(ValueError, match='the data has no edge_index'):
        AddRandomWalkEdges()(Data(x=torch.eye(3)))
    nothing = Data(x=torch.eye(3), edge_index=torch.empty(2, 0).long())
    assert AddRandomWalkEdges()(nothing).num_edges == 0
