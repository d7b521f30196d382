"""On a real cluster of two nodes on this machine."""

import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.runs import ray as cluster
from benchmarks.runs import sweep
from benchmarks.runs.identity import key
from benchmarks.runs.store import Store

pytest.importorskip('ray')
pytestmark = pytest.mark.xdist_group('ray')  # one cluster at a time


@pytest.fixture
def two_nodes(monkeypatch):
    """A cluster and its second node, each with one processor."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv('RAY_USAGE_STATS_ENABLED', '0')
    out = Cluster(initialize_head=True, head_node_args={'num_cpus': 1})
    yield out, out.add_node(num_cpus=1)
    out.shutdown()


def test_sweep_survives_the_loss_of_a_node(two_nodes, tmp_path, cell):
    """24 runs: none is lost, none is there twice."""
    nodes, second = two_nodes
    workers = partial(cluster.tasks, address=nodes.address)
    store = Store(tmp_path)
    cells = [cell(seed=seed, epochs=100) for seed in range(22)]
    cells += [cell(seed=22, nonsense=1), cell(seed=23, lr=1e30)]
    killer = threading.Thread(
        target=nodes.remove_node,
        args=(second,),
        kwargs={'allow_graceful': False},
    )
    rows = []
    for row in sweep.sweep(cells, store, None, None, 'cpu', workers=workers):
        rows.append(row)
        if len(rows) == 4:  # both nodes are at work
            killer.start()
    killer.join()
    assert sorted(row['seed'] for row in rows) == [*range(24)]
    stored = store.read()
    assert len(store.path.read_bytes().splitlines()) == 24
    assert {key(row) for row in stored} == {key(cell.row()) for cell in cells}
    status = {row['seed']: row['status'] for row in stored}
    assert set(map(status.get, range(22))) == {'ok'}
    failed = {r['seed']: r['error'] for r in stored if r['status'] != 'ok'}
    assert 'nonsense' in failed.pop(22)
    assert 'Diverged' in failed.pop(23)
    assert not failed
    here = sweep.sweep(cells[:1], Store(tmp_path / 'here'), None, 1, 'cpu')
    assert next(here)['test'] == stored_test(stored, 0)
    again = sweep.sweep(cells, store, None, None, 'cpu', workers=workers)
    assert [*again] == []


def stored_test(rows, seed):
    return next(row['test'] for row in rows if row['seed'] == seed)


def test_command(two_nodes, tmp_path, capsys):
    nodes, _ = two_nodes
    command = [
        *('depth', '--dataset', 'digits', '--methods', 'sgc'),
        *('--depths', '2,4', '--seeds', '1', '--epochs', '2'),
        *('--out', str(tmp_path), '--engine', 'ray'),
        *('--address', nodes.address),
    ]
    assert main(command) == 0
    text = ' '.join(capsys.readouterr().out.split())
    assert 'sgc depth 4 seed 0: test' in text
    assert len(Store(tmp_path).read()) == 2


def no_cluster(**given):
    """As Ray says it where there is none; other tests have some."""
    raise ConnectionError('Could not find any running Ray instance.')


def test_errors(tmp_path, capsys, monkeypatch):
    def depth(*more):
        code = main(
            [
                *('depth', '--dataset', 'digits', '--methods', 'gcn'),
                *('--out', str(tmp_path), *more),
            ]
        )
        assert code == 2
        return ' '.join(capsys.readouterr().out.split())

    ray = ('--engine', 'ray')
    assert 'an address is for engine ray' in depth('--address', 'x:1')
    assert '--jobs is for' in depth(*ray, '--jobs', '2')
    assert 'cpu, cuda or auto (got cuda:1)' in depth(
        *ray, '--device', 'cuda:1'
    )
    monkeypatch.setattr('ray.init', no_cluster)
    assert 'no cluster at auto' in depth(*ray, '--address', 'auto')
    monkeypatch.setitem(sys.modules, 'ray', None)
    assert 'pip install pyg-ext[cluster]' in depth(*ray)
    assert not Store(tmp_path).read()


@pytest.mark.parametrize('name', ['benchmarks', 'pyg_ext_bench'])
def test_nodes_get_the_package_by_its_name(monkeypatch, name):
    """Both are the folder of this checkout, if pip installed it with -e."""
    import ray

    sent = {}

    def init(runtime_env, **_):
        for path in map(Path, runtime_env['py_modules']):
            sent[path.name] = {p.name for p in path.iterdir()}

    monkeypatch.setattr(ray, 'init', init)
    pytest.importorskip(f'{name}.runs.ray').connect(None, None, 'cpu')
    assert sorted(sent) == sorted([name, 'pyg_ext'])
    assert {'__init__.py', 'runs', 'recipes', 'reference'} <= sent[name]
