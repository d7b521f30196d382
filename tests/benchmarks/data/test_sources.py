import networkx
import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

from benchmarks import load_dataset, register_dataset
from benchmarks.data import datasets, own, sources
from benchmarks.errors import UsageError

EDGES = [(0, 1), (1, 2), (2, 3), (3, 0)]


@pytest.fixture
def arrays():
    """Four nodes in a ring."""
    both = EDGES + [(j, i) for i, j in EDGES]
    return {
        'x': np.arange(8, dtype=np.float32).reshape(4, 2),
        'edge_index': np.array(both).T,
        'y': np.array([0, 1, 0, 1]),
    }


@pytest.fixture
def tables(tmp_path):
    """The same ring, whose nodes have names."""
    (tmp_path / 'edges.csv').write_text(
        'source,target\na,b\nb,c\nc,d\nd,a\n', 'utf-8'
    )
    (tmp_path / 'features.csv').write_text(
        'node,f,g\nd,6,7\na,0,1\nb,2,3\nc,4,5\n', 'utf-8'
    )
    (tmp_path / 'labels.csv').write_text(
        'node,kind,split\na,x,train\nb,y,train\nc,x,val\nd,y,test\n', 'utf-8'
    )
    return tmp_path


def read(text, **given):
    data, name, _ = sources.read(str(text), **given)
    return data, name


def test_arrays(tmp_path, arrays):
    masks = {m: np.eye(4, 3, dtype=bool) for m in sources.MASKS}
    np.savez(tmp_path / 'ring.npz', **arrays, **masks)
    data, name = read(tmp_path / 'ring.npz')
    assert name == 'ring'
    for key, value in arrays.items():
        assert np.array_equal(data[key].numpy(), value)
    assert data.train_mask.shape == (4, 3)


def test_arrays_that_are_others(tmp_path):
    np.savez(tmp_path / 'bad.npz', features=np.ones(3), labels=np.ones(3))
    with pytest.raises(UsageError, match=r'x, edge_index and y .*features'):
        read(tmp_path / 'bad.npz')
    objects = {n: np.array([{}], object) for n in ('x', 'edge_index', 'y')}
    np.savez(tmp_path / 'run.npz', **objects)
    with pytest.raises(UsageError, match='allow_pickle=False'):
        read(tmp_path / 'run.npz')


def test_arrays_of_words(tmp_path, arrays):
    np.savez(tmp_path / 'ring.npz', **{**arrays, 'y': np.array([*'baba'])})
    data, _ = read(tmp_path / 'ring.npz')
    assert data.y.tolist() == [1, 0, 1, 0]
    np.savez(tmp_path / 'bad.npz', **{**arrays, 'x': arrays['x'] * 1j})
    with pytest.raises(UsageError, match=r'x must hold numbers .*complex64'):
        read(tmp_path / 'bad.npz')


@pytest.mark.parametrize('suffix', sources.FILES)
def test_empty_files(tmp_path, suffix):
    file = tmp_path / f'empty{suffix}'
    file.touch()
    given = {}
    if suffix in sources.edge_lists.TABLES:
        given = {'features': file, 'labels': file}
    with pytest.raises(UsageError, match=f'empty{suffix} cannot be read'):
        read(file, **given)


def test_the_layout_of_shchur(root):
    plain = datasets.load('amazon-photo', root)
    file = f'{root}/Amazon/Photo/raw/amazon_electronics_photo.npz'
    data, _ = read(file)
    assert torch.equal(data.edge_index, plain.edge_index)
    assert torch.equal(data.y, plain.y)


def test_saved_data(tmp_path, arrays):
    given = {k: torch.from_numpy(v) for k, v in arrays.items()}
    torch.save(Data(**given), tmp_path / 'ring.pt')
    data, _ = read(tmp_path / 'ring.pt')
    assert torch.equal(data.x, given['x'])


class Runs:
    def __reduce__(self):
        return print, ('run',)


def test_saved_data_that_would_run(tmp_path, capsys):
    torch.save(Data(x=Runs()), tmp_path / 'bad.pt')
    with pytest.raises(UsageError, match='got more than tensors'):
        read(tmp_path / 'bad.pt')
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('folder', [True, False])
def test_tables(tables, folder):
    """Nodes stand in the order of the features."""
    given = {n: tables / f'{n}.csv' for n in ('features', 'labels')}
    data, _ = read(tables) if folder else read(tables / 'edges.csv', **given)
    assert data.x.tolist() == [[6, 7], [0, 1], [2, 3], [4, 5]]
    assert data.y.tolist() == [1, 0, 1, 0]
    assert data.edge_index.tolist() == [[1, 2, 3, 0], [2, 3, 0, 1]]
    assert data.train_mask.tolist() == [False, True, True, False]
    assert data.test_mask.tolist() == [True, False, False, False]


def test_tables_that_are_given_from_python(tables, monkeypatch):
    monkeypatch.setattr(datasets, 'REGISTERED', {})
    monkeypatch.setattr(own, 'REGISTERED', datasets.REGISTERED)
    given = {n: tables / f'{n}.csv' for n in ('features', 'labels')}
    register_dataset('ring', tables / 'edges.csv', **given)
    for data in (
        load_dataset('ring'),
        load_dataset(str(tables / 'edges.csv'), **given),
    ):
        assert data.x.tolist() == [[6, 7], [0, 1], [2, 3], [4, 5]]
        assert data.val_mask.tolist() == [False, False, False, True]


def test_tables_without_heads_and_with_weights(tmp_path):
    (tmp_path / 'e.tsv').write_text('0\t1\t0.5\n1\t2\t2\n', 'utf-8')
    np.save(tmp_path / 'x.npy', np.ones((3, 2)))
    (tmp_path / 'y.csv').write_text('0,1.5\n2,3\n', 'utf-8')
    data, _ = read(
        tmp_path / 'e.tsv',
        features=tmp_path / 'x.npy',
        labels=tmp_path / 'y.csv',
    )
    assert data.edge_index.tolist() == [[0, 1], [1, 2]]
    assert data.edge_weight.tolist() == [0.5, 2.0]
    assert data.y[[0, 2]].tolist() == [1.5, 3.0]
    assert data.y[1].isnan()


@pytest.mark.parametrize(
    ('file', 'text', 'message'),
    [
        ('edges', 'source,target\na,e\n', "not among the 4 .*such as 'e'"),
        ('edges', 'a\n', 'columns source, target'),
        ('edges', '', 'edges.csv cannot be read'),
        ('features', 'node,f\na,1\na,2\n', "'a' stands twice"),
        ('features', 'node,f\na,one\n', 'could not convert'),
        ('features', 'node\na\n', 'a row of numbers for each node'),
        ('labels', 'node,y\na,1\nz,2\n', "such as 'z'"),
        ('labels', 'node,y,split\na,1,dev\n', "train, val, test or .*'dev'"),
    ],
)
def test_tables_that_do_not_fit(tables, file, text, message):
    (tables / f'{file}.csv').write_text(text, 'utf-8')
    with pytest.raises(UsageError, match=message):
        read(tables)


def test_what_is_missing(tables):
    (tables / 'labels.csv').unlink()
    with pytest.raises(UsageError, match=r'must hold labels\.csv or .*edges'):
        read(tables)
    with pytest.raises(UsageError, match='--features FILE and --labels FILE'):
        read(tables / 'edges.csv')
    with pytest.raises(UsageError, match='there is no file'):
        read(tables / 'no.npz')


@pytest.mark.parametrize('kind', ['graphml', 'gml'])
def test_networkx(tmp_path, kind):
    graph = networkx.Graph()
    for node, label in enumerate('xyxy'):
        graph.add_node(f'n{node}', y=label, f=float(node), g=1)
    graph.add_edges_from((f'n{i}', f'n{j}') for i, j in EDGES)
    getattr(networkx, f'write_{kind}')(graph, tmp_path / f'g.{kind}')
    data, _ = read(tmp_path / f'g.{kind}')
    assert data.y.tolist() == [0, 1, 0, 1]
    assert data.x.tolist() == [[0, 1], [1, 1], [2, 1], [3, 1]]
    assert data.num_edges == 8


def test_networkx_without_labels(tmp_path):
    graph = networkx.path_graph(4)
    networkx.set_node_attributes(graph, 1.5, 'f')
    networkx.write_graphml(graph, tmp_path / 'g.graphml')
    with pytest.raises(UsageError, match=r'y or label \(got f\)'):
        read(tmp_path / 'g.graphml')
    networkx.write_gexf(graph, tmp_path / 'g.gexf')  # labels are names there
    with pytest.raises(UsageError, match='another for each node'):
        read(tmp_path / 'g.gexf')


def test_classes():
    def classes(*values):
        return sources.edge_lists.classes(pd.Series(values)).tolist()

    assert classes('2', '0', None) == [2, 0, -1]
    assert classes('b', 'a', None) == [1, 0, -1]
    assert classes('0.5', '1') == [0.5, 1.0]
    assert classes('-1', '1') == [0, 1]


def test_graphs_of_tu(root):
    data, name = read('tu:MUTAG', root=root)
    assert name == 'tu:MUTAG'
    assert len(data) == 188
    assert data[0].num_node_features == 7


def test_functions(tmp_path, arrays):
    np.savez(tmp_path / 'ring.npz', **arrays)
    (tmp_path / 'of_me.py').write_text(
        'import numpy as np, torch\n'
        'from torch_geometric.data import Data\n'
        'def load():\n'
        f'    found = np.load({str(tmp_path / "ring.npz")!r})\n'
        '    return Data(**{k: torch.from_numpy(found[k]) for k in found})\n',
        'utf-8',
    )
    data, name = read(f'{tmp_path}/of_me.py:load')
    assert (name, data.num_nodes) == ('load', 4)
    with pytest.raises(UsageError, match=r"has no 'other': it has load"):
        read(f'{tmp_path}/of_me.py:other')
    with pytest.raises(UsageError, match='pyg:CLASS is for those'):
        read('pyg:KarateClub')
    with pytest.raises(UsageError, match="did you mean 'WikiCS'"):
        read('pyg:WikiSC')
    with pytest.raises(UsageError, match=r"another name .got 'Nowhere'"):
        read('pyg:WebKB:Nowhere')


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """A small graph of WebKB, in a folder that is not to be written."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    folder = tmp_path / 'data' / 'WebKB' / 'cornell' / 'raw'
    folder.mkdir(parents=True)
    nodes = ['id\tfeatures\ty', *(f'{n}\t{n},1\t{n % 2}' for n in range(4))]
    (folder / 'out1_node_feature_label.txt').write_text('\n'.join(nodes))
    edges = ['a\tb', *(f'{i}\t{j}' for i, j in EDGES)]
    (folder / 'out1_graph_edges.txt').write_text('\n'.join(edges))
    for number in range(10):
        masks = np.eye(4, dtype=int)[[number % 4, (number + 1) % 4, 2]]
        np.savez(
            folder / f'cornell_split_0.6_0.2_{number}.npz',
            **dict(zip(sources.MASKS, masks, strict=True)),
        )
    return tmp_path / 'data'


def test_datasets_of_pyg(raw):
    before = sorted(raw.rglob('*'))
    found, name = read('pyg:WebKB:Cornell', root=raw)
    assert name == 'pyg:WebKB:Cornell'
    assert found[0].train_mask.shape == (4, 10)
    assert sorted(raw.rglob('*')) == before


def test_graphs_without_features(tmp_path, monkeypatch):
    """Nodes have their degrees, one column for each."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    folder = tmp_path / 'TUDataset' / 'STARS' / 'raw'
    folder.mkdir(parents=True)
    for part, lines in {
        'A': ['1, 2', '2, 1', '1, 3', '3, 1', '4, 5', '5, 4', '6, 7'],
        'graph_indicator': [1, 1, 1, 2, 2, 3, 3],
        'graph_labels': [0, 1, 1],
    }.items():
        text = ''.join(f'{line}\n' for line in lines)
        (folder / f'STARS_{part}.txt').write_text(text)
    found, _ = read('tu:STARS', root=tmp_path)
    assert [graph.x.argmax(1).tolist() for graph in found] == [
        [2, 1, 1],
        [1, 1],
        [1, 0],
    ]


def test_what_a_package_brings(monkeypatch, arrays):
    given = {k: torch.from_numpy(v) for k, v in arrays.items()}
    monkeypatch.setattr(sources.plugins, 'names', lambda kind: ['ring'])
    monkeypatch.setattr(
        sources.plugins, 'load', lambda kind, name: lambda: Data(**given)
    )
    assert sources.is_source('ring')
    data, name = read('ring')
    assert (name, data.num_nodes) == ('ring', 4)


@pytest.mark.parametrize(
    'text', ['coar', 'cora2', 'digit', '', 'a\0b', 'a' * 999]
)
def test_a_mistyped_name_is_no_source(text):
    assert not sources.is_source(text)
