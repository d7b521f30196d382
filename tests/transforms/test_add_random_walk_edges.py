import numpy as np
import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.transforms import (
    BaseTransform,
    Compose,
    RandomLinkSplit,
)

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


@pytest.mark.parametrize('mode', ['add', 'replace'])
@pytest.mark.parametrize(
    'options',
    [
        {},
        {'split_labels': True},
        {'is_undirected': True},
        {'add_negative_train_samples': False},
    ],
)
def test_after_a_split_of_links(mode, options):
    """What is asked about links keeps to its own edges."""
    ring = torch.arange(12)
    ring = torch.stack([ring, (ring + 1) % 12])
    data = Data(x=torch.eye(12), edge_index=torch.cat([ring, ring.flip(0)], 1))
    for split in RandomLinkSplit(0.2, 0.2, **options)(data):
        found = AddRandomWalkEdges(k=3, mode=mode)(split)
        assert found.edge_weight.size() == (found.num_edges,)
        for key in split.keys():  # noqa: SIM118
            if 'label' in key:
                assert torch.equal(found[key], split[key])


def test_labels_of_as_many_edges(path):
    path.edge_label_index = path.edge_index.flip(0)
    path.edge_label = torch.arange(6)
    path.y = torch.arange(6)
    assert path.is_edge_attr('edge_label')  # says PyG, and remembers
    data = AddRandomWalkEdges(k=3)(path)
    assert torch.equal(data.edge_label, path.edge_label)
    assert torch.equal(data.edge_label_index, path.edge_label_index)
    assert torch.equal(data.y, path.y)
    del path.edge_label_index  # then they are those of the edges
    data = AddRandomWalkEdges(k=3)(path)
    assert data.edge_label.size() == (data.num_edges,)


@pytest.mark.parametrize('mode', ['add', 'replace'])
@pytest.mark.parametrize(
    'values',
    [
        torch.tensor([True] * 6),
        torch.arange(1, 7, dtype=torch.int32),
        torch.arange(1, 13.0, dtype=torch.float16).view(6, 2),
        np.arange(1, 7),
        np.array(list('abcdef')),
        list('abcdef'),
        tuple('abcdef'),
    ],
)
def test_kinds_of_attributes(path, mode, values):
    path.edge_kind = values
    data = AddRandomWalkEdges(k=3, mode=mode)(path)
    found = data.edge_kind
    assert type(found) is type(values)
    assert len(found) == data.num_edges
    if not isinstance(values, (list, tuple)):
        assert found.dtype == values.dtype
        values, found = values.tolist(), found.tolist()
    old = dict(
        zip(map(tuple, path.edge_index.t().tolist()), values, strict=True)
    )
    nothing = (0, False, None, '', [0.0, 0.0])
    for edge, value in zip(data.edge_index.t().tolist(), found, strict=True):
        if tuple(edge) in old:
            assert value == old[tuple(edge)]
        else:
            assert value in nothing


def test_what_is_not_of_the_edges(path):
    """Other sizes, and the names of as many nodes as edges."""
    path.edge_colors = torch.rand(3)
    path.edge_name = 'abcdef'
    path.edge_number = torch.tensor(6)
    path.edge_array = np.array(6)
    path.names = list('abcdef')
    data = AddRandomWalkEdges(k=3)(path)
    for key in ('edge_colors', 'edge_name', 'edge_number', 'names'):
        assert data[key] is path[key]
    ring = torch.stack([torch.arange(6), (torch.arange(6) + 1) % 6])
    ring = Data(edge_index=ring, x=torch.eye(6), color=torch.arange(6))
    ring.edge_time = torch.arange(6)
    data = AddRandomWalkEdges(k=3)(ring)
    assert torch.equal(data.color, ring.color)
    assert data.edge_time.size() == (data.num_edges,)


@pytest.mark.parametrize('dtype', [torch.bool, torch.int, torch.bfloat16])
def test_types_of_weights(path, dtype):
    path.edge_weight = torch.ones(6, dtype=dtype)
    found = pairs(AddRandomWalkEdges(k=3)(path))
    assert all(found[i, i + 1] == 1.0 for i in range(3))
    assert 0 < found[0, 2] < 1
    path.edge_weight = torch.ones(6, 1)
    with pytest.raises(ValueError, match='edge_weight must be of shape'):
        AddRandomWalkEdges(k=3)(path)


def test_other_edge_lists(path):
    want = AddRandomWalkEdges(k=3)(path)
    for edges in (
        path.edge_index.int(),
        EdgeIndex(path.edge_index, sparse_size=(5, 5), sort_order='row'),
    ):
        data = AddRandomWalkEdges(k=3)(Data(x=path.x, edge_index=edges))
        assert torch.equal(torch.Tensor(data.edge_index), want.edge_index)
        assert torch.equal(data.edge_weight, want.edge_weight)


def test_other_data(path):
    several = HeteroData({'a': {'x': path.x}})
    several['a', 'to', 'a'].edge_index = path.edge_index
    beside = path.clone()
    beside.adj_t = path.edge_index
    for data, text in (
        (several, r'of one type: a Data \(got HeteroData\)'),
        (beside, 'adj_t beside edge_index'),
        (Data(x=path.x[:2], edge_index=path.edge_index), 'from 0 to 1'),
        (Data(x=path.x, edge_index=path.edge_index.t()), r'\[2, E\]'),
    ):
        with pytest.raises(ValueError, match=text):
            AddRandomWalkEdges()(data)


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


def test_what_a_batch_keeps(path):
    path.edge_names = list('abcdef')
    path.name = 'path'
    graphs = [path, path.subgraph(torch.tensor([0, 1]))]
    graphs[1].edge_names = list('gh')
    batch = Batch.from_data_list(graphs, follow_batch=['x'])
    found = AddRandomWalkEdges(k=3)(batch)
    assert torch.equal(found.x_batch, batch.x_batch)
    assert found.name == ['path', 'path']
    assert found[1].edge_names == ['g', 'h']
    assert len(found[0].edge_names) == found[0].num_edges > 6
    assert found.edge_weight.size() == (found.num_edges,)


def change_weight(batch):
    batch.edge_weight = torch.full((batch.num_edges,), 9.0)


def change_edges(batch):
    batch.edge_index = batch.edge_index[:, 1:]


def change_order(batch):
    batch.edge_index = batch.edge_index.flip(1)


@pytest.mark.parametrize(
    ('change', 'name'),
    [
        (change_weight, 'edge_weight'),
        (change_edges, 'edge_index'),
        (change_order, 'edge_index'),
    ],
)
def test_batch_that_was_changed(path, change, name):
    """Its graphs would lack what was changed, without a word."""
    batch = Batch.from_data_list([path, path])
    change(batch)
    with pytest.raises(ValueError, match=f'told apart: {name} changed'):
        AddRandomWalkEdges(k=3)(batch)


def test_batch_of_nobody_knows_what(path):
    batch = Batch(x=path.x, edge_index=path.edge_index)
    with pytest.raises(ValueError, match='the batch must come from'):
        AddRandomWalkEdges(k=3)(batch)


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
        'FoSR',
        'SDRF',
    }


@pytest.mark.parametrize(
    ('options', 'error', 'text'),
    [
        ({'mode': 'swap'}, ValueError, 'mode must be one of add, replace'),
        ({'weight': 'two'}, ValueError, 'weight must be one of'),
        ({'method': 'katz'}, ValueError, 'method must be one of'),
        ({'alpha': 2.0}, ValueError, 'alpha must be in'),
        ({'k': 0}, ValueError, 'k must be at least 1'),
        (
            {'weight': 'one', 'normalization_out': 'row'},
            ValueError,
            "normalization_out has no effect with weight='one'",
        ),
        ({'t': 3.0}, ValueError, "t has no effect with method='ppr'"),
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
    nothing = Data(edge_index=nothing.edge_index, edge_attr=torch.rand(0, 2))
    nothing.num_nodes = 3
    data = AddRandomWalkEdges(mode='replace')(nothing)
    assert data.edge_index.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert data.edge_attr.tolist() == [[0.0, 0.0]] * 3
    with pytest.warns(UserWarning, match='Unable to accurately infer'):
        data = AddRandomWalkEdges()(Data(edge_index=nothing.edge_index))
    assert data.num_edges == 0
