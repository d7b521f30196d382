"""Each failure of ogb 1.3.6 that users report, on today's torch."""

import gzip
import io
import pickle
import shutil
import stat
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import ogb.nodeproppred
import pandas as pd
import pytest
import torch

from benchmarks.data import arxiv_sim, datasets
from benchmarks.data import ogb as ogb_data
from benchmarks.errors import UsageError

# As ogb and PyG say them when reading raw files:
pytestmark = pytest.mark.filterwarnings('ignore:The given NumPy array')


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch):
    """There is no one to ask."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, 'stdin', closed)


@pytest.fixture(scope='module')
def papers():
    """A small simulated citation graph."""
    return arxiv_sim.simulate(num_nodes=400, num_edges=1200)


def write_csv(path, table, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(table).to_csv(path, header=False, index=False, **kwargs)


@pytest.fixture
def arxiv(papers, tmp_path):
    """The simulated graph under the name of the true one, in its layout: the
    root that a user has after unpacking ogb's archive.
    """
    folder = tmp_path / 'data' / 'OGB' / 'ogbn_arxiv'
    raw = folder / 'raw'
    write_csv(raw / 'edge.csv.gz', papers.edge_index.T)
    write_csv(raw / 'node-feat.csv.gz', papers.x)
    write_csv(raw / 'node-label.csv.gz', papers.label)
    write_csv(raw / 'node_year.csv.gz', papers.year)
    write_csv(raw / 'num-node-list.csv.gz', [len(papers.label)])
    write_csv(raw / 'num-edge-list.csv.gz', [papers.edge_index.shape[1]])
    for name, index in papers.split.items():
        write_csv(folder / 'split' / 'time' / f'{name}.csv.gz', index)
    (folder / 'RELEASE_v1.txt').touch()
    return folder


def load(folder, name='ogbn-arxiv', **kwargs):
    return datasets.load(name, folder.parent.parent, **kwargs)


def content(folder):
    return {
        p.relative_to(folder): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in folder.rglob('*')
        if p.is_file()
    }


def check(data, papers):
    assert np.array_equal(data.y, papers.label)
    assert np.allclose(data.x, papers.x)
    assert data.is_undirected()
    given = set(zip(*papers.edge_index.tolist(), strict=True))
    both = given | {(j, i) for i, j in given}
    assert set(zip(*data.edge_index.tolist(), strict=True)) == both
    for ours, theirs in ogb_data.SPLITS.items():
        nodes = data[f'{ours}_mask'].nonzero().view(-1)
        assert np.array_equal(nodes, papers.split[theirs])


def test_the_path_a_user_takes(arxiv, papers, monkeypatch):
    """Read twice: processed, and then from what was processed, which stock
    ogb cannot load on torch 2.6 and later.
    """
    before = content(arxiv)
    check(load(arxiv), papers)
    stock = ogb.nodeproppred.PygNodePropPredDataset
    monkeypatch.setattr(stock, 'process', None)  # once is enough
    check(load(arxiv), papers)
    assert content(arxiv) == before  # nothing is written beside the files


def test_stock_ogb_fails_on_the_same_files(arxiv, papers):
    """What the loader is for; when this fails, it may go."""
    save_split(arxiv, papers.split)
    stock = ogb.nodeproppred.PygNodePropPredDataset
    dataset = stock('ogbn-arxiv', str(arxiv.parent))
    with pytest.raises(pickle.UnpicklingError, match='WeightsUnpickler'):
        dataset.get_idx_split()


def save_split(arxiv, split):
    folder = arxiv / 'split' / 'time'
    shutil.rmtree(folder)
    folder.mkdir()
    torch.save(split, folder / 'split_dict.pt')


def test_split_with_numpy_inside(arxiv, papers):
    """``split_dict.pt``, as `DatasetSaver` writes it."""
    save_split(arxiv, papers.split)
    check(load(arxiv), papers)


def test_pickle_protocol_4(tmp_path):
    """Of which torch says "Unsupported operand 149", whatever is allowed."""
    file = tmp_path / 'root' / 'data_processed'
    file.parent.mkdir()
    graph = {'graph': {'edge_index': np.arange(4).reshape(2, 2)}}
    torch.save(graph, file, pickle_protocol=4)
    with (
        pytest.warns(UserWarning, match='pickle protocol 4'),
        pytest.raises(pickle.UnpicklingError, match='149'),
    ):
        torch.load(file)
    found = ogb_data.load_below(file.parent, file)
    assert np.array_equal(found['graph']['edge_index'], [[0, 1], [2, 3]])


def test_only_files_of_the_dataset_are_trusted(tmp_path, arxiv):
    outside = tmp_path / 'outside.pt'
    torch.save({'data': np.arange(2)}, outside)
    for path in (outside, arxiv / '..' / '..' / '..' / 'outside.pt'):
        with pytest.raises(ValueError, match='only files below'):
            ogb_data.load_below(arxiv, path)
    load(arxiv)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(outside)  # as before


def test_nothing_global_is_changed_meanwhile(arxiv, monkeypatch):
    """Another thread sees torch and ogb as they are while a graph loads."""
    seen = []
    true = ogb_data.load_below, torch.load, ogb.nodeproppred.dataset_pyg.torch

    def watch(root, path, **kwargs):
        def look():
            seen.append((torch.load, ogb.nodeproppred.dataset_pyg.torch))

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return true[0](root, path, **kwargs)

    monkeypatch.setattr(ogb_data, 'load_below', watch)
    load(arxiv)
    assert seen
    assert set(seen) == {true[1:]}


def test_no_question_without_a_marker(arxiv, papers):
    """Where ogb says "has been updated" and offers to delete the files."""
    (arxiv / 'RELEASE_v1.txt').unlink()
    before = content(arxiv)
    with pytest.warns(UserWarning, match=r'has no RELEASE_v1\.txt'):
        check(load(arxiv), papers)
    assert content(arxiv) == before


def test_another_release_is_an_error(arxiv):
    (arxiv / 'RELEASE_v1.txt').rename(arxiv / 'RELEASE_v0.txt')
    with pytest.raises(UsageError, match=r'another release .*RELEASE_v0'):
        load(arxiv)


def test_half_written_processed_folder(arxiv, papers):
    """What an interrupted run of ogb leaves is not read."""
    processed = arxiv / 'processed'
    processed.mkdir()
    (processed / 'geometric_data_processed.pt').write_bytes(b'PK half')
    check(load(arxiv), papers)


def test_interrupted_processing_is_done_again(arxiv, papers, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(
            ogb.nodeproppred.PygNodePropPredDataset, 'process', stop
        )
        with pytest.raises(KeyboardInterrupt):
            load(arxiv)
    check(load(arxiv), papers)


def test_read_only_root(arxiv, papers):
    folders = [arxiv, *(p for p in arxiv.rglob('*') if p.is_dir())]
    for folder in (*folders, arxiv.parent):
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        check(load(arxiv), papers)
    finally:
        for folder in (arxiv.parent, *folders):
            folder.chmod(0o755)


def test_changed_files_are_read_again(arxiv, papers):
    load(arxiv)
    labels = (papers.label + 1) % 40
    write_csv(arxiv / 'raw' / 'node-label.csv.gz', labels)
    assert np.array_equal(load(arxiv).y, labels)


@pytest.mark.parametrize('file', ['edge', 'node-label', 'num-node-list'])
@pytest.mark.parametrize('kind', ['missing', 'torn'])
def test_files_that_are_missing_or_torn(arxiv, file, kind):
    """ogb would delete the folder and download it."""
    path = arxiv / 'raw' / f'{file}.csv.gz'
    if kind == 'missing':
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    before = content(arxiv)
    with pytest.raises(UsageError, match='as a complete ogbn-arxiv'):
        load(arxiv)
    assert content(arxiv) == before


def change_rows(file, change):
    table = pd.read_csv(file, header=None)
    write_csv(file, change(table))


def put(place, value):
    def change(table):
        table = table.astype(object)
        table.iloc[place] = value
        return table

    return change


@pytest.mark.parametrize(
    ('name', 'change', 'text'),
    [
        ('raw/edge', lambda t: t[1:], 'edge.csv.gz must have 1200 rows'),
        ('raw/edge', lambda t: t[[0]], 'two ends of each edge'),
        ('raw/edge', put((0, 0), 400), r'edges must be in \[0, 400\)'),
        ('raw/edge', put((0, 0), -1), r'edges must be in \[0, 400\)'),
        ('raw/edge', put((0, 0), 'a'), 'numbers only'),
        ('raw/node-feat', lambda t: t[1:], 'must have 400 rows .got 399'),
        ('raw/node-feat', put((3, 2), None), 'finite numbers only'),
        ('raw/node-feat', put((3, 2), 'inf'), 'finite numbers only'),
        ('raw/node-label', lambda t: t[1:], 'must have 400 rows'),
        ('raw/node-label', put((0, 0), 40), r'labels must be in \[0, 40\)'),
        ('raw/node-label', put((0, 0), -1), r'labels must be in \[0, 40\)'),
        ('raw/node_year', lambda t: t[1:], 'must have 400 rows'),
        ('raw/num-node-list', lambda t: t * 0 - 1, 'must hold counts'),
        ('raw/num-node-list', lambda t: t + 1, 'must have 401 rows'),
        ('split/time/train', put((0, 0), 400), r'in \[0, 400\)'),
        ('split/time/train', put((0, 0), -1), r'in \[0, 400\)'),
        ('split/time/test', lambda t: t[:0], 'cannot be read'),
        ('split/time/test', put((0, 0), 'x'), 'numbers only'),
    ],
)
def test_tables_that_do_not_fit(arxiv, name, change, text):
    """Where ogb takes rows of the next graph, or counts from the end."""
    change_rows(arxiv / f'{name}.csv.gz', change)
    with pytest.raises(UsageError, match=text) as info:
        load(arxiv)
    assert str(arxiv) in str(info.value)
    assert '\n' not in str(info.value)


def test_splits_that_overlap(arxiv):
    split = arxiv / 'split' / 'time'
    shutil.copy(split / 'train.csv.gz', split / 'test.csv.gz')
    with pytest.raises(UsageError, match='splits must not overlap'):
        load(arxiv)


@pytest.mark.parametrize('damage', ['cut', 'page', 'plain', 'empty'])
@pytest.mark.parametrize('name', ['raw/edge', 'split/time/valid'])
def test_damaged_tables(arxiv, name, damage):
    file = arxiv / f'{name}.csv.gz'
    content = file.read_bytes()
    file.write_bytes(
        {
            'cut': content[: len(content) // 2],
            'page': b'<html>captive portal</html>',
            'plain': gzip.decompress(content),
            'empty': b'',
        }[damage]
    )
    with pytest.raises(UsageError, match='cannot be read') as info:
        load(arxiv)
    assert str(file) in str(info.value)
    assert '\n' not in str(info.value)


@pytest.mark.parametrize(
    ('split', 'text'),
    [
        ({'train': np.arange(3)}, 'valid'),
        ({'train': [0], 'valid': [1], 'test': [400]}, r'in \[0, 400\)'),
        ({'train': [0.5], 'valid': [1], 'test': [2]}, 'whole numbers'),
        ([1, 2], 'list indices'),
        ('text', 'string indices'),
    ],
)
def test_splits_of_other_kinds(arxiv, split, text):
    save_split(arxiv, split)
    with pytest.raises(UsageError, match=text) as info:
        load(arxiv)
    assert str(arxiv / 'split') in str(info.value)


def test_linked_and_upper_case_folders_are_not_processed(arxiv, papers):
    """Only what is raw is handed on to PyG."""
    for name in ('Processed', 'processed'):
        (arxiv / name).mkdir(exist_ok=True)
        for file in ('geometric_data_processed', 'pre_transform'):
            (arxiv / name / f'{file}.pt').write_bytes(b'hostile')
    check(load(arxiv), papers)


@pytest.fixture
def archive(arxiv, tmp_path):
    """A mirror that has the archive, and a root that lacks the graph."""
    mirror, root = tmp_path / 'mirror', tmp_path / 'new'
    mirror.mkdir()
    root.mkdir()
    arxiv.rename(tmp_path / 'arxiv')
    with zipfile.ZipFile(mirror / 'arxiv.zip', 'w') as file:
        for path in (tmp_path / 'arxiv').rglob('*'):
            file.write(path, path.relative_to(tmp_path))
    return mirror, root


def test_download(archive, papers):
    mirror, root = archive
    mirrors = ['file:///no', mirror.as_uri()]
    data = datasets.load('ogbn-arxiv', root, mirrors=mirrors)
    check(data, papers)
    found = sorted(p.name for p in (root / 'OGB').iterdir())
    assert found == ['ogbn_arxiv', 'ogbn_arxiv.lock']
    check(datasets.load('ogbn-arxiv', root), papers)  # it is there now


def test_download_to_the_cache_of_a_read_only_root(archive, papers, tmp_path):
    mirror, root = archive
    root.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        check(
            datasets.load('ogbn-arxiv', root, mirrors=[mirror.as_uri()]),
            papers,
        )
        if not list(root.iterdir()):  # always writable for an administrator
            cache = tmp_path / 'cache' / 'pyg_ext' / 'OGB' / 'ogbn_arxiv'
            assert cache.is_dir()
    finally:
        root.chmod(0o755)


def test_damaged_archive(archive, papers):
    mirror, root = archive
    file = mirror / 'arxiv.zip'
    good = file.read_bytes()
    file.write_bytes(good[:1000] + b'x' + good[1001:])
    with pytest.raises(UsageError, match='is no good and was taken away'):
        datasets.load('ogbn-arxiv', root, mirrors=[mirror.as_uri()])
    assert [p.name for p in (root / 'OGB').iterdir()] == ['ogbn_arxiv.lock']
    file.write_bytes(good)
    data = datasets.load('ogbn-arxiv', root, mirrors=[mirror.as_uri()])
    check(data, papers)


def test_an_archive_that_leads_outside(archive, tmp_path):
    mirror, root = archive
    with zipfile.ZipFile(mirror / 'arxiv.zip', 'a') as file:
        file.writestr('arxiv/../../out.txt', 'x')
    with pytest.raises(UsageError, match='outside of its folder'):
        datasets.load('ogbn-arxiv', root, mirrors=[mirror.as_uri()])
    assert [p.name for p in (root / 'OGB').iterdir()] == ['ogbn_arxiv.lock']
    assert not list(tmp_path.rglob('out.txt'))


def test_nowhere_to_be_had(tmp_path, monkeypatch):
    def refuse(url, timeout):
        raise OSError('no network')

    monkeypatch.setattr('urllib.request.urlopen', refuse)
    root = tmp_path / 'data'
    root.mkdir()
    with pytest.raises(UsageError) as info:
        datasets.load('ogbn-products', root)
    for part in ('ogbn_products', 'snap.stanford.edu', '--url', '--root'):
        assert part in str(info.value)


def test_no_node_features(tmp_path):
    """ogbn-proteins: features of edges only, many tasks; and ogb renames a
    file, which must not happen to the user's.
    """
    folder = tmp_path / 'data' / 'OGB' / 'ogbn_proteins'
    raw = folder / 'raw'
    write_csv(raw / 'edge.csv.gz', [[0, 1], [1, 2]])
    attr = np.array([[1.0] * 8, [3.0] * 8])
    write_csv(raw / 'edge-feat.csv.gz', attr, float_format='%.1f')
    write_csv(raw / 'species.csv.gz', [3, 3, 4, 4])
    write_csv(raw / 'node-label.csv.gz', np.eye(4, 112, dtype=int))
    write_csv(raw / 'num-node-list.csv.gz', [4])
    write_csv(raw / 'num-edge-list.csv.gz', [2])
    for name, index in (('train', [0, 1]), ('valid', [2]), ('test', [3])):
        write_csv(folder / 'split' / 'species' / f'{name}.csv.gz', index)
    (folder / 'RELEASE_v1.txt').touch()
    data = load(folder, 'ogbn-proteins')
    assert data.y.size() == (4, 112)
    assert data.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert data.x[:, 0].tolist() == [1, 2, 3, 0]
    assert data.x[:, 8:].tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert (raw / 'species.csv.gz').is_file()


SIZES = {
    'ogbg-molbace': (1513, (1210, 151, 152), 51577, 111536),
    'ogbg-molbbbp': (2039, (1631, 204, 204), 49068, 105842),
    'ogbg-molesol': (1128, (902, 113, 113), 14991, 30856),
}


@pytest.mark.parametrize('name', SIZES)
def test_molecules(root, name):
    data = datasets.load(name, root)
    graphs = data.graphs
    split = tuple(len(data.split[s]) for s in ('train', 'val', 'test'))
    nodes = sum(g.num_nodes for g in graphs)
    edges = sum(g.num_edges for g in graphs)
    assert (len(graphs), split, nodes, edges) == SIZES[name]
    assert sorted(torch.cat([*data.split.values()]).tolist()) == list(
        range(len(graphs))
    )
    assert data.node_sizes == [119, 5, 12, 12, 10, 6, 6, 2, 2]
    assert data.edge_sizes == [5, 6, 2]
    again = datasets.load(name, root).graphs
    assert torch.equal(again[7].x, graphs[7].x)


@pytest.mark.parametrize(
    ('name', 'place', 'value', 'text'),
    [
        ('node-feat', (0, 0), 119, r'in \[0, size\)'),
        ('edge-feat', (0, 0), -1, r'in \[0, size\)'),
        ('edge', (0, 0), 99, 'nodes of their own graph'),
        ('num-node-list', (0, 0), 1000, 'must have'),
    ],
)
def test_molecules_that_do_not_fit(root, tmp_path, name, place, value, text):
    folder = tmp_path / 'OGB' / 'ogbg_molesol'
    shutil.copytree(Path(root) / 'OGB' / 'ogbg_molesol', folder)
    file = folder / 'raw' / f'{name}.csv.gz'
    file.chmod(0o644)
    change_rows(file, put(place, value))
    with pytest.raises(UsageError, match=text) as info:
        datasets.load('ogbg-molesol', tmp_path)
    assert str(folder) in str(info.value)


def test_unreadable_gzip_is_named(arxiv):
    path = arxiv / 'raw' / 'edge.csv.gz'
    with gzip.open(path, 'wt') as file:
        file.write('a,b\n')
    with pytest.raises(UsageError, match=str(Path('OGB') / 'ogbn_arxiv')):
        load(arxiv)
