import pytest
import torch
from torch_geometric.data import Data

from benchmarks.data import datasets, own
from benchmarks.errors import UsageError
from benchmarks.interface.sweep import sweep


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch):
    monkeypatch.setattr(datasets, 'REGISTERED', {})
    monkeypatch.setattr(own, 'REGISTERED', datasets.REGISTERED)


def ring(**changed):
    """Four nodes in a ring."""
    edges = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    given = {
        'x': torch.arange(8.0).view(4, 2),
        'edge_index': torch.cat([edges, edges.flip(0)], 1),
        'y': torch.tensor([0, 1, 0, 1]),
    }
    return Data(**{**given, **changed})


def masks(*shapes):
    """Of the first node to train, the second to validate, the third to test;
    of several splits, all are moved on by one in each.
    """
    out = {}
    for number, (name, size) in enumerate(zip(own.MASKS, shapes, strict=True)):
        columns = torch.eye(4, dtype=torch.bool).roll(number, 0)
        out[name] = columns[:, :size] if size else columns[:, 0]
    return out


@pytest.mark.parametrize(
    ('y', 'protocol'),
    [
        ([0, 1, 0, 1], '60/20/20'),
        ([[0.0, 1], [1, 1], [0, 0], [1, float('nan')]], '60/20/20-rocauc'),
        ([0.5, 1.0, 2.0, 3.0], '60/20/20-rmse'),
    ],
)
def test_the_protocol_fits_the_labels(y, protocol):
    name = own.register(ring(y=torch.tensor(y)), 'ring')
    assert datasets.find(name).protocols == (protocol,)


def test_masks_of_several_splits():
    own.register(ring(**masks(2, 2, 2)), 'ring')
    found = [datasets.load('ring', seed=seed) for seed in (0, 1, 2)]
    train = [one.train_mask.nonzero().view(-1).tolist() for one in found]
    assert train == [[0], [1], [0]]


def test_one_mask_beside_those_of_several_splits():
    """As of Wiki-CS, whose nodes to test are the same in all."""
    test = torch.tensor([False, False, False, True])
    own.register(ring(**{**masks(2, 2, 0), 'test_mask': test}), 'ring')
    assert torch.equal(datasets.load('ring', seed=1).test_mask, test)


def test_some_masks():
    """They are an error, unless a split is asked for."""
    given = ring(train_mask=masks(0, 0, 0)['train_mask'])
    with pytest.raises(UsageError, match=r'or a split .*\(got train_mask\)'):
        own.register(given, 'ring')
    own.register(given, 'ring', split='50/25/25')
    assert datasets.load('ring').train_mask.sum() == 2


def test_nodes_without_labels():
    """They are not drawn, and not in a split that is given."""
    y = torch.tensor([0, 1, -1, 1])
    own.register(ring(y=y), 'ring', split='34/33/33')
    for seed in range(9):
        data = datasets.load('ring', seed=seed)
        assert not any(data[mask][2] for mask in own.MASKS)
    own.register(ring(y=y, **masks(0, 0, 0)), 'ring')
    with pytest.raises(UsageError, match=r'labels must be at least 0'):
        datasets.load('ring')


NAN = float('nan')


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'y': None}, 'y is missing: labels'),
        ({'x': None}, 'x is missing: features'),
        ({'edge_index': None}, 'edge_index is missing: edges'),
        ({'x': [1, 2]}, 'x must be a tensor .got list'),
        ({'x': torch.ones(4, 2, 2)}, r'x must be \[N, F\]'),
        ({'x': torch.ones(4, 2) * 1j}, 'x must be real'),
        ({'x': torch.full((4, 1), NAN)}, 'must be finite'),
        ({'edge_index': torch.tensor([[0], [9]])}, r'must be in \[0, 4\)'),
        ({'edge_index': torch.tensor([[0], [-1]])}, r'must be in \[0, 4\)'),
        ({'edge_index': torch.ones(2, 3)}, 'must be whole numbers'),
        ({'edge_index': torch.tensor([0, 1])}, r'edge_index must be \[2, E\]'),
        ({'edge_weight': torch.ones(3)}, 'edge_weight must have 8 rows'),
        ({'edge_weight': torch.full((8,), NAN)}, 'edge_weight must be finite'),
        ({'edge_attr': torch.ones(3, 2)}, 'edge_attr must have 8 rows'),
        ({'edge_attr': torch.full((8,), NAN)}, 'edge_attr must be finite'),
        ({'pos': torch.ones(3, 2)}, 'pos must have 4 rows'),
        ({'y': torch.ones(3).long()}, 'labels must be 4'),
        ({'y': torch.ones(4, 1, 1)}, 'y must be a label'),
        ({'train_mask': torch.ones(4)}, 'must hold true and false'),
        (
            {'train_mask': torch.ones(3, dtype=torch.bool)},
            'train_mask must have 4 rows',
        ),
        (masks(2, 3, 2), r'masks must be of as many splits .got \[2, 3\]'),
    ],
)
def test_data_that_cannot_be_trained_on(changed, message):
    with pytest.raises(UsageError, match=message):
        datasets.load(own.register(ring(**changed), 'ring'))


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ([], 'a graph at least is meant'),
        ({'x': 1}, 'a list of Data is meant .got dict'),
        ([ring(), {}], 'each graph must be a Data .got dict as number 1'),
        ([ring(), ring(x=torch.ones(4, 3))], 'x must be as wide'),
        ([ring(), ring(y=torch.ones(4, 2))], 'y must be as wide'),
        (
            [ring(edge_attr=torch.ones(8)), ring(edge_attr=torch.ones(8, 2))],
            r'edge_attr must be as wide .* .got \[1\] .* and \[2\] in',
        ),
        (
            [ring(), ring(edge_weight=torch.ones(8))],
            r'edge_weight must be as wide .* .got none .* and \[\] in number',
        ),
    ],
)
def test_what_is_no_data(given, message):
    with pytest.raises(UsageError, match=message):
        own.register(given, 'some')


@pytest.mark.parametrize('name', ['cora', 'my data', '../up'])
def test_names(name):
    with pytest.raises(UsageError, match='the name of data must be'):
        own.register(ring(), name)


def test_unknown_splits_and_metrics():
    with pytest.raises(UsageError, match='unknown protocol'):
        own.register(ring(), 'ring', split='60-20-20')
    with pytest.raises(UsageError, match='unknown metric'):
        own.register(ring(), 'ring', metric='f1')


def test_changes_do_not_come_back():
    own.register(ring(), 'ring')
    datasets.load('ring').x.zero_()
    assert datasets.load('ring').x.sum() == 28


def test_an_empty_graph_among_many():
    graphs = [
        Data(
            x=torch.rand(n, 2),
            edge_index=torch.zeros(2, 0).long(),
            y=torch.tensor([n % 2]),
        )
        for n in (3, 0, 4)
    ]
    with pytest.raises(UsageError, match=r'must have nodes \(got none\)'):
        sweep(graphs, ['gcn'], [2], 1, jobs=0, progress=False)


def test_a_pooling_needs_labels_of_graphs():
    """Refused ahead of any run, where each node of a graph has a label."""
    graphs = [
        Data(x=torch.rand(4, 2), edge_index=torch.zeros(2, 0).long(), y=y)
        for y in (torch.arange(4) % 2,) * 9
    ]
    with pytest.raises(UsageError, match='has labels of nodes'):
        sweep(graphs, ['gcn+pool-sum'], [2], 1, jobs=0, progress=False)
