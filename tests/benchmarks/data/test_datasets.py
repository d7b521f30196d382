import io
import pickle
import shutil
import stat
import urllib.request
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from benchmarks.data import clouds, datasets, graphs, planetoid, shchur
from benchmarks.data.download import DataWarning
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


PAGE = b'<!DOCTYPE html><html><title>429</title></html>\n'
DAMAGES = {
    'cut': lambda content: content[: len(content) // 2],
    'empty': lambda content: b'',
    'page': lambda content: PAGE,
    'lines': lambda content: content.replace(b'\n', b'\r\n'),
    'noise': lambda content: bytes(range(256)) * 9,
}


@pytest.fixture
def copied(root, tmp_path):
    """A file of the real data in a folder of its own, to be damaged."""

    def copy(path):
        folder = (Path(root) / path).parent
        shutil.copytree(folder, tmp_path / Path(path).parent)
        file = tmp_path / path
        file.chmod(0o644)
        return file

    return copy


@pytest.mark.parametrize('damage', DAMAGES)
@pytest.mark.parametrize('part', planetoid.PARTS)
def test_damaged_planetoid(damage, part, copied, tmp_path, no_network):
    file = copied(f'Planetoid/Cora/raw/ind.cora.{part}')
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    if (damage, part) == ('lines', 'test.index'):  # still the same numbers
        with pytest.warns(DataWarning, match=r'ind\.cora\.test\.index in'):
            assert sizes(datasets.load('cora', tmp_path)) == SIZES['cora']
        return
    with pytest.raises(UsageError) as info:
        datasets.load('cora', tmp_path)
    assert str(info.value).startswith(f'{file} cannot be read: ')
    assert '\n' not in str(info.value)
    assert damage != 'page' or str(info.value).endswith('it is a web page')


def swap(index):
    index[0] = index[1]
    return index


@pytest.mark.filterwarnings('ignore:Please import `csr_matrix`')
@pytest.mark.parametrize(
    ('part', 'change', 'text'),
    [
        ('test.index', swap, '1000 different nodes'),
        ('test.index', lambda i: i + 1, 'from 1708 to 2707'),
        ('test.index', lambda i: i[:-1], 'got 999'),
        ('x', lambda x: x[:, 1:], r'shape \(140, 1433\)'),
        ('ty', lambda y: y[1:], r'shape \(1000, 7\)'),
        ('graph', lambda g: {**g, 0: [2708]}, 'neighbors of node 0'),
        ('graph', lambda g: {**g, 0: [-1]}, 'neighbors of node 0'),
        ('graph', lambda g: {**g, 0: ['a']}, 'neighbors of node 0'),
        ('graph', lambda g: {**g, 2708: []}, 'neighbors of 2708 nodes'),
        ('graph', lambda g: {**g, 0: []}, 'edges=10556'),
        ('allx', lambda x: x * float('nan'), 'finite'),
    ],
)
def test_replaced_planetoid(part, change, text, copied, tmp_path):
    """Whole files, but not those of the graph."""
    file = copied(f'Planetoid/Cora/raw/ind.cora.{part}')
    if part == 'test.index':
        np.savetxt(file, change(np.loadtxt(file, dtype=int)), '%d')
    else:
        found = pickle.loads(file.read_bytes(), encoding='latin1')
        file.write_bytes(pickle.dumps(change(found)))
    warns = part == 'allx'  # all else is as it should be
    with (
        pytest.warns(DataWarning) if warns else nullcontext(),
        pytest.raises(UsageError, match=text),
    ):
        datasets.load('cora', tmp_path)


def test_foreign_files(copied, tmp_path, no_network):
    """The same graph in other bytes: a warning, and an error if strict."""
    file = copied('Planetoid/Cora/raw/ind.cora.y')
    found = pickle.loads(file.read_bytes(), encoding='latin1')
    datasets.load('cora', tmp_path, strict=True)
    file.write_bytes(pickle.dumps(found))
    with pytest.warns(DataWarning, match=r'^ind\.cora\.y in .* not the pub'):
        assert sizes(datasets.load('cora', tmp_path)) == SIZES['cora']
    with pytest.raises(UsageError, match=r'^ind\.cora\.y .*--strict refuses'):
        datasets.load('cora', tmp_path, strict=True)


def test_a_mirror_of_foreign_files(copied, tmp_path):
    """Nothing of it is kept."""
    file = copied('Planetoid/Cora/raw/ind.cora.x')
    file.write_bytes(pickle.dumps(np.zeros((140, 1433))))
    new = tmp_path / 'new'
    new.mkdir()
    with pytest.raises(UsageError, match=r'not the published ind\.cora\.x'):
        datasets.load('cora', new, mirrors=[file.parent.as_uri()])
    assert not (new / 'Planetoid' / 'Cora' / 'raw' / 'ind.cora.x').exists()


@pytest.mark.parametrize('damage', DAMAGES)
def test_damaged_shchur(damage, copied, tmp_path, no_network):
    file = copied(shchur.FILES['amazon-photo'])
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    with pytest.raises(UsageError) as info:
        datasets.load('amazon-photo', tmp_path)
    assert str(info.value).startswith(f'{file} cannot be read: ')
    assert '\n' not in str(info.value)


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'adj_indices': lambda a: a + 7650}, 'ind'),
        ({'attr_indptr': lambda a: a[::-1].copy()}, 'ind'),
        ({'attr_shape': lambda a: a * 1000}, 'attr must be of shape'),
        ({'labels': lambda a: a[1:]}, '7650 labels'),
        ({'labels': lambda a: a + 1}, 'classes=8'),
        ({'labels': lambda a: a.astype(object)}, 'cannot be read'),
        ({'adj_data': lambda a: a[1:]}, 'cannot be read'),
        ({'adj_shape': None}, 'KeyError'),
    ],
)
def test_replaced_shchur(changes, text, copied, tmp_path):
    """Indices beyond a matrix would be followed by scipy."""
    file = copied(shchur.FILES['amazon-photo'])
    with np.load(file) as found:
        parts = dict(found)
    for name, change in changes.items():
        if change is None:
            del parts[name]
        else:
            parts[name] = change(parts[name])
    np.savez_compressed(file, **parts)
    with pytest.raises(UsageError, match=text) as info:
        datasets.load('amazon-photo', tmp_path)
    assert file.name in str(info.value)


def test_a_mirror_of_damaged_files(copied, tmp_path):
    file = copied(shchur.FILES['amazon-photo'])
    file.write_bytes(file.read_bytes()[:-1000])
    new = tmp_path / 'new'
    new.mkdir()
    with pytest.raises(UsageError, match='cannot be downloaded'):
        datasets.load('amazon-photo', new, mirrors=[file.parent.as_uri()])
    assert not (new / shchur.FILES['amazon-photo']).exists()


@pytest.mark.parametrize('damage', ['cut', 'empty', 'page', 'noise', 'object'])
def test_damaged_room(damage, tmp_path):
    file = tmp_path / 'PointClouds' / 'room_scan1.npy'
    file.parent.mkdir()
    np.save(file, np.zeros((5, 3)))
    assert clouds.room(tmp_path).size() == (5, 3)
    if damage == 'object':
        np.save(file, np.array([[{}] * 3]), allow_pickle=True)
    else:
        file.write_bytes(DAMAGES[damage](file.read_bytes()))
    with pytest.raises(UsageError, match=r'room_scan1\.npy cannot be read'):
        clouds.room(tmp_path)


def test_an_address_that_is_none():
    with pytest.raises(UsageError, match='an address must have its scheme'):
        datasets.load('digits', mirrors=['www.example.org'])


def ring():
    """A graph as it should be."""
    mask = torch.eye(4, dtype=torch.bool)
    return Data(
        x=torch.ones(4, 2),
        edge_index=torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]]),
        y=torch.tensor([0, 1, 0, 1]),
        train_mask=mask[0],
        val_mask=mask[1],
        test_mask=mask[2] | mask[3],
    )


@pytest.mark.parametrize(
    ('name', 'change', 'text'),
    [
        ('x', lambda x: x / 0 - x / 0, r'finite \(got 8 of 8'),
        ('x', lambda x: x / 0, 'features must be finite'),
        ('x', lambda x: x[:3], 'features must be 4 rows'),
        ('edge_index', lambda e: e + 1, r'edges must be in \[0, 4\)'),
        ('edge_index', lambda e: e - 1, r'edges must be in \[0, 4\)'),
        ('edge_index', lambda e: e.double(), 'edges must be whole'),
        ('y', lambda y: y - 1, 'labels must be at least 0'),
        ('y', lambda y: y[1:], 'labels must be 4'),
        ('train_mask', lambda m: m & False, 'split train is empty'),
        ('test_mask', lambda m: m | True, 'splits must not overlap'),
    ],
)
def test_what_any_graph_must_be(name, change, text):
    data = ring()
    graphs.check(data)
    data.num_nodes = 4
    data[name] = change(data[name])
    with pytest.raises(ValueError, match=text):
        graphs.check(data)


@pytest.mark.parametrize(
    ('split', 'text'),
    [
        ([[0], [1], [2, 3]], r'split test must be in \[0, 3\)'),
        ([[0], [1], [-1]], r'split test must be in \[0, 3\)'),
        ([[0], [1], []], 'split test is empty'),
        ([[0], [1], [1, 2]], 'splits must not overlap'),
        ([[0], [1], [2.0]], 'split test must be whole numbers'),
    ],
)
def test_what_any_split_must_be(split, text):
    clouds = [Data(x=torch.ones(4, 3), y=torch.tensor([0]))] * 3
    names = ('train', 'val', 'test')

    def make(split):
        index = (torch.tensor(part, dtype=dtype(part)) for part in split)
        return graphs.Graphs(clouds, dict(zip(names, index, strict=True)))

    def dtype(part):
        floats = any(isinstance(number, float) for number in part)
        return torch.double if floats else torch.long

    graphs.check(make([[0], [1], [2]]))
    with pytest.raises(ValueError, match=text):
        graphs.check(make(split))


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
