from pathlib import Path

import pandas as pd
import pytest

from benchmarks import methods, presets
from benchmarks.__main__ import console, main
from benchmarks.datasets import DATASETS
from benchmarks.store import Store


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
    assert f'seed 0: test {row["test"]:.2f} (mean' in text
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
        *('points', '--dataset', 'digits', '--depths', '1,2', '--seeds', '1'),
        *('--epochs', '2', '--blocks', 'plain,res', '--jobs', '2'),
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


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('--blocks', 'ers', "unknown block 'ers': did you mean 'res'"),
        ('--dilation', 'yes', "unknown dilation 'yes': known are off, on"),
        ('--dataset', 'cora', "preset 'points' has no recipe"),
    ],
)
def test_bad_points(capsys, tmp_path, option, value, message):
    code, text = run(
        capsys, 'points', option, value, '--out', str(tmp_path / 'new')
    )
    assert (code, message in ' '.join(text.split())) == (2, True)
    assert not (tmp_path / 'new').exists()


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
        *methods.BACKBONES,
        *methods.aliases(),
        *presets.names(),
    ):
        assert name in text


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('--dataset', 'core', "unknown dataset 'core': did you mean 'cora'"),
        ('--methods', 'gcn,gccn', "unknown method 'gccn': did you mean 'gcn'"),
        ('--preset', 'clasic', "did you mean 'classic'"),
        ('--set', 'dropuot=1', "did you mean 'dropout'"),
        ('--set', 'dropout', '--set needs key=value'),
        ('--root', '/no/such/folder', 'is no folder'),
        ('--device', 'tpu', "device 'tpu' cannot be used"),
    ],
)
def test_bad_requests_do_nothing(capsys, tmp_path, option, value, message):
    code, text = depth(capsys, tmp_path, option, value)
    assert code == 2
    assert message in ' '.join(text.split())
    assert not (tmp_path / 'results.jsonl').exists()


@pytest.mark.parametrize(
    'bad', [('--seeds', '0'), ('--depths', '2,x'), ('--jobs', '-1')]
)
def test_bad_numbers(capsys, tmp_path, bad):
    with pytest.raises(SystemExit, match='2'):
        depth(capsys, tmp_path, *bad)
    capsys.readouterr()


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


def test_report_without_store(capsys, tmp_path):
    code, text = run(capsys, 'report', '--out', str(tmp_path / 'nothing'))
    assert (code, 'there is no store' in text) == (2, True)
    assert not [*tmp_path.iterdir()]
