import errno
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.errors import UsageError
from benchmarks.runs.identity import key
from benchmarks.runs.store import Store

ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize('zeros', [0, 700])
@pytest.mark.parametrize('cut', [1, 20, 200, -1])
def test_torn_line_is_repaired_by_append_only(tmp_path, row, cut, zeros):
    store = Store(tmp_path)
    rows = [row(seed=0), row(seed=1)]
    for r in rows:
        store.append(r)
    whole = store.path.read_bytes()
    torn = json.dumps(row(seed=2))[:cut].encode() + bytes(zeros)
    store.path.write_bytes(whole + torn)
    with pytest.warns(UserWarning, match='line 3 is torn'):
        assert store.read() == rows
    assert store.read() == rows  # and no warning again
    assert store.path.read_bytes() == whole + torn
    assert store.append(row(seed=2))
    assert store.read() == [*rows, row(seed=2)]
    assert store.path.read_bytes().startswith(whole)
    assert store.path.read_bytes().count(b'\n') == 3


def test_only_a_torn_line(tmp_path, row):
    store = Store(tmp_path)
    store.path.write_bytes(b'{"dataset": "co')
    with pytest.warns(UserWarning, match='line 1 is torn'):
        assert store.read() == []
    assert store.append(row())
    assert Store(tmp_path).read() == [row()]


@pytest.mark.parametrize(
    'end',
    ['\r', '', '\x00', ' // a note'],
    ids=['old', 'none', 'zero', 'note'],
)
def test_a_last_line_that_is_more_than_a_row_is_kept(tmp_path, row, end):
    """Such as rows without ends of lines, or with those of an old Mac."""
    store = Store(tmp_path)
    text = ''.join(json.dumps(row(seed=s)) + end for s in (0, 1)).encode()
    store.path.write_bytes(text)
    with pytest.raises(UsageError, match='line 1 is no JSON'):
        store.append(row())
    assert store.path.read_bytes() == text
    store.path.write_bytes(b'{ no row of ours')
    with pytest.raises(UsageError, match='line 1 is no JSON'):
        store.append(row())


def test_links_to_a_store_share_its_lock(tmp_path, row):
    here, there = Store(tmp_path / 'here'), Store(tmp_path / 'there')
    here.append(row())
    there.folder.mkdir()
    there.path.symlink_to(here.path)
    assert Store(there.folder).append(row(seed=1))
    assert [r['seed'] for r in here.read()] == [0, 1]
    names = {path.name for path in there.folder.iterdir()}
    assert names == {'results.jsonl'}


def test_missing_newline_loses_nothing(tmp_path, row):
    store = Store(tmp_path)
    store.append(row(seed=0))
    store.path.write_bytes(store.path.read_bytes().rstrip(b'\n'))
    assert Store(tmp_path).read() == [row(seed=0)]
    assert not Store(tmp_path).append(row(seed=0))
    store.append(row(seed=1))
    assert [r['seed'] for r in store.read()] == [0, 1]


FOREIGN = {
    '[1, 2]': 'no JSON object',
    '{"a": 1}': 'has no dataset',
    'null': 'no JSON object',
    'depth,mean': 'is no JSON',
    '[' * 100_000: 'nested too deeply',
    '{"a": ' * 100_000: 'nested too deeply',
}
CHANGED = [
    ({'status': None}, 'neither ok nor failed'),
    ({'status': 7}, 'neither ok nor failed'),
    ({'status': 'done'}, 'neither ok nor failed'),
    ({'depth': 'x'}, 'depth that is no int'),
    ({'depth': True}, 'depth that is no int'),
    ({'depth': 0}, 'depth that is out of range'),
    ({'seed': 1.5}, 'seed that is no int'),
    ({'method': ['gcn']}, 'method that is no str'),
    ({'test': float('nan')}, 'test that is no finite number'),
    ({'val': 'high'}, 'val that is no finite number'),
    ({'seconds': 10**400}, 'seconds that is no finite number'),
    ({'versions': {'torch': 2}}, 'versions that are no texts'),
    ({'commit': 5}, 'commit that is no str'),
]


def lines_that_are_no_runs(row):
    for line, words in FOREIGN.items():
        yield line.encode(), words
    yield b'\xff\xfe{', 'no UTF-8 text'
    for change, words in CHANGED:
        yield json.dumps({**row(), **change}).encode(), words
    deep = []
    for _ in range(50):
        deep = [deep]
    for config in (3, [], {'a': deep}):
        yield json.dumps({**row(), 'config': config}).encode(), 'a config'
    for name in ('status', 'config', 'test', 'seed'):
        less = {k: v for k, v in row().items() if k != name}
        yield json.dumps(less).encode(), f'has no {name}'


def test_lines_that_are_no_runs(tmp_path, row):
    """Passed over by number, kept in the file, the others used."""
    for number, (line, words) in enumerate(lines_that_are_no_runs(row)):
        store = Store(tmp_path / str(number))
        store.append(row(seed=5))
        store.path.write_bytes(store.path.read_bytes() + line + b'\n')
        with pytest.warns(UserWarning, match=f'no run: line 2 .*{words}'):
            assert Store(store.folder).read() == [row(seed=5)]
        with pytest.warns(UserWarning, match=f'line 2 .*{words}'):
            assert store.append(row(seed=5)) is False
        assert store.append(row(seed=0))
        assert store.read() == [row(seed=5), row(seed=0)]
        assert line + b'\n' in store.path.read_bytes()


def test_foreign_line_without_end(tmp_path, row):
    store = Store(tmp_path)
    store.append(row(seed=0))
    with open(store.path, 'ab') as file:
        file.write(b'a note')
    with pytest.warns(UserWarning, match='line 2 is no JSON: a note'):
        store.append(row(seed=1))
    assert store.path.read_bytes().split(b'\n')[1] == b'a note'
    with pytest.warns(UserWarning, match='line 2 is no JSON: a note'):
        assert Store(tmp_path).read() == [row(seed=0), row(seed=1)]


@pytest.mark.parametrize(
    'content', [b'depth,mean\n2,80.1\n', b'# Notes', b'{"a": 1}', b'1\n']
)
def test_a_file_of_something_else_is_refused(tmp_path, row, content):
    store = Store(tmp_path, 'summary.csv')
    store.path.write_bytes(content)
    for use in (store.read, lambda: store.append(row()), store.ready):
        with pytest.raises(UsageError, match='is no store of runs: line 1'):
            use()
        assert store.path.read_bytes() == content
    for command in (
        ['report', '--store', str(store.path), '--out', str(tmp_path)],
        ['verdict', str(store.path), '--out', str(tmp_path)],
    ):
        assert main(command) == 2
        assert store.path.read_bytes() == content


def test_of_an_editor_of_windows(tmp_path, row):
    store = Store(tmp_path)
    for seed in (0, 1):
        store.append(row(seed=seed))
    text = store.path.read_bytes().replace(b'\n', b'\r\n')
    store.path.write_bytes(b'\xef\xbb\xbf' + text + b'\r\n')
    assert [r['seed'] for r in store.read()] == [0, 1]
    assert store.append(row(seed=2))
    assert [r['seed'] for r in Store(tmp_path).read()] == [0, 1, 2]


def test_reading_leaves_no_trace(tmp_path, row):
    assert Store(tmp_path / 'new').read() == []
    assert not (tmp_path / 'new').exists()
    Store(tmp_path).append(row())
    (tmp_path / 'results.jsonl.lock').unlink()
    tmp_path.chmod(0o555)
    assert Store(tmp_path).read() == [row()]
    tmp_path.chmod(0o755)
    assert [p.name for p in tmp_path.iterdir()] == ['results.jsonl']


def test_what_others_wrote_is_read_on(tmp_path, row):
    """An appended, a shortened, a changed, and another file."""
    store, other = Store(tmp_path), Store(tmp_path)
    store.append(row(seed=0))
    other.append(row(seed=1))
    assert not store.append(row(seed=1))
    assert store.append(row(seed=2))
    assert [r['seed'] for r in other.read()] == [0, 1, 2]
    lines = store.path.read_bytes().splitlines(keepends=True)
    store.path.write_bytes(lines[0])
    assert [r['seed'] for r in other.read()] == [0]
    assert store.append(row(seed=1))
    store.path.write_bytes(b''.join(reversed(lines)))
    assert [r['seed'] for r in other.read()] == [2, 1, 0]
    store.path.unlink()
    assert other.read() == []
    assert store.append(row(seed=0))
    assert [r['seed'] for r in other.read()] == [0]


def test_an_append_reads_what_is_new(tmp_path, row, monkeypatch):
    store = Store(tmp_path)
    for seed in range(20):
        store.append(row(seed=seed))
    parsed = []
    monkeypatch.setattr(
        'benchmarks.runs.store._parse',
        lambda line: parsed.append(line) or (json.loads(line), None),
    )
    store = Store(tmp_path)
    assert not store.append(row(seed=7))
    assert store.append(row(seed=20))
    assert len(parsed) == 1  # of this seed
    assert len(store.read()) == len(parsed) == 21
    store.append(row(seed=21))
    assert len(parsed) == 21


def test_failed_run_does_not_replace_good_one(tmp_path, row):
    """As in two stores that were joined."""
    runs = [row(test=0.1), row(test=0.2), row(status='failed')]
    path = tmp_path / 'results.jsonl'
    path.write_text(''.join(json.dumps(r) + '\n' for r in runs))
    assert Store(tmp_path).read() == [runs[1]]


def test_only_runs_are_stored(tmp_path, row):
    with pytest.raises(UsageError, match='a test that is no finite number'):
        Store(tmp_path).append(row(test=float('nan')))
    assert not [*tmp_path.iterdir()]


def test_folder_that_is_a_file(tmp_path, row):
    store = Store(tmp_path / 'file')
    store.folder.write_text('mine')
    for use in (store.read, lambda: store.append(row()), store.ready):
        with pytest.raises(UsageError, match='file is no folder'):
            use()
    assert store.folder.read_text() == 'mine'
    (tmp_path / 'results.jsonl').mkdir()
    with pytest.raises(UsageError, match=r'results\.jsonl is no file'):
        Store(tmp_path).read()


def test_full_disk(tmp_path, row, monkeypatch):
    """What was half written is taken back."""
    store = Store(tmp_path)
    store.append(row(seed=0))
    whole = store.path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    for use in (lambda: store.append(row(seed=1)), store.ready):
        with pytest.raises(UsageError, match=r'jsonl cannot be .* No space'):
            use()
    assert store.path.read_bytes() == whole
    monkeypatch.undo()
    store.ready()
    assert store.append(row(seed=1))


WRITER = """
import json, sys
from benchmarks.runs.store import Store
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


def test_three_writers(tmp_path, row):
    """Overlapping seeds: every run once, no line broken."""
    parts = (0, 30), (20, 50), (10, 40)
    three = [writer(tmp_path, row(), *part) for part in parts]
    answers = [p.communicate()[0].split() for p in three]
    assert [p.returncode for p in three] == [0, 0, 0]
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
