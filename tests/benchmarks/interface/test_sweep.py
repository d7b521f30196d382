import json
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv, GraphSAGE

from benchmarks import Stopped, UsageError, report, sweep
from benchmarks.methods import own
from benchmarks.reports import page
from benchmarks.runs import progress, work
from benchmarks.runs.identity import key
from pyg_ext.nn import GCN, ConvStack

ROOT = Path(__file__).parents[3]
RECIPE = {'epochs': 2, 'hidden_channels': 4}
LOCK = threading.Lock()


class Net(torch.nn.Module):
    factor = 1

    def __init__(self, size, hidden, depth, classes):
        super().__init__()
        sizes = [size] + [hidden] * (depth - 1) + [classes]
        layers = map(GCNConv, sizes, sizes[1:])
        self.layers = torch.nn.ModuleList(layers)

    def forward(self, x, edge_index):
        for layer in self.layers:
            x = self.factor * layer(x, edge_index)
        return x


class Locked(Net):
    def forward(self, x, edge_index):
        with LOCK:
            return super().forward(x, edge_index)


class Stack(ConvStack):
    def init_conv(self, in_channels, out_channels, last, **options):
        return GCNConv(in_channels, out_channels)


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(own, 'REGISTERED', {})


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    return Data(
        x=torch.randn(60, 8, generator=generator),
        y=torch.arange(60) % 3,
        edge_index=torch.randint(60, (2, 240), generator=generator),
    )


@pytest.fixture
def run(data):
    """A sweep of a second, in this process."""
    given = {
        'data': data,
        'methods': {'mine': Net},
        'depths': [2],
        'seeds': 1,
        'recipe': RECIPE,
        'jobs': 0,
        'progress': False,
    }
    return lambda **changed: sweep(**{**given, **changed})


@pytest.fixture
def done(monkeypatch):
    """The runs that are done."""
    cells = []

    def do(cell, **given):
        cells.append(cell)
        return original(cell, **given)

    original = work.do
    monkeypatch.setattr(work, 'do', do)
    return cells


def build(size, hidden, depth, classes):
    return Net(size, hidden, depth, classes)


def test_networks_of_each_kind(run):
    methods = {
        'gcn': 'gcn',
        'of_class': Net,
        'of_function': build,
        'of_lambda': lambda size, hidden, depth, classes: Net(
            size, hidden, depth, classes
        ),
        'of_partial': partial(build),
        'stack': Stack,
        'of_pyg': GraphSAGE,
        'ours': GCN,
    }
    runs = run(methods=methods, depths=[2, 3], seeds=2)
    assert not runs.failed()
    assert [*runs.table().index] == ['gcn', *sorted({*methods} - {'gcn'})]
    table = runs.to_pandas().set_index(['method', 'depth', 'seed'])['test']
    same = ['of_class', 'of_function', 'of_lambda', 'of_partial']
    for name in same:
        assert table[name].equals(table['of_class'])
    assert (runs.compare('of_class', 'of_function')['gain'] == 0).all()


def test_in_processes_as_in_this_one(run):
    rows = [run(jobs=jobs, depths=[2, 3]).rows for jobs in (0, 2)]
    tests = [{row['depth']: row['test'] for row in some} for some in rows]
    assert tests[0] == tests[1]


def test_what_cannot_be_sent(run):
    with pytest.raises(UsageError, match=r'lock.*with jobs=0'):
        run(methods={'mine': Locked}, jobs=2)
    assert not run(methods={'mine': Locked}).failed()
    # What was registered, and is not run, is not sent:
    assert not run(methods={'other': Net}, jobs=1).failed()


def test_done_once(run, done, tmp_path):
    first = run(out=tmp_path, seeds=2)
    assert len(done) == 2
    again = run(out=tmp_path, seeds=3, depths=(i for i in [2, 3]))
    assert len(done) == 6
    assert again.rows[:2] == first.rows
    assert report(tmp_path).rows == again.rows


def test_changed_network(run, done, tmp_path):
    for factor in (1, 1, 2, 1):
        net = type('Net', (Net,), {'factor': factor})
        runs = run(methods={'gcn': 'gcn', 'mine': net}, out=tmp_path)
        assert len(runs) == 2
    assert [cell.method for cell in done] == ['gcn', 'mine', 'mine']
    assert runs.left_out == ['1 run of mine, of other code or data']
    runs.write()
    text = (tmp_path / 'report.md').read_text()
    assert '1 run of mine, of other code or data' in text
    assert f'mine: {done[1].code}: other code' in text.replace('\\', '')


def test_changed_data(run, done, data, tmp_path):
    run(out=tmp_path)
    data.x[0, 0] += 1
    runs = run(out=tmp_path)
    assert len(done) == 2
    assert len(runs) == 1
    assert runs.left_out == ['1 run of mine, of other code or data']


def test_rows_without_code_stay(run, done, tmp_path):
    """A built-in method on built-in data is what it was before rows had a
    code."""
    given = {'data': 'digits', 'methods': 'gcn', 'out': tmp_path}
    [row] = run(**given).rows
    assert 'code' not in row
    assert len(run(**given)) == len(done) == 1


def test_committed_runs_are_found(run, done, tmp_path, monkeypatch):
    """Rows from before there was a code answer the same request."""
    file = ROOT / 'benchmarks/results/digits-points.jsonl'
    shutil.copy(file, tmp_path / 'results.jsonl')
    rows = report(tmp_path).rows
    method, depths = 'deepgcn', [7, 14]
    runs = run(
        data='digits',
        methods=method,
        depths=depths,
        recipe='points',
        out=tmp_path,
    )
    assert not done
    assert [*map(key, runs.rows)] == [*map(key, rows)]


def test_temporary_store(run):
    runs = run()
    assert (runs.folder / 'results.jsonl').is_file()
    folder = runs.folder
    del runs
    assert not folder.exists()


@pytest.mark.parametrize('kept', [True, False])
def test_stopped(run, tmp_path, monkeypatch, kept):
    original = work.do

    def do(cell, **given):
        if cell.seed == 1:
            raise KeyboardInterrupt
        return original(cell, **given)

    monkeypatch.setattr(work, 'do', do)
    message = 'stopped: 1 of 3 runs are in .*' + (
        'goes on from there' if kept else 'with a folder as out'
    )
    with pytest.raises(Stopped, match=message):
        run(seeds=3, out=tmp_path if kept else None)


def test_seeds(run):
    seeds = [row['seed'] for row in run(seeds=[7, 3, 7]).rows]
    assert seeds == [7, 3]
    assert len(run(seeds=range(2))) == 2


def test_shards(run, done, tmp_path):
    for share in (1, 2, 3):
        runs = run(seeds=3, shard=(share, 3), out=tmp_path)
        assert len(done) == len(runs) == share
    assert len(run(shard=(2, 2))) == 0


class Three(torch.nn.Module):
    def __init__(self, size, hidden, classes):
        super().__init__()


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        ({'seeds': 0}, r'seeds must be whole numbers'),
        ({'seeds': [-1]}, r'seeds must be whole numbers'),
        ({'seeds': 2.5}, r'seeds must be whole numbers .*got 2.5'),
        ({'seeds': []}, 'needs methods, depths and seeds'),
        ({'depths': []}, 'needs methods, depths and seeds'),
        ({'depths': 4}, r'depths must be several, as in \[4\]'),
        ({'depths': [0]}, r'depths must be whole numbers'),
        ({'depths': ['2']}, r'depths must be whole numbers'),
        ({'depths': '2'}, r'depths must be whole numbers'),
        ({'methods': {}}, 'needs methods, depths and seeds'),
        ({'methods': Net}, 'methods must be specification strings'),
        ({'methods': [Net]}, 'methods must be specification strings'),
        ({'methods': {'mine': Three}}, 'Three must take the size'),
        ({'methods': {'mine': Net(1, 1, 1, 1)}}, r'must be a class'),
        ({'methods': {'mine': Net, 'Mine': Net}}, 'two methods are called'),
        ({'methods': {'GCN': Net}}, 'is a built-in method'),
        ({'methods': {'mine': 'gcn+res'}}, "tables call it 'resgcn'"),
        ({'methods': ['gnc']}, "unknown method 'gnc'"),
        ({'recipe': {'lrr': 1}}, "key of mine 'lrr': did you mean 'lr'"),
        ({'recipe': {'lr': -1}}, 'mine: lr must be'),
        ({'recipe': 'clasic'}, "did you mean 'classic'"),
        ({'overrides': ['lr']}, 'overrides must be keys with values'),
        ({'overrides': {'gcn:lr': 1}}, 'a method that is not run'),
        (
            {'methods': 'gcn,drew,mlp', 'overrides': {'nu': 2}},
            'nu is a key of drew, and not of gcn, mlp: set drew:nu=2',
        ),
        ({'overrides': {'a': 1, 'a.p': 2}}, 'a cannot be 1 beside a.p=2'),
        ({'shard': (3, 2)}, r'a shard must be \(i, n\)'),
        ({'shard': 2}, r'a shard must be \(i, n\)'),
        ({'engine': 'x'}, "unknown engine 'x'"),
        ({'address': 'x'}, 'an address is for engine ray'),
        ({'jobs': -1}, 'jobs must be whole numbers'),
        ({'jobs': 1.5}, 'jobs must be whole numbers'),
        ({'device': 0}, 'device must be a text'),
        ({'device': 'cud'}, "device 'cud' cannot be used"),
        ({'data': 'digits', 'split': 'masks'}, 'for your own data'),
        ({'data': 'coraa'}, "did you mean 'cora'"),
        ({'data': None}, 'a Data, a dataset of PyG or a list of Data'),
    ],
)
def test_wrong_requests(run, tmp_path, wrong, message):
    with pytest.raises(UsageError, match=message) as caught:
        run(out=tmp_path / 'out', **wrong)
    assert '\n' not in str(caught.value)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('x', None, 'x is missing'),
        ('y', None, 'y is missing'),
        ('x', torch.full((60, 8), float('nan')), 'features must be finite'),
        ('edge_index', torch.tensor([[0], [99]]), r'must be in \[0, 60'),
    ],
)
def test_wrong_data(run, data, name, value, message):
    data[name] = value
    with pytest.raises(UsageError, match=message):
        run()


def test_wrong_output_is_a_row(run):
    class Wrong(Net):
        def forward(self, x, edge_index):
            return x

    [row] = run(methods={'mine': Wrong}).failed()
    assert 'rows of 3 outputs (got [60, 8])' in row['error']


SCRIPT = """
import sys

import torch
from torch_geometric.data import Data

from benchmarks import sweep
from layers import Beside

print('this script runs')
y = torch.arange(60) % 3
data = Data(x=torch.eye(60), y=y, edge_index=torch.arange(60).repeat(2, 1))


class Mine(torch.nn.Module):
    def __init__(self, size, hidden, depth, classes):
        super().__init__()
        self.layer = torch.nn.Linear(size, classes)

    def forward(self, x, edge_index):
        return self.layer(x)


methods = {'mine': Mine, 'beside': Beside, 'short': lambda a, b, c, d: Mine(
    a, b, c, d)}
recipe = {'epochs': 2}
runs = sweep(data, methods, [2], 1, recipe, jobs=2, out=sys.argv[-1])
print(runs)
"""
BESIDE = """
from torch.nn import Linear, Module


class Beside(Module):
    def __init__(self, size, hidden, depth, classes):
        super().__init__()
        self.layer = Linear(size, classes)

    def forward(self, x, edge_index):
        return self.layer(x)
"""


@pytest.fixture
def python(tmp_path, monkeypatch):
    """Runs Python in a folder with a module of the user."""
    (tmp_path / 'layers.py').write_text(BESIDE)
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    monkeypatch.setenv('JUPYTER_PLATFORM_DIRS', '1')

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert not done.returncode, done.stderr
        return done.stdout

    return run


def check_script(out):
    assert out.count('this script runs') == 1  # in no worker
    assert 'Runs(3 runs on data, 0 failed)' in out


def test_script_without_main_guard(python, tmp_path):
    (tmp_path / 'script.py').write_text(SCRIPT)
    check_script(python('script.py', 'out'))
    code = SCRIPT.replace('sys.argv[-1]', "'out'")
    assert 'seed 0: test' not in python('-c', code)  # all is there


def test_notebook(python, tmp_path):
    nbformat = pytest.importorskip('nbformat')
    pytest.importorskip('nbconvert')
    pytest.importorskip('ipykernel')
    cells = SCRIPT.replace('sys.argv[-1]', 'None').split('\n\n\n')
    book = nbformat.v4.new_notebook(
        cells=[*map(nbformat.v4.new_code_cell, [*cells, 'runs'])]
    )
    nbformat.write(book, tmp_path / 'book.ipynb')
    to = ('--to', 'notebook', '--execute', '--inplace')
    python('-m', 'nbconvert', *to, 'book.ipynb')
    said = json.loads((tmp_path / 'book.ipynb').read_text())['cells']
    texts = [''.join(o.get('text', '')) for c in said for o in c['outputs']]
    check_script('\n'.join(texts))
    [shown] = said[-1]['outputs']
    assert '<table' in ''.join(shown['data']['text/html'])


def test_a_page_while_it_runs(data, tmp_path, monkeypatch):
    """It is kept up to date, and a fault of it costs one word."""
    pages, true = [], page.report

    def report_page(summary, rows, *given, state=None):
        pages.append((len(rows), state))
        return true(summary, rows, *given, state=state)

    monkeypatch.setattr(progress, 'OFTEN', 0.0)
    monkeypatch.setattr(progress, 'SHARE', 0.0)
    monkeypatch.setattr(page, 'report', report_page)
    given = {'methods': ['gcn'], 'depths': [2], 'recipe': RECIPE, 'jobs': 0}
    sweep(data, seeds=2, out=tmp_path, **given)
    assert [(rows, state.done) for rows, state in pages] == [
        *((0, 0), (1, 1), (1, 1), (2, 2)),
    ]
    assert 'refresh' in (tmp_path / 'report.html').read_text('utf-8')

    def broken(*given, **named):
        raise ValueError('no page')

    monkeypatch.setattr(page, 'report', broken)
    with pytest.warns(UserWarning, match='at the end only: no page'):
        runs = sweep(data, seeds=4, out=tmp_path, **given)
    assert len(runs) == 4


def test_keys_of_what_a_key_holds(run):
    """As in the search spaces of a tuning."""
    runs = run(
        methods={'mine': Net, 'mine+dropedge': 'mine+dropedge'},
        overrides={'mine+dropedge:augment.p': 0.25},
    )
    assert {
        row['method']: row['config'].get('augment') for row in runs.rows
    } == {'mine': None, 'mine+dropedge': {'p': 0.25}}


@pytest.mark.parametrize('method', ['sage', 'drew', 'appnp'])
def test_recipe_of_a_method_on_many_graphs_of_ones_own(method, data):
    graphs = [data.clone() for _ in range(10)]
    for number, graph in enumerate(graphs):
        graph.y = torch.tensor([number % 2])
    runs = sweep(
        graphs,
        [method],
        [2],
        1,
        overrides={'epochs': 1},
        split='60/20/20',
        jobs=0,
        progress=False,
    )
    assert not runs.failed()
    assert runs.rows[0]['recipe_of'] == 'gcn on ogbg-molhiv'
