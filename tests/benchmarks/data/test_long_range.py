"""Real data that may need many layers, on made files of the same layout."""

import numpy as np
import pytest
import torch
from torch_geometric.utils import is_undirected

from benchmarks.data import datasets
from benchmarks.data import long_range as made
from benchmarks.data.graphs import Sizes, labels_of, split_of
from benchmarks.errors import UsageError
from benchmarks.interface.sweep import sweep


@pytest.fixture
def heterophilous(tmp_path):
    """A folder with a small graph in the place of Roman-empire."""
    folder = tmp_path / 'HeterophilousGraphDataset' / 'roman_empire' / 'raw'
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    size = 40
    edges = np.array([[i, (i + 1) % size] for i in range(size)])
    part = np.stack([draw.permutation(size) % 4 for _ in range(10)])
    np.savez(
        folder / 'roman_empire.npz',
        node_features=draw.random((size, 5), dtype=np.float32),
        node_labels=np.arange(size) % 3,
        edges=edges,
        train_masks=part < 2,
        val_masks=part == 2,
        test_masks=part == 3,
    )
    return tmp_path


def test_heterophilous(heterophilous, monkeypatch):
    before = sorted(heterophilous.rglob('*'))
    with pytest.raises(UsageError, match=r'nodes=22662.*nodes=40'):
        datasets.load('roman-empire', heterophilous)
    small = Sizes(40, 5, 80, 3)
    data = made.read_heterophilous('Roman-empire', small, heterophilous)
    assert is_undirected(data.edge_index)
    assert data.train_mask.shape == (40, 10)
    monkeypatch.setattr('benchmarks.data.graphs.Sizes', lambda *_: small)
    splits = [
        split_of(datasets.load('roman-empire', heterophilous, seed=seed))
        for seed in (0, 1, 10)
    ]
    assert [len(nodes) for nodes in splits[0].values()] == [20, 10, 10]
    assert torch.equal(splits[0]['test'], splits[2]['test'])
    assert not torch.equal(splits[0]['test'], splits[1]['test'])
    runs = sweep(
        'roman-empire',
        'gcn+res+layer,sage',
        [2],
        1,
        root=heterophilous,
        jobs=0,
        overrides={'epochs': 2, 'hidden_channels': 8},
    )
    assert not runs.failed()
    assert runs.rows[0]['preset'] == 'long-range'
    assert sorted(heterophilous.rglob('*')) == before  # reading writes nothing


@pytest.fixture
def peptides(tmp_path):
    """A folder with small molecules in the place of both kinds."""
    draw = torch.Generator().manual_seed(0)
    for name, labels in (('peptides-func', 10), ('peptides-struct', 11)):
        folder = tmp_path / 'LRGBDataset' / name / 'raw'
        folder.mkdir(parents=True)
        for split, number in (('train', 8), ('val', 4), ('test', 4)):
            graphs = []
            for _ in range(number):
                x = torch.randint(2, (5, 9), generator=draw)
                edges = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]])
                attr = torch.randint(2, (4, 3), generator=draw)
                y = torch.rand(1, labels, generator=draw)
                if name == 'peptides-func':
                    y = y.round()
                graphs.append((x, attr, edges, y))
            torch.save(graphs, folder / f'{split}.pt')
    return tmp_path


@pytest.mark.parametrize(
    ('name', 'labels', 'metric'),
    [('peptides-func', 10, 'ap'), ('peptides-struct', 11, 'mae')],
)
def test_peptides(name, labels, metric, peptides):
    data = datasets.load(name, peptides)
    assert labels_of(data).shape == (16, labels)
    assert [len(part) for part in data.split.values()] == [8, 4, 4]
    runs = sweep(
        name,
        'gcn,gin+virtual',
        [2],
        1,
        root=peptides,
        jobs=0,
        overrides={'epochs': 2, 'hidden_channels': 8},
    )
    assert not runs.failed()
    assert {row['metric'] for row in runs.rows} == {metric}


def test_categories_that_no_atom_has(peptides):
    file = peptides / 'LRGBDataset' / 'peptides-func' / 'raw' / 'val.pt'
    graphs = torch.load(file)
    graphs[0][0][0, 0] = 1000
    torch.save(graphs, file)
    with pytest.raises(UsageError, match='categories must be in'):
        datasets.load('peptides-func', peptides)
