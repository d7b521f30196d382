import errno
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.cli import main
from benchmarks.data import datasets
from benchmarks.data.datasets import DATASETS
from benchmarks.methods import backbones, spec
from benchmarks.output import console
from benchmarks.recipes import presets, spaces
from benchmarks.reports import verdict
from benchmarks.runs.store import Store

ROOT = Path(__file__).parents[3]


def run(capsys, *arguments):
    console.width = 200
    code = main([*arguments])
    return code, capsys.readouterr().out


def depth(capsys, tmp_path, *more):
    return run(
        capsys,
        *('depth', '--dataset', 'digits', '--methods', 'gcn,jknet'),
        *('--depths', '4,2', '--seeds', '2', '--epochs', '3', '--jobs', '2'),
        *('--out', str(tmp_path), *more),
    )


def test_depth_end_to_end(capsys, tmp_path):
    code, text = depth(capsys, tmp_path)
    assert code == 0
    assert 'gcn depth 2 seed 1: test' in text
    assert 'mean ± standard deviation of 2 runs' in ' '.join(text.split())
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {
        'results.jsonl',
        'summary.csv',
        'curve.png',
        'curve.svg',
        'report.md',
        'receptive_field.csv',
    }
    seen = pd.read_csv(tmp_path / 'receptive_field.csv')
    assert seen['hops'].tolist() == [0, 1, 2, 3, 4]
    assert seen['percent'].is_monotonic_increasing
    assert 'Below the curves: the share' in (
        (tmp_path / 'report.md').read_text()
    )
    rows = Store(tmp_path).read()
    assert len(rows) == 8
    assert {row['config']['epochs'] for row in rows} == {3}

    code, text = depth(capsys, tmp_path)  # again: nothing to do
    assert code == 0
    assert '8 of 8 runs are in the store' in text
    assert len(Store(tmp_path).read()) == 8

    # Another configuration beside it is another table.
    code, text = depth(capsys, tmp_path, '--set', 'dropout=0.1')
    assert code == 0
    assert len(Store(tmp_path).read()) == 16
    code, text = run(capsys, 'report', '--out', str(tmp_path))
    assert code == 2
    assert 'dropout=0.5 and dropout=0.1' in text
    code, text = run(
        capsys, 'report', '--out', str(tmp_path), '--set', 'dropout=0.1'
    )
    assert code == 0
    assert 'jknet' in text


def test_molecules(capsys, tmp_path, root):
    code, text = run(
        capsys,
        *('depth', '--dataset', 'ogbg-molesol', '--preset', 'ogb'),
        *('--methods', 'gin', '--depths', '2', '--seeds', '1'),
        *('--epochs', '1', '--root', root, '--out', str(tmp_path)),
    )
    assert code == 0
    assert 'rmse (lower is better)' in ' '.join(text.split())
    (row,) = Store(tmp_path).read()
    assert (row['metric'], row['direction']) == ('rmse', 'min')
    assert f'seed 0: test {row["test"]:.4f} (mean' in text
    summary = pd.read_csv(tmp_path / 'summary.csv')
    assert summary['mean'].item() == pytest.approx(row['test'], abs=1e-4)
    code, text = run(
        capsys,
        *('depth', '--dataset', 'ogbg-molesol', '--preset', 'ogb'),
        *('--methods', 'gin', '--probe', '--root', root),
        *('--out', str(tmp_path)),
    )
    assert code == 2
    assert 'ogbg-molesol has many' in text


def test_files_from_a_mirror(capsys, tmp_path, root):
    new = tmp_path / 'data'
    new.mkdir()
    mirror = Path(root) / 'Planetoid' / 'Cora' / 'raw'
    code, _ = run(
        capsys,
        *('depth', '--dataset', 'cora', '--methods', 'gcn', '--depths', '2'),
        *('--seeds', '1', '--epochs', '1', '--root', str(new)),
        *('--url', mirror.as_uri(), '--out', str(tmp_path / 'out')),
    )
    assert code == 0
    assert (new / 'Planetoid' / 'Cora' / 'raw' / 'ind.cora.x').is_file()


def test_points(capsys, tmp_path):
    command = (
        *('depth', '--preset', 'points', '--dataset', 'digits'),
        *('--methods', 'deepgcn+{none,res}+{none,dilated}'),
        *('--depths', '1,2', '--seeds', '1', '--epochs', '2', '--jobs', '2'),
        *('--set', 'k=3', '--set', 'hidden_channels=4', '--out'),
    )
    code, _ = run(capsys, *command, str(tmp_path))
    assert code == 0
    rows = Store(tmp_path).read()
    assert {(row['method'], row['depth']) for row in rows} == {
        (method, depth)
        for method in (
            *('deepgcn', 'deepgcn+res'),
            *('deepgcn+dilated', 'deepgcn+res+dilated'),
        )
        for depth in (1, 2)
    }
    assert {row['preset'] for row in rows} == {'points'}


def test_shards_are_the_whole_in_one_folder(capsys, tmp_path):
    """Each does its own runs, and finds none of them done."""
    done = []
    for shard in ('1/2', '2/2'):
        code, text = depth(capsys, tmp_path, '--shard', shard)
        assert (code, 'runs are in the store' in text) == (0, False)
        done.append(len(Store(tmp_path).read()))
    assert done == [4, 8]
    code, text = depth(capsys, tmp_path)
    assert (code, '8 of 8 runs are in the store' in text) == (0, True)
    assert len(Store(tmp_path).path.read_bytes().splitlines()) == 8


def test_what_is_set_for_one_method(capsys, tmp_path):
    code, _ = depth(
        capsys,
        tmp_path,
        *('--set', 'gcn:dropout=0.1', '--set', 'dropout=0.2'),
        *('--seeds', '1', '--depths', '2', '--epochs', '1'),
    )
    assert code == 0
    found = {
        row['method']: row['config']['dropout']
        for row in Store(tmp_path).read()
    }
    assert found == {'gcn': 0.1, 'jknet': 0.2}


def test_failed_runs_set_the_exit_code(capsys, tmp_path):
    code, text = depth(capsys, tmp_path, '--set', 'lr=1e30')
    assert code == 1
    assert '8 runs failed' in text
    assert {row['status'] for row in Store(tmp_path).read()} == {'failed'}


def test_resumed_mean_counts_stored_runs(capsys, tmp_path):
    depth(capsys, tmp_path)
    code, text = depth(capsys, tmp_path, '--seeds', '3')
    assert code == 0
    assert text.count('of 3), 3 epochs') == 4


def test_failed_runs_are_done_again_on_request(capsys, tmp_path):
    depth(capsys, tmp_path, '--set', 'lr=1e30')
    code, text = depth(capsys, tmp_path, '--set', 'lr=1e30', '--retry-failed')
    assert (code, text.count('failed: ')) == (1, 8)
    assert 'runs are in the store' not in text


def test_brackets_in_an_error_are_text(capsys, tmp_path):
    code, text = depth(capsys, tmp_path, '--preset', '[/red]')
    assert (code, "unknown preset '[/red]'" in text) == (2, True)


def test_list(capsys):
    code, text = run(capsys, 'list')
    assert code == 0
    for name in (
        *DATASETS,
        *backbones.BACKBONES,
        *spec.aliases(),
        *presets.names(),
        *spaces.names(),
    ):
        assert name in text


def python(code):
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_list_loads_no_torch(tmp_path):
    """Nor what another package brings, whose names it shows."""
    brought = tmp_path / 'other-1.dist-info'
    brought.mkdir()
    (brought / 'METADATA').write_text('Name: other\nVersion: 1\n')
    (brought / 'entry_points.txt').write_text(
        '[pyg_ext.datasets]\ntheir-data = other:data\n'
        '[pyg_ext.methods]\ntheir-net = other:Net\n'
    )
    text = python(
        'import sys\n'
        f'sys.path.append({str(tmp_path)!r})\n'
        'from benchmarks.cli import main\n'
        'assert main(["list"]) == 0\n'
        'assert main(["list", "presets", "--dataset", "cora"]) == 0\n'
        'print({"torch", "numpy", "pyg_ext", "other"} & {*sys.modules})'
    )
    for name in ('gcnii', '+pool-sag', 'their-data', 'their-net'):
        assert name in text
    assert text.endswith('set()\n')


WRONG = {
    'depth': [
        ('--depths', '', "as in 2,4,8 (got '')"),
        ('--depths', '2..8', 'whole numbers from 1 to 10000 with commas'),
        ('--depths', 'a', "(got 'a')"),
        ('--depths', '2.5', "(got '2.5')"),
        ('--depths', '0', "(got '0')"),
        ('--depths', '2,,4', "(got '2,,4')"),
        ('--depths', '9' * 30, 'whole numbers from 1 to 10000'),
        ('--methods', '', "a name is missing in ''"),
        ('--methods', ',', "a name is missing in ','"),
        ('--methods', 'gcn appnp', 'commas must separate names'),
        ('--methods', 'gcn,,appnp', "a name is missing in 'gcn,,appnp'"),
        ('--methods', 'gcn+', "a part of the method 'gcn+' is missing"),
        ('--methods', '+res', "a part of the method '+res' is missing"),
        ('--methods', 'gcn+res+res', "'res' stands twice"),
        ('--methods', 'GCCN', "unknown method 'GCCN': did you mean 'gcn'"),
        ('--methods', 'appnp+res', "appnp has no remedy 'res'"),
        ('--methods', 'incepgcn', 'num_layers must be at least 2 (got 1)'),
        ('--dataset', 'core', "unknown dataset 'core': did you mean 'cora'"),
        ('--dataset', 'cora,digits', "unknown dataset 'cora,digits'"),
        ('--dataset', 'rings', "unknown dataset 'rings': known are"),
        ('--dataset', 'Cora:distance=6', 'has no options (got distance=6)'),
        ('--preset', 'points', "no recipe for 'gcn' on digits: it has deepgc"),
        ('--preset', 'gdc', 'for digits there is classic, graphsage, points'),
        ('--preset', 'clasic', "did you mean 'classic'"),
        ('--protocol', 'gdc', "unknown protocol of digits 'gdc'"),
        ('--protocol', 'gdc-lcc', "unknown protocol of digits 'gdc-lcc'"),
        ('--augment', 'ppr heat', 'commas must separate names'),
        ('--augment', 'pr', "unknown kind of edges 'pr': did you mean 'ppr'"),
        ('--out', 'FILE', 'must be a folder, and'),
        ('--out', 'FILE/below', 'must be a folder, and'),
        ('--out', '', "must be a folder (got '')"),
        ('--set', '=3', "must be KEY=VALUE (got '=3')"),
        ('--set', 'x', "must be KEY=VALUE (got 'x')"),
        ('--set', 'dropuot=1', "key of gcn 'dropuot': did you mean 'dropout'"),
        ('--set', 'Dropout=0.1', "did you mean 'dropout'"),
        ('--set', 'lr={', 'is no valid YAML'),
        ('--set', 'lr=' + '[' * 9999, 'is no valid YAML'),
        ('--set', 'lr=!!python/name:os.system', 'is no valid YAML'),
        ('--set', 'hidden_channels=abc', 'a whole number of at least 1'),
        ('--set', 'hidden_channels=3.5', 'at least 1 (got 3.5)'),
        ('--set', 'hidden_channels=0', 'at least 1 (got 0)'),
        ('--set', 'hidden_channels=-1', 'at least 1 (got -1)'),
        ('--set', 'hidden_channels=true', 'at least 1 (got True)'),
        ('--set', 'hidden_channels=', 'at least 1 (got None)'),
        ('--set', 'alpha=a', 'alpha must be a number in [0, 1], or nothing'),
        ('--set', 'alpha=0.1', 'alpha needs skip='),
        ('--set', 'dropout=2', 'dropout must be a number in [0, 1] (got 2)'),
        ('--set', 'dropout=.nan', 'a number in [0, 1] (got nan)'),
        ('--set', 'skip_node=-1', 'a number in [0, 1] (got -1)'),
        ('--set', 'theta=0', 'theta must be a positive number'),
        ('--set', 'lr=nan', "lr must be a positive number (got 'nan')"),
        ('--set', 'lr=.inf', 'lr must be a positive number (got inf)'),
        ('--set', 'epochs=1e3', 'a whole number of at least 1 (got 1000.0)'),
        ('--set', 'skip=rse', 'skip must be one of None, res, '),
        ('--set', 'jk=mean', "jk must be 'last', 'cat', 'max' or 'lstm'"),
        ('--set', 'batch=[1]', "batch must be 'random', "),
        ('--set', 'augment=3', "unknown key of gcn 'augment'"),
        ('--set', 'weight_decay={1: 2}', 'one for each prefix'),
        ('--set', 'processes=2', 'is what torchrun starts'),
        ('--set', 'gcn:processes=2', 'is what torchrun starts'),
        ('--set', 'mlp:dropout=0.1', 'mlp:dropout is for a method that is no'),
        ('--device', 'tpu', "device 'tpu' cannot be used: cpu, cuda, "),
        ('--device', '', "device '' cannot be used"),
        ('--seeds', '0', "a whole number from 1 to 1000 (got '0')"),
        ('--seeds', '1e3', "a whole number from 1 to 1000 (got '1e3')"),
        ('--jobs', '-1', "must be a whole number from 0 to 1024 (got '-1')"),
        ('--shard', '3/2', 'must be I/N with I from 1 to N, as in 1/4 (got'),
        ('--shard', '0/2', "(got '0/2')"),
        ('--epochs', '2.5', "(got '2.5')"),
        ('--url', 'mirror/cora', "as in https://host/folder (got 'mirror/co"),
        ('--url', 'http://', "(got 'http://')"),
        ('--root', '/no/such/folder', 'is no folder'),
        ('--bogus', '1', 'unrecognized arguments: --bogus 1'),
    ],
    'train': [
        ('--depth', '0', "a whole number from 1 to 10000 (got '0')"),
        ('--depth', '2,4', "(got '2,4')"),
        ('--seed', '-1', "a whole number from 0 to 4294967295 (got '-1')"),
        ('--seed', str(2**32), 'a whole number from 0 to 4294967295'),
        ('--method', 'gcn,mlp', "one method is meant (got 'gcn,mlp')"),
        (
            '--dataset',
            'ogbg-molesol',
            'train is for one graph, and ogbg-molesol has many',
        ),
        ('--batch', 'half', "invalid choice: 'half'"),
    ],
    'augment': [
        ('--models', '', 'a name is missing'),
        ('--models', 'gcn gat', 'commas must separate names'),
        ('--models', 'gcn+ppr', "'ppr' stands twice"),
        ('--models', 'sgc', "preset 'augment' has no recipe for 'sgc'"),
        ('--dataset', 'digits', 'it is for cora, citeseer, pubmed'),
        ('--augment', 'drop', 'unknown kind of edges'),
        ('--seeds', '1001', 'a whole number from 1 to 1000'),
    ],
    'report': [
        ('--set', 'lr', "must be KEY=VALUE (got 'lr')"),
        ('--store', '/no/such/store', 'there is no store'),
    ],
}


def refuse(*args, **kwargs):
    raise AssertionError('data are loaded')


@pytest.mark.parametrize(
    ('command', 'option', 'value', 'message'),
    [(command, *row) for command, rows in WRONG.items() for row in rows],
)
def test_wrong_calls(
    capsys, tmp_path, monkeypatch, command, option, value, message
):
    """One line that says what is wrong, before any data are loaded."""
    monkeypatch.setattr(datasets, 'load', refuse)
    file = tmp_path / 'file'
    file.touch()
    call = [command, '--out', str(tmp_path / 'new')]
    if command in ('depth', 'train'):
        call += ['--dataset', 'digits']
    if command == 'depth':
        call += ['--methods', 'gcn', '--depths', '1']
    value = value.replace('FILE', str(file))
    code, text = run(capsys, *call, option, value)
    assert code == 2
    assert text.startswith('error: ')
    assert text.count('\n') == 1
    assert message in text
    assert [*tmp_path.iterdir()] == [file]


POINTS = 'depth --preset points --methods deepgcn'
PROTEINS = 'depth --preset ogb --dataset ogbn-proteins --methods revgcn'


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        ('depth --augment ppr --set augment=3', 'augment must be keys with'),
        ('depth --augment ppr --set augment=[k]', 'augment must be keys with'),
        ('depth --augment ppr --set augment={k:a}', "key of augment 'k:a'"),
        ('depth --augment ppr --set augment={"k":0}', 'k must be a whole num'),
        ('depth --augment ppr --set augment={"p":1}', "key of augment 'p'"),
        ('depth --augment walk --set augment={"k":1.5}', '(got 1.5)'),
        ('depth --augment dropedge --set augment={"p":2}', 'in [0, 1] (got 2'),
        ('depth --set lr=1 --set lr=2', '--set gives lr twice (got 1 and 2)'),
        ('depth --set epochs=3 --epochs 4', 'epochs is given twice'),
        ('train --set batch=saint --batch full', 'batch is given twice'),
        ('depth --address x:1', 'an address is for engine ray (got x:1)'),
        (f'{PROTEINS} --probe', 'a probe is for classes, and ogbn-proteins'),
        (f'{PROTEINS} --set loss=log', 'loss=log is for classes, and ogbn-pr'),
        ('depth --preset classic --dataset ogbg-molesol', 'there is ogb'),
        (
            'depth --preset graphsage --methods sage+unsupervised --probe',
            'sage+unsupervised gives an embedding',
        ),
        (
            f'{PROTEINS}+unsupervised --set batch=full',
            'judged by a classifier, and ogbn-proteins by rocauc',
        ),
        (
            'depth --preset graphsage --methods node2vec --depths 2,30',
            'a walk of 20 steps are 30 apart',
        ),
        (f'{POINTS} --probe', 'a probe needs a graph, and deepgcn has none'),
        (f'{POINTS}+ers', "unknown remedy 'ers': did you mean 'res'"),
        (f'{POINTS}+{{}}', "a part of the method 'deepgcn+' is missing"),
        (f'{POINTS} --dataset cora', "preset 'points' has no recipe"),
        (f'{POINTS} --set k=0', 'k must be a whole number of at least 1 (go'),
        (f'{POINTS} --set conv=gcn', 'conv must be one of edge, mr'),
        (
            f'{POINTS} --set batch_size=2',
            'nothing of a batch (got batch_size)',
        ),
        (
            f'{POINTS} --set row_normalize=true --dataset pointclouds',
            'is for one graph, and pointclouds has many',
        ),
        ('depth --methods revgcn --set jk=[a]', 'a list of whole numbers'),
        ('depth --methods revgcn --set num_groups=3', 'a multiple of num_gr'),
        ('depth --methods gat --set heads=0', 'heads must be a whole number'),
        ('depth --methods appnp --set alpha=a', 'alpha must be a number in'),
    ],
)
def test_wrong_together(capsys, tmp_path, monkeypatch, call, message):
    monkeypatch.setattr(datasets, 'load', refuse)
    out = tmp_path / 'new'
    command, *more = call.split()
    code, text = run(
        capsys, *(command, '--dataset', 'digits', '--out', str(out)), *more
    )
    assert (code, text.count('\n'), text[:7]) == (2, 1, 'error: ')
    assert message in text
    assert not out.exists()


@pytest.mark.parametrize('call', ['', 'foo', 'speed', 'speed foo', 'list x'])
def test_no_command(capsys, call):
    code, text = run(capsys, *call.split())
    assert (code, text.count('\n'), text[:7]) == (2, 1, 'error: ')


@pytest.mark.parametrize(
    ('visible', 'device', 'message'),
    [
        (0, 'cuda', "device 'cuda' cannot be used: PyTorch finds no GPU here"),
        (0, 'cuda:7', 'PyTorch finds no GPU here'),
        (2, 'cuda:7', 'of the GPUs here, the last is 1'),
    ],
)
@pytest.mark.parametrize('call', ['depth', 'augment', 'speed parts'])
def test_devices_that_are_not_there(
    capsys, tmp_path, monkeypatch, visible, device, message, call
):
    monkeypatch.setattr(datasets, 'load', refuse)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: visible)
    out = [] if call.startswith('speed') else ['--out', str(tmp_path / 'new')]
    code, text = run(capsys, *call.split(), '--device', device, *out)
    assert (code, text.count('\n')) == (2, 1)
    assert message in text


def test_names_in_any_case(capsys, tmp_path):
    """Rows have the names as the tables have them."""
    code, _ = run(
        capsys,
        *('depth', '--dataset', 'Digits', '--preset', 'Classic'),
        *('--methods', 'GCN,GCN+Jump,gcn', '--augment', 'None'),
        *('--depths', '2', '--seeds', '1', '--epochs', '1', '--jobs', '1'),
        *('--device', 'CPU', '--out', str(tmp_path)),
    )
    assert code == 0
    found = [
        (row['dataset'], row['preset'], row['method'])
        for row in Store(tmp_path).read()
    ]
    assert sorted(found) == [
        ('digits', 'classic', 'gcn'),
        ('digits', 'classic', 'jknet'),
    ]
    code, text = run(capsys, 'report', '--out', str(tmp_path), '--set', 'l=7')
    assert (code, f'unknown key in {tmp_path}' in text) == (2, True)
    code, text = run(
        capsys, 'report', '--out', str(tmp_path), '--dataset', 'DIGITS'
    )
    assert code == 0


def test_errors_of_the_system_are_one_line(capsys, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, 'No space left on device', 'a.csv')

    monkeypatch.setattr(verdict, 'write', full)
    code, text = run(capsys, 'verdict', '--out', str(tmp_path))
    assert (code, text) == (2, 'error: a.csv: No space left on device\n')


def test_stopped_while_data_are_loaded(capsys, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, 'load', stop)
    code, text = depth(capsys, tmp_path)
    assert (code, text) == (130, 'stopped\n')


@pytest.mark.parametrize(
    ('call', 'code'),
    [('--help', 0), ('depth --help', 0), ('depth --dephts 2', 2)],
)
def test_nothing_slow_is_loaded_for_a_word(call, code):
    done = subprocess.run(
        [
            sys.executable,
            '-X',
            'importtime',
            '-m',
            'benchmarks',
            *call.split(),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    lines = done.stderr.splitlines()
    loaded = {line.rpartition('|')[2].strip() for line in lines}
    assert done.returncode == code
    assert 'benchmarks.cli' in loaded
    assert not loaded & {'torch', 'pandas'}


def test_a_pipe_that_nobody_reads():
    done = subprocess.run(
        f'{sys.executable} -m benchmarks list | head -1',
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.count('\n') == 1
    assert 'Traceback' not in done.stderr


def test_a_store_that_is_taken_away(capsys, tmp_path, monkeypatch):
    """While the sweep runs: what is left is not all."""
    add = Store.append

    def take_away(store, row):
        store.path.unlink(missing_ok=True)
        return add(store, row)

    monkeypatch.setattr(Store, 'append', take_away)
    code, text = depth(capsys, tmp_path)
    assert code == 2
    assert '7 of 8 runs were done and are gone from' in text
    assert not (tmp_path / 'report.md').exists()


@pytest.mark.parametrize(
    ('screen', 'code', 'said'),
    [('>&-', 0, ''), ('>/dev/full', 2, 'error: No space left on device')],
)
def test_a_screen_that_takes_nothing(screen, code, said):
    line = f'"{sys.executable}" -m benchmarks list {screen}; echo $? >&2'
    done = subprocess.run(['sh', '-c', line], stderr=subprocess.PIPE)
    *lines, last = done.stderr.decode().splitlines()
    assert 'Traceback' not in done.stderr.decode()
    assert (lines[:1] or [''])[0] == said
    assert int(last) in (code, 120)  # what Python says of a full screen


def test_report_of_another_store(capsys, tmp_path, row):
    Store(tmp_path, 'kept.jsonl').append(row())
    out = tmp_path / 'new'
    path = str(tmp_path / 'kept.jsonl')
    code, _ = run(capsys, 'report', '--store', path, '--out', str(out))
    assert code == 0
    assert (out / 'curve.png').exists()
    code, text = run(
        capsys, 'report', '--store', path, '--out', str(out), '--set', 'lr=7'
    )
    assert (code, 'no run' in text) == (2, True)


def test_report_of_some_methods(capsys, tmp_path, row):
    store = Store(tmp_path)
    for method in ('gcn', 'appnp', 'sgc'):
        store.append(row(method=method))
    report = ('report', '--out', str(tmp_path), '--methods')
    code, text = run(capsys, *report, 'GCN,sgc')
    assert (code, 'appnp' in text) == (0, False)
    assert 'left out: 1 runs' in text
    assert {*pd.read_csv(tmp_path / 'summary.csv')['method']} == {'gcn', 'sgc'}
    code, text = run(capsys, *report, 'gcnii')
    assert (code, 'unknown method in' in text) == (2, True)


def test_report_without_store(capsys, tmp_path):
    code, text = run(capsys, 'report', '--out', str(tmp_path / 'nothing'))
    assert (code, 'there is no store' in text) == (2, True)
    assert not [*tmp_path.iterdir()]


def test_graphs(capsys, tmp_path, root):
    command = (
        *('graphs', '--dataset', 'mutag', '--pool', 'mean,diffpool'),
        *('--depths', '2,3', '--folds', '2', '--jobs', '0', '--epochs', '2'),
        *('--root', root, '--out', str(tmp_path)),
    )
    code, text = run(capsys, *command)
    assert code == 0
    assert 'gcn+pool-diffpool' in text
    lines = pd.read_csv(tmp_path / 'selection.csv')
    assert lines['method'].tolist() == [
        'gcn+pool-diffpool',
        'gcn+pool-mean',
        'the best of all',
    ]
    assert lines['splits'].tolist() == [2, 2, 2]
    code, text = run(capsys, 'graphs', '--pool', 'mean,max2')
    assert code == 2
    assert 'unknown pooling' in text


def test_seeds_of_graphs_are_folds(capsys):
    command = ('graphs', '--dataset', 'mutag', '--out', 'out')
    code, text = run(capsys, *command, '--seeds', '3')
    assert code == 2
    assert "--seeds: here they are called --folds (got '3')" in text
    with pytest.raises(SystemExit) as stop:
        main(['graphs', '--help'])
    assert stop.value.code == 0
    text = ' '.join(capsys.readouterr().out.split())
    assert '--folds N folds 0 to N-1, in place of --seeds; on data' in text
    assert '--seeds N' not in text


@pytest.mark.parametrize(
    ('dataset', 'method', 'message'),
    [
        ('cora', 'gcn+pool-sum', 'whole graphs, and cora has labels of nodes'),
        ('mutag', 'gin+pool-diffpool', 'which GIN does not know'),
        ('mutag', 'appnp+pool-sum', "appnp has no remedy 'pool-sum'"),
        ('mutag', 'gcn+pool-sum+pool-max', 'excludes another'),
    ],
)
def test_pools_that_do_not_fit(
    capsys, root, tmp_path, dataset, method, message
):
    code, text = run(
        *(capsys, 'depth', '--dataset', dataset, '--methods', method),
        *('--depths', '2', '--root', root, '--out', str(tmp_path)),
    )
    assert code == 2
    assert message in text
