import numpy as np
import pytest
import torch

from benchmarks.data import arxiv_sim, datasets
from benchmarks.errors import UsageError


def test_a_small_one():
    papers = arxiv_sim.simulate(num_nodes=2000, num_edges=8000)
    citing, cited = papers.edge_index
    assert papers.edge_index.shape == (2, 8000)
    assert len(set(zip(citing.tolist(), cited.tolist(), strict=True))) == 8000
    assert (citing != cited).all()
    assert (papers.year[cited] <= papers.year[citing]).all()
    same = papers.label[citing] == papers.label[cited]
    assert same.mean() == arxiv_sim.HOMOPHILY
    sizes = [len(papers.split[s]) for s in ('train', 'valid', 'test')]
    assert sizes == [1074, 352, 574]  # 53.7, 17.6 and 28.7 %, as by year
    assert papers.x.shape == (2000, 128)
    assert papers.x.dtype == np.float32


def test_in_and_out_degrees_spread():
    papers = arxiv_sim.simulate(num_nodes=2000, num_edges=8000)
    for ends in papers.edge_index:
        degree = np.bincount(ends, minlength=2000)
        assert degree.max() > 8 * degree.mean()


def test_features_tell_of_the_class_and_not_all():
    """The nearest class mean is right more often than not by far."""
    papers = arxiv_sim.simulate(num_nodes=4000, num_edges=100)
    means = np.stack([papers.x[papers.label == c].mean(0) for c in range(40)])
    distance = ((papers.x[:, None] - means) ** 2).sum(-1)
    right = (distance.argmin(1) == papers.label).mean()
    assert 0.4 < right < 0.95


def test_seed():
    first, again, other = (
        arxiv_sim.simulate(num_nodes=300, num_edges=600, seed=seed)
        for seed in (1, 1, 2)
    )
    for name in ('label', 'year', 'edge_index', 'x'):
        assert np.array_equal(getattr(first, name), getattr(again, name))
        assert not np.array_equal(getattr(first, name), getattr(other, name))


def test_given_labels_and_years_stay():
    label, year = np.arange(100) % 3, 2000 + np.arange(100) % 20
    papers = arxiv_sim.simulate(label, year, num_edges=200)
    assert papers.label is label
    assert papers.year is year


@pytest.mark.parametrize('edges', [1001, 10**6])
def test_too_many_citations(edges):
    with pytest.raises(ValueError, match='at most 500 for 100 papers'):
        arxiv_sim.simulate(num_nodes=100, num_edges=edges)


@pytest.mark.parametrize(
    ('name', 'change', 'text'),
    [
        ('node-label', lambda v: v[1:], 'must hold 169343 whole numbers'),
        ('node_year', lambda v: v[1:], 'must hold 169343 whole numbers'),
        ('node-label', lambda v: v + 1, 'numbers from 0 to 39'),
        ('node_year', lambda v: v * 0, 'numbers from 1900 to 2100'),
        ('node_year', lambda v: v + 0.5, 'whole numbers'),
    ],
)
def test_labels_that_cannot_be(name, change, text, tmp_path):
    raw = tmp_path / 'OGB' / 'ogbn_arxiv_partial' / 'raw'
    raw.mkdir(parents=True)
    given = {
        'node-label': np.arange(arxiv_sim.NODES) % 40,
        'node_year': np.full(arxiv_sim.NODES, 2018),
    }
    given[name] = change(given[name])
    for file, values in given.items():
        np.savetxt(raw / f'{file}.csv.gz', values, '%g')
    with pytest.raises(UsageError, match=text) as info:
        datasets.load('arxiv-sim', tmp_path)
    assert str(raw / f'{name}.csv.gz') in str(info.value)


def test_true_size(root):
    """Through ogb's own class; the second time, from what was made."""
    data = datasets.load('arxiv-sim', root)
    assert data.num_nodes == 169_343
    assert data.num_edges == 2 * 1_166_243
    assert data.is_undirected()
    splits = [int(data[f'{s}_mask'].sum()) for s in ('train', 'val', 'test')]
    assert splits == [90_941, 29_799, 48_603]
    assert int(data.y.max()) == 39
    row, col = data.edge_index
    assert (data.y[row] == data.y[col]).double().mean().item() == (
        pytest.approx(0.65, abs=1e-6)
    )
    again = datasets.load('arxiv-sim', root)
    assert torch.equal(again.edge_index, data.edge_index)
    assert torch.equal(again.x, data.x)
