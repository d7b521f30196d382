import multiprocessing
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import torch

from benchmarks import environment, pool
from benchmarks.errors import UsageError
from benchmarks.reports import files
from benchmarks.runs import sweep
from benchmarks.runs.cells import plan
from benchmarks.runs.store import Store
from benchmarks.speed import measure

ROOT = Path(__file__).parents[2]


@pytest.fixture
def windows(monkeypatch):
    """No fork server, and no module that knows the memory of a process."""
    monkeypatch.setattr(
        multiprocessing, 'get_all_start_methods', lambda: ['spawn']
    )
    monkeypatch.setattr(environment, 'resource', None)


def test_start_methods(windows):
    with pool.pool(1, 'benchmarks.pool') as started:
        assert started.schedule(sys.getrecursionlimit).result() > 0
    assert pool._context((), 'cpu').get_start_method() == 'spawn'


def test_fork_server_where_there_is_one():
    if 'forkserver' not in multiprocessing.get_all_start_methods():
        pytest.skip('this system has no fork server')
    context = pool._context(('benchmarks.pool',), 'cpu')
    assert context.get_start_method() == 'forkserver'


def test_no_fork_where_cuda_is_used():
    context = pool._context(('benchmarks.pool',), 'cuda:1')
    assert context.get_start_method() == 'spawn'


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_cuda(tmp_path):
    cell = plan('digits', ['gcn'], [2], 1, 'classic', {'epochs': 3})
    rows = list(sweep.sweep(cell, Store(tmp_path), None, 1, 'cuda'))
    assert [row['status'] for row in rows] == ['ok'], rows


def test_processes_that_do_not_start():
    cause = ConnectionRefusedError(111, 'Connection refused')
    message = 'no process can be started: Connection refused'
    with pytest.raises(UsageError, match=message), pool.pool(1):
        raise BrokenProcessPool from cause


def test_sweep_without_fork_server(windows, tmp_path, cell):
    rows = sweep.sweep([cell()], Store(tmp_path), None, 4, 'cpu')
    assert next(rows)['status'] == 'ok'


def test_memory_that_is_not_known(windows):
    assert environment.peak_mb() is None
    assert measure.peak_mb('cpu') != measure.peak_mb('cpu')  # no number


def test_a_run_whose_memory_is_not_known(tmp_path, cell):
    store = Store(tmp_path)
    [row] = sweep.sweep([cell()], store, None, 1, 'cpu')
    other = {**row, 'seed': 1, 'peak_mb': None}
    assert store.append(other)
    assert other in Store(tmp_path).read()
    assert files.summary_of([row, other])['runs'].tolist() == [2]


def test_memory_that_is_known():
    pytest.importorskip('resource')
    assert 50 < environment.peak_mb() < 50_000
    assert measure.peak_mb('cpu') == environment.peak_mb()


def test_modules_that_not_all_systems_have():
    """Where the package imports one, it bears its absence."""
    code = (
        'import sys, matplotlib.pyplot, numba, pandas, pebble, rich.console\n'
        'import scipy.stats, torch_geometric\n'
        'gone = ["resource", "fcntl", "pwd", "grp", "termios"]\n'
        'sys.modules.update(dict.fromkeys(gone))\n'
        'from benchmarks.__main__ import main\n'
        'sys.exit(main(["list"]))'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_cores():
    assert environment.cores() >= 1
