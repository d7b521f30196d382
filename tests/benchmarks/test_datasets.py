import io
import shutil
import stat
import urllib.request
from pathlib import Path

import pytest
import torch

from benchmarks import datasets, planetoid, shchur
from benchmarks.errors import UsageError

SIZES = {
    'cora': (2708, 1433, 10556, 7, (140, 500, 1000)),
    'citeseer': (3327, 3703, 9104, 6, (120, 500, 1000)),
    'pubmed': (19717, 500, 88648, 3, (60, 500, 1000)),
    'coauthor-cs': (18333, 6805, 163788, 15, (300, 450, 17583)),
    'coauthor-physics': (34493, 8415, 495924, 5, (100, 150, 34243)),
    'amazon-computers': (13752, 767, 491722, 10, (200, 300, 13252)),
    'amazon-photo': (7650, 745, 238162, 8, (160, 240, 7250)),
    'digits': (1797, 64, 24680, 10, (50, 500, 1247)),
}


def sizes(data):
    masks = (data.train_mask, data.val_mask, data.test_mask)
    return (
        data.num_nodes,
        data.num_features,
        data.num_edges,
        int(data.y.max()) + 1,
        tuple(int(mask.sum()) for mask in masks),
    )


@pytest.fixture
def no_network(monkeypatch):
    def refuse(url, timeout):
        assert timeout <= 30
        raise OSError('no network')

    monkeypatch.setattr(urllib.request, 'urlopen', refuse)


@pytest.mark.parametrize('name', ['cora', 'citeseer', 'pubmed'])
def test_planetoid(name, root, no_network):
    data = datasets.load(name, root)
    assert sizes(data) == SIZES[name]
    assert data.is_undirected()
    assert not (data.train_mask & data.test_mask).any()
    again = datasets.load(name, root)
    assert torch.equal(data.x, again.x)


@pytest.mark.parametrize('name', shchur.FILES)
def test_shchur(name, root, no_network):
    """Sizes as in the table of the paper; each seed draws a split."""
    first, other = (datasets.load(name, root, seed=seed) for seed in (0, 1))
    assert sizes(first) == SIZES[name]
    assert first.is_undirected()
    assert not first.has_self_loops()
    masks = torch.stack([first[f'{s}_mask'] for s in ('train', 'val', 'test')])
    assert masks.sum(0).tolist() == [1] * first.num_nodes
    classes = SIZES[name][3]
    assert first.y[first.train_mask].bincount().tolist() == [20] * classes
    assert first.y[first.val_mask].bincount().tolist() == [30] * classes
    assert not torch.equal(first.train_mask, other.train_mask)
    again = datasets.load(name, root, seed=0)
    assert torch.equal(first.test_mask, again.test_mask)


def test_shchur_missing(root, tmp_path):
    with pytest.raises(UsageError, match='shchur/gnn-benchmark'):
        datasets.load('amazon-photo', tmp_path, mirrors=['file:///no'])
    mirror = (Path(root) / shchur.FILES['amazon-photo']).parent.as_uri()
    data = datasets.load('amazon-photo', tmp_path, mirrors=[mirror])
    assert sizes(data) == SIZES['amazon-photo']


def test_digits(no_network):
    data = datasets.load('digits')
    assert sizes(data) == SIZES['digits']
    assert data.is_undirected()
    assert not data.has_self_loops()
    assert data.y[data.train_mask].bincount().tolist() == [5] * 10
    masks = data.train_mask.int() + data.val_mask.int() + data.test_mask.int()
    assert masks.tolist() == [1] * 1797
    assert data.x.min() == 0
    assert data.x.max() == 1
    again = datasets.load('digits')
    assert torch.equal(data.test_mask, again.test_mask)


def test_given_root_is_never_written(root, tmp_path, no_network):
    raw = tmp_path / 'data' / 'Planetoid' / 'Cora' / 'raw'
    shutil.copytree(Path(root) / 'Planetoid' / 'Cora' / 'raw', raw)
    for path in [*raw.iterdir(), raw, raw.parent]:
        path.chmod(path.stat().st_mode & ~0o222 | stat.S_IXUSR)
    before = sorted((tmp_path / 'data').rglob('*'))
    try:
        data = datasets.load('cora', tmp_path / 'data')
        assert data.num_nodes == 2708
        assert sorted((tmp_path / 'data').rglob('*')) == before
    finally:
        for path in (raw, raw.parent):
            path.chmod(0o755)


def test_environment_and_option(root, tmp_path, monkeypatch, no_network):
    monkeypatch.setenv('PYG_EXT_DATA', root)
    assert datasets.load('cora').num_nodes == 2708
    with pytest.raises(UsageError, match=r'ind\.cora\.x is missing'):
        datasets.load('cora', tmp_path)  # the option beats the variable
    monkeypatch.setenv('PYG_EXT_DATA', str(tmp_path / 'nothing'))
    with pytest.raises(UsageError, match='is no folder'):
        datasets.load('cora')


def test_missing_files_give_one_clear_error(tmp_path, no_network):
    raw = tmp_path / 'Planetoid' / 'Cora' / 'raw'
    with pytest.raises(UsageError) as info:
        datasets.load('cora', tmp_path)
    text = str(info.value)
    for part in ('ind.cora.x', str(raw), '--root', 'PYG_EXT_DATA', 'network'):
        assert part in text


def test_missing_files_come_from_a_mirror(root, tmp_path):
    mirror = (Path(root) / 'Planetoid' / 'Cora' / 'raw').as_uri()
    data = datasets.load('cora', tmp_path, mirrors=['file:///no', mirror])
    assert sizes(data) == SIZES['cora']
    assert len([*(tmp_path / 'Planetoid' / 'Cora' / 'raw').iterdir()]) == 8


@pytest.mark.parametrize('name', planetoid.SIZES)
def test_planetoid_is_that_of_pyg(name, root, tmp_path):
    (tmp_path / name).mkdir()
    raw = Path(root) / 'Planetoid' / name / 'raw'
    (tmp_path / name / 'raw').symlink_to(raw)
    theirs = planetoid.Planetoid(str(tmp_path), name)[0]
    ours = planetoid.read(name, Path(root))
    assert ours.keys() == theirs.keys()
    for key in ours.keys():  # noqa: SIM118, which PyG needs
        assert ours[key].dtype == theirs[key].dtype
        assert torch.equal(ours[key], theirs[key])


def test_choose(root, tmp_path, monkeypatch, no_network):
    assert datasets.choose(root)[0] == 'cora'
    name, why = datasets.choose(tmp_path)
    assert name == 'digits'
    assert str(tmp_path) in why
    monkeypatch.setattr(
        urllib.request,
        'urlopen',
        lambda url, timeout: io.BytesIO(b'x'),
    )
    name, why = datasets.choose(tmp_path)
    assert (name, 'downloaded' in why) == ('cora', True)


def test_unknown_name():
    with pytest.raises(UsageError, match="did you mean 'citeseer'"):
        datasets.load('citeser')


def test_protocol_of_gdc(root):
    """The largest component; each seed draws whom to train from 1,500."""
    public = datasets.load('cora', root)
    first, again, other = (
        datasets.load('cora', root, 'gdc-lcc', seed) for seed in (3, 3, 4)
    )
    assert sizes(first) == (2485, 1433, 10138, 7, (140, 1360, 985))
    assert first.y[first.train_mask].bincount().tolist() == [20] * 7
    masks = torch.stack([first[f'{s}_mask'] for s in ('train', 'val', 'test')])
    assert masks.sum(0).tolist() == [1] * 2485
    assert torch.equal(first.train_mask, again.train_mask)
    assert not torch.equal(first.train_mask, other.train_mask)
    assert torch.equal(first.test_mask, other.test_mask)
    assert sizes(public) == SIZES['cora']


def test_protocol_of_tuned_gnns(root):
    first, again = (
        datasets.load('cora', root, 'tunedgnn-random', seed) for seed in (0, 4)
    )
    assert sizes(first) == (2708, 1433, 10556, 7, (140, 500, 1000))
    assert first.y[first.train_mask].bincount().tolist() == [20] * 7
    masks = torch.stack([first[f'{s}_mask'] for s in ('train', 'val', 'test')])
    assert masks.sum(0).max() == 1
    assert torch.equal(first.train_mask, again.train_mask)  # one split
    public = datasets.load('cora', root)
    assert not torch.equal(first.train_mask, public.train_mask)


def test_unknown_protocol():
    with pytest.raises(UsageError, match='unknown protocol of digits'):
        datasets.load('digits', protocol='gdc-lcc')
