import dataclasses
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import torch

from benchmarks.data import datasets
from benchmarks.data.graphs import digest
from benchmarks.errors import UsageError
from benchmarks.methods.network import Network
from benchmarks.methods.spec import parse
from benchmarks.runs import sweep as engine
from benchmarks.runs.cells import plan
from benchmarks.runs.identity import key
from benchmarks.runs.processes import processes
from benchmarks.runs.store import Store

ROOT = Path(__file__).parents[3]


def sweep(cells, store, **kwargs):
    return [*engine.sweep(cells, store, None, 2, 'cpu', **kwargs)]


def test_plan():
    cells = plan('digits', ['jknet', 'gcn'], [2, 4], 3, 'classic', {})
    assert len(cells) == 12
    assert [c.seed for c in cells] == [0] * 4 + [1] * 4 + [2] * 4
    assert {c.method for c in cells} == {'jknet', 'gcn'}
    same = plan('digits', ['jknet', 'gcn+jump'], [2], 1, 'classic', {})
    assert len(same) == 1  # two names of one method
    with pytest.raises(UsageError, match='unknown method'):
        plan('digits', ['gcn', 'gccn'], [2], 1, 'classic', {})


def test_sweep_fails_soft_and_resumes(tmp_path, cell):
    """Good, raising, and diverging runs; then nothing is done twice."""
    store = Store(tmp_path)
    cells = [
        cell(seed=0),
        cell(seed=1),
        cell(seed=2, nonsense=1),
        cell(seed=3, lr=1e30, epochs=9),
    ]
    rows = {row['seed']: row for row in sweep(cells, store)}
    assert [rows[s]['status'] for s in range(4)] == ['ok'] * 2 + ['failed'] * 2
    assert 'nonsense' in rows[2]['error']
    assert 'the loss is nan in epoch' in rows[3]['error']
    assert sorted(map(key, store.read())) == sorted(map(key, rows.values()))

    good = rows[0]
    assert good['config'] == cells[0].config
    assert (good['metric'], good['direction']) == ('accuracy', 'max')
    assert good['epochs'] == 3
    assert 100 < good['peak_mb'] < 5000
    assert good['versions']['torch'] == torch.__version__
    assert good['device'].endswith('1 thread')
    assert good['commit']

    assert sweep(cells, store) == []
    assert len(sweep([*cells, cell(seed=4)], store)) == 1
    mended = [cells[0], dataclasses.replace(cells[2])]
    again = sweep(mended, store, retry_failed=True)
    assert [row['seed'] for row in again] == [2]


def test_process_that_dies_is_a_failed_run(tmp_path, cell, monkeypatch):
    """Killed from outside, as by the kernel when memory runs out."""
    store = Store(tmp_path)
    rows = engine.sweep(
        [cell(seed=0, epochs=10**9), cell(seed=1)], store, None, 2, 'cpu'
    )
    row = next(rows)
    assert (row['seed'], row['status']) == (1, 'ok')
    for child in children(os.getpid()):
        if 'spawn_main' in command(child) or 'forkserver' in command(child):
            for worker in children(child):
                os.kill(worker, signal.SIGKILL)
    row = next(rows)
    assert (row['seed'], row['status']) == (0, 'failed')
    assert 'died with exit code -9' in row['error']


THREADS = """
import torch
from benchmarks.runs.cells import plan
from benchmarks.runs.processes import _alone
from benchmarks.runs.work import do
(cell,) = plan('digits', ['gcn'], [2], 1, 'classic', {'epochs': 1})
torch.set_num_threads(2)
_alone(do, cell)
print(torch.get_num_threads())
"""


def test_a_run_has_one_thread():
    """However many there were before: scores depend on their number."""
    done = subprocess.run(
        [sys.executable, '-c', THREADS],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout == '1\n', done.stderr


def test_a_row_says_what_it_was_made_on(tmp_path, cell):
    """In this process, with as many threads as there are."""
    torch.set_num_threads(2)
    [row] = engine.sweep([cell()], Store(tmp_path), None, 0, 'cpu')
    assert row['threads'] == 2
    assert row['device'].endswith('2 threads')
    age = datetime.now(timezone.utc) - datetime.fromisoformat(row['date'])
    assert timedelta(seconds=-1) < age < timedelta(hours=1)
    model = Network(parse('gcn'), 2, {'hidden_channels': 8}).build(64, 10)
    assert row['parameters'] == sum(p.numel() for p in model.parameters())
    assert row['data'] == digest(datasets.load('digits'))
    [other] = sweep([cell(seed=1)], Store(tmp_path))
    assert other['threads'] == 1
    assert other['data'] == row['data']


class Odd(Exception):
    """Cannot be unpickled: of its two arguments one is kept."""

    def __init__(self, what, why):
        super().__init__(f'{what}: {why}')


@pytest.mark.parametrize('jobs', [0, 2])
@pytest.mark.parametrize(
    ('error', 'text'),
    [((Odd, 'a', 'b'), 'Odd: a: b'), ((SystemExit, 3), 'SystemExit: 3')],
)
def test_whatever_a_network_raises_is_a_failed_run(cell, jobs, error, text):
    def work(cell):
        kind, *given = error
        raise kind(*given)

    cells = [cell(seed=0), cell(seed=1)]
    told = processes(work, cells, jobs, 'cpu')
    results = [(one, result) for one, result in told if result is not None]
    assert sorted(cell.seed for cell, _ in results) == [0, 1]
    for _, result in results:
        assert result['status'] == 'failed'
        assert result['error'].endswith(text)


def children(pid):
    tasks = Path(f'/proc/{pid}/task')
    if not tasks.exists():
        pytest.skip('needs /proc')
    return [
        int(child)
        for task in tasks.iterdir()
        for child in (task / 'children').read_text().split()
    ]


def command(pid):
    return Path(f'/proc/{pid}/cmdline').read_text()


def test_abandoned_sweep_kills_its_runs(tmp_path, cell):
    store = Store(tmp_path)
    cells = [cell(seed=0), cell(seed=1, epochs=10**9)]
    rows = engine.sweep(cells, store, None, 2, 'cpu')
    assert next(rows)['seed'] == 0
    start = time.monotonic()
    rows.close()
    assert time.monotonic() - start < 30
    assert len(store.read()) == 1


def alive(mark):
    """Processes, defunct ones aside, whose environment holds a mark."""
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            if mark.encode() in (folder / 'environ').read_bytes():
                state = (folder / 'stat').read_text().rpartition(')')[2]
                if state.split()[0] != 'Z':
                    found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGINT])
def test_stopped_sweep_resumes(tmp_path, how):
    """Stopped in the middle, nothing lost, nothing twice, no orphans."""
    if not Path('/proc').exists():
        pytest.skip('needs /proc')
    out = tmp_path / 'out'
    command = [
        *(sys.executable, '-m', 'benchmarks', 'depth', '--dataset', 'digits'),
        *('--methods', 'gcn', '--depths', '2,3', '--seeds', '4'),
        *('--epochs', '100', '--jobs', '2', '--out', str(out)),
    ]
    mark = f'PYG_EXT_MARK={tmp_path}'
    environment = {**os.environ, 'PYG_EXT_MARK': str(tmp_path)}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell starts what is to run behind it with this signal ignored:
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    path = out / 'results.jsonl'
    deadline = time.monotonic() + 120
    while not path.exists() or path.read_bytes().count(b'\n') < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    if how == signal.SIGINT:  # as Ctrl-C in a terminal: to all of them
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    text = process.communicate()[0]
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert 'the same command goes on' in ' '.join(text.split())
        assert 'Traceback' not in text
    deadline = time.monotonic() + 20
    while alive(mark):
        assert time.monotonic() < deadline, 'orphans are left'
        time.sleep(0.1)
    before = Store(out).read()
    assert 2 <= len(before) < 8
    assert {row['status'] for row in before} == {'ok'}

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    after = Store(out).read()
    assert after[: len(before)] == before
    assert len(after) == len({key(row) for row in after}) == 8
    assert len(path.read_text().splitlines()) == 8
