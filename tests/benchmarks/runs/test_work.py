import subprocess
import sys
import time

import psutil
import pytest
import torch

from benchmarks.cli import main
from benchmarks.methods import spec
from benchmarks.recipes import presets
from benchmarks.runs.store import Store
from benchmarks.training import checkpoint
from benchmarks.training.checkpoint import BEST, LATEST

TORCHRUN = ('-m', 'torch.distributed.run', '--standalone')


def command(out, *more):
    return [
        *('train', '--dataset', 'digits', '--method', 'revgcn'),
        *('--depth', '3', '--out', str(out), '--device', 'cpu', *more),
    ]


def train(capsys, out, *more):
    code = main(command(out, *more))
    return code, ' '.join(capsys.readouterr().out.split())


def start(out, *more):
    return subprocess.Popen(
        [
            *(sys.executable, *TORCHRUN, '--nproc-per-node', '2'),
            *('-m', 'benchmarks', *command(out, *more)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_goes_on_after_kill_9(tmp_path):
    """Two processes; what comes out is as if nothing had happened."""
    more = ('--epochs', '40')
    whole = start(tmp_path / 'whole', *more)
    whole.communicate(timeout=300)
    assert whole.returncode == 0
    killed = tmp_path / 'killed'
    process = start(killed, *more)
    limit = time.monotonic() + 300
    while not (killed / LATEST).exists() and time.monotonic() < limit:
        time.sleep(0.01)
    torchrun = psutil.Process(process.pid)
    for each in (*torchrun.children(recursive=True), torchrun):
        each.kill()
    process.communicate()
    done = checkpoint.read(killed)['epoch']
    assert 1 <= done < 40
    assert not Store(killed).read()

    again = start(killed, *more, '--resume')
    text, _ = again.communicate(timeout=300)
    assert again.returncode == 0
    assert f'goes on after epoch {done}' in text
    (one,), (other,) = (
        Store(tmp_path / n).read() for n in ('whole', 'killed')
    )
    timed = ('date', 'seconds', 'peak_mb')
    assert {k: v for k, v in one.items() if k not in timed} == {
        k: v for k, v in other.items() if k not in timed
    }
    assert one['config']['processes'] == 2
    for name in (LATEST, BEST):
        states = [
            torch.load(tmp_path / folder / name, weights_only=True)
            for folder in ('whole', 'killed')
        ]
        models = [state.get('model', state) for state in states]
        assert models[0].keys() == models[1].keys()
        assert all(
            torch.equal(a, b)
            for a, b in zip(*(m.values() for m in models), strict=True)
        )


def test_checkpoints(capsys, tmp_path):
    code, text = train(capsys, tmp_path, '--epochs', '4')
    assert code == 0
    assert 'epoch 4 of 4: loss' in text
    (row,) = Store(tmp_path).read()
    config = presets.configure(
        'classic', 'digits', spec.parse('revgcn'), {'epochs': 4}
    )
    assert row['config'] == config  # as in a sweep
    network, _ = presets.split(config, spec.parse('revgcn'), 3)
    state = torch.load(tmp_path / BEST, weights_only=True)
    network.build(64, 10).load_state_dict(state)

    code, text = train(capsys, tmp_path, '--epochs', '4')  # nothing to do
    assert (code, 'goes on' in text) == (0, False)
    assert Store(tmp_path).read() == [row]

    code, text = train(capsys, tmp_path, '--epochs', '6')
    assert code == 2
    assert 'holds 4 epochs: --resume goes on' in text
    code, text = train(capsys, tmp_path, '--epochs', '6', '--resume')
    assert code == 0
    assert 'goes on after epoch 4' in text
    assert [r['epochs'] for r in Store(tmp_path).read()] == [4, 6]

    other = ('--resume', '--set', 'dropout=0.2', '--seed', '1')
    code, text = train(capsys, tmp_path, '--epochs', '6', *other)
    assert code == 2
    assert 'dropout was 0.1 and is 0.2; seed was 0 and is 1' in text
    code, text = train(capsys, tmp_path, '--epochs', '5', '--resume')
    assert code == 2
    assert 'holds 6 epochs, more than the 5' in text
    (tmp_path / LATEST).write_bytes(b'torn')
    code, text = train(capsys, tmp_path, '--epochs', '9', '--resume')
    assert code == 2
    assert 'is no checkpoint of this program, or is broken' in text


def test_patience_counts_what_was_before(capsys, tmp_path):
    """A run that was tired when it was killed does not train again."""
    more = ('--epochs', '30', '--set', 'patience=3', '--set', 'lr=1e-9')
    code, _ = train(capsys, tmp_path, *more)
    assert code == 0
    (row,) = Store(tmp_path).read()
    assert row['epochs'] < 30
    (tmp_path / 'results.jsonl').unlink()
    code, text = train(capsys, tmp_path, *more, '--resume')
    assert code == 0
    assert f'goes on after epoch {row["epochs"]}' in text
    (again,) = Store(tmp_path).read()
    assert (again['epochs'], again['test']) == (row['epochs'], row['test'])


@pytest.mark.parametrize('kind', ['random', 'full'])
def test_batch(capsys, tmp_path, kind):
    code, _ = train(capsys, tmp_path, '--epochs', '1', '--batch', kind)
    assert code == 0
    (row,) = Store(tmp_path).read()
    assert row['config'].get('batch', 'full') == kind


def test_diverged(capsys, tmp_path):
    code, text = train(capsys, tmp_path, '--set', 'lr=1e38')
    assert code == 1
    assert 'failed: the loss is' in text


@pytest.mark.parametrize(
    ('more', 'text'),
    [
        (('--set', 'processes=2'), 'processes is what torchrun starts'),
        (('--dataset', 'bace'), 'unknown dataset'),
        (('--dataset', 'ogbg-molbace'), 'train is for one graph'),
        (('--method', 'gcnn'), 'unknown method'),
        (('--batch', 'random', '--set', 'fanout=[2]'), 'needs parts'),
        (('--device', 'cuda:99'), 'cannot be used'),
    ],
)
def test_errors(capsys, tmp_path, more, text):
    code, out = train(capsys, tmp_path, *more)
    assert code == 2
    assert text in out
