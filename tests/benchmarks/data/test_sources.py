import networkx
import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

from benchmarks.data import datasets, own, sources
from benchmarks.errors import UsageError

EDGES = [(0, 1), (1, 2), (2, 3), (3, 0)]


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch):
    monkeypatch.setattr(datasets, 'REGISTERED', {})
    monkeypatch.setattr(own, 'REGISTERED', datasets.REGISTERED)


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
    torch.save({'x': Runs()}, tmp_path / 'bad.pt')
    with pytest.raises(UsageError, match='cannot be read'):
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


@pytest.mark.parametrize('text', ['coar', 'cora2', 'digit'])
def test_a_mistyped_name_is_no_source(text):
    assert not sources.is_source(text)


@pytest.mark.parametrize(
    ('y', 'protocol'),
    [
        ([0, 1, 0, 1], '60/20/20'),
        ([[0.0, 1], [1, 1], [0, 0], [1, float('nan')]], '60/20/20-rocauc'),
        ([0.5, 1.0, 2.0, 3.0], '60/20/20-rmse'),
    ],
)
def test_the_protocol_fits_the_labels(arrays, y, protocol):
    data = Data(**{k: torch.from_numpy(v) for k, v in arrays.items()})
    data.y = torch.tensor(y)
    name = own.register(data, 'ring')
    assert datasets.find(name).protocols == (protocol,)


def test_masks_of_several_splits(arrays):
    data = Data(**{k: torch.from_numpy(v) for k, v in arrays.items()})
    eye = torch.eye(4, dtype=torch.bool)
    for mask, shift in zip(sources.MASKS, (0, 1, 2), strict=True):
        data[mask] = eye.roll(shift, 0)[:, :2]
    own.register(data, 'ring')
    found = [datasets.load('ring', seed=seed) for seed in (0, 1, 2)]
    train = [one.train_mask.nonzero().view(-1).tolist() for one in found]
    assert train == [[0], [1], [0]]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'y': None}, 'y is missing: labels'),
        ({'x': None}, 'x is missing: features'),
        ({'x': torch.full((4, 1), float('nan'))}, 'must be finite'),
        ({'edge_index': torch.tensor([[0], [9]])}, r'must be in \[0, 4\)'),
        ({'edge_index': torch.tensor([0, 1])}, r'edge_index must be \[2, E\]'),
        ({'train_mask': torch.ones(4)}, 'must hold true and false'),
    ],
)
def test_data_that_cannot_be_trained_on(arrays, change, message):
    given = {k: torch.from_numpy(v) for k, v in arrays.items()}
    with pytest.raises(UsageError, match=message):
        datasets.load(own.register(Data(**{**given, **change}), 'ring'))
