import json
import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.store import Store, key

ROOT = Path(__file__).parent.parent.parent


def test_round_trip(tmp_path, row):
    store = Store(tmp_path / 'new' / 'folder')
    assert store.read() == []
    rows = [row(seed=0), row(seed=1), row(depth=4)]
    assert all(store.append(r) for r in rows)
    assert store.read() == rows
    assert Store(store.folder).read() == rows


def test_no_run_twice(tmp_path, row):
    store = Store(tmp_path)
    assert store.append(row(test=0.5))
    assert not store.append(row(test=0.9))
    assert [r['test'] for r in store.read()] == [0.5]


def test_key(row):
    assert key(row()) == key(row(test=0.9, commit='def'))
    assert key(row(status='failed')) == key(row())
    others = [
        row(seed=1),
        row(depth=4),
        row(method='resgcn'),
        row(preset='other'),
        row(protocol='other'),
        row(dataset='cora'),
        row(config={'epochs': 4}),
    ]
    assert len({key(r) for r in [row(), *others]}) == 8


def test_good_run_replaces_failed_one(tmp_path, row):
    store = Store(tmp_path)
    store.append(row(status='failed'))
    assert store.append(row())
    assert [r['status'] for r in store.read()] == ['ok']
    assert not store.append(row(status='failed'))


@pytest.mark.parametrize('cut', [1, 20, 200])
def test_torn_line_is_repaired(tmp_path, row, cut):
    store = Store(tmp_path)
    rows = [row(seed=0), row(seed=1)]
    for r in rows:
        store.append(r)
    whole = store.path.read_bytes()
    store.path.write_bytes(whole + json.dumps(row(seed=2))[:cut].encode())
    with pytest.warns(UserWarning, match='line 3 is torn'):
        assert store.read() == rows
    assert store.path.read_bytes() == whole  # and no warning again:
    assert store.read() == rows


def test_append_after_a_torn_line(tmp_path, row):
    store = Store(tmp_path)
    store.append(row(seed=0))
    with open(store.path, 'ab') as file:
        file.write(b'{"dataset": "co')
    with pytest.warns(UserWarning, match='torn'):
        store.append(row(seed=1))
    assert [r['seed'] for r in store.read()] == [0, 1]


def test_missing_newline_loses_nothing(tmp_path, row):
    store = Store(tmp_path)
    store.append(row(seed=0))
    store.path.write_bytes(store.path.read_bytes().rstrip(b'\n'))
    store.append(row(seed=1))
    assert [r['seed'] for r in store.read()] == [0, 1]


@pytest.mark.parametrize(
    'line', [b'[1, 2]', b'{"a": 1}', b'null', b'\xff\xfe']
)
def test_lines_that_are_no_runs(tmp_path, row, line):
    store = Store(tmp_path)
    store.append(row())
    store.path.write_bytes(line + b'\n' + store.path.read_bytes())
    with pytest.warns(UserWarning, match='line 1 is torn'):
        assert store.read() == [row()]


WRITER = """
import json, sys
from benchmarks.store import Store
store, row = Store(sys.argv[1]), json.loads(sys.argv[2])
row['filler'] = 'x' * 5000
for seed in range(int(sys.argv[3]), int(sys.argv[4])):
    print(store.append({**row, 'seed': seed}), flush=True)
"""


def writer(folder, row, first, last):
    return subprocess.Popen(
        [
            sys.executable,
            '-c',
            WRITER,
            str(folder),
            json.dumps(row),
            str(first),
            str(last),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_writers(tmp_path, row):
    """Overlapping seeds: every run once, no line broken."""
    both = [writer(tmp_path, row(), 0, 30), writer(tmp_path, row(), 20, 50)]
    answers = [p.communicate()[0].split() for p in both]
    assert [p.returncode for p in both] == [0, 0]
    assert sum(a.count('True') for a in answers) == 50
    lines = (tmp_path / 'results.jsonl').read_text().splitlines()
    assert sorted(json.loads(line)['seed'] for line in lines) == [*range(50)]


def test_killed_writer(tmp_path, row):
    """What was acknowledged is there after `kill -9`."""
    process = writer(tmp_path, row(), 0, 100_000)
    acknowledged = [process.stdout.readline() for _ in range(20)]
    process.kill()
    process.wait()
    process.stdout.close()
    assert acknowledged == ['True\n'] * 20
    seeds = [r['seed'] for r in Store(tmp_path).read()]
    assert seeds[:20] == [*range(20)]
    assert len(seeds) == len(set(seeds))


def test_lock_is_free_after_a_kill(tmp_path, row):
    context = multiprocessing.get_context('spawn')
    process = context.Process(target=_hold, args=(tmp_path,))
    process.start()
    while not (tmp_path / 'held').exists():
        assert process.is_alive()
    process.kill()
    process.join()
    assert Store(tmp_path).append(row())


def _hold(folder):
    with Store(folder)._lock:
        (folder / 'held').touch()
        multiprocessing.Event().wait()
