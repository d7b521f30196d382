import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.errors import UsageError
from benchmarks.training import checkpoint
from benchmarks.training.checkpoint import BEST, LATEST, Journal
from benchmarks.training.distributed import ALONE

ROOT = Path(__file__).parents[3]
RUN = {'seed': 0, 'config': {'epochs': 5, 'select': 'loss'}}
GOAL = {'goal': 1.0, 'epoch': 1, 'train': 1.0, 'val': 0.5, 'test': 0.5}
BESTS = dict.fromkeys(checkpoint.GOALS, GOAL)


def start(folder, width=2):
    """A network after a step, and what writes its checkpoints."""
    model = torch.nn.Linear(width, 1)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, width)).sum().backward()
    optimizer.step()
    return model, optimizer, Journal(folder, RUN, True, ALONE, print)


@pytest.fixture
def state(tmp_path):
    """A checkpoint, as it is written."""
    model, optimizer, book = start(tmp_path)
    book.end(1, model, optimizer, BESTS, 'loss 1')
    return torch.load(tmp_path / LATEST, weights_only=True)


def test_round_trip(tmp_path, state):
    model, optimizer, book = start(tmp_path)
    assert book.begin(model, optimizer) == (1, BESTS)
    assert torch.equal(model.weight, state['model']['weight'])
    assert {p.name for p in tmp_path.iterdir()} == {LATEST, BEST}


def foreign(state):
    """What is no checkpoint of this program, and of what it speaks."""
    model, run = state['model'], json.loads(state['run'])
    yield model, 'no run'
    yield [1], 'no dictionary .got list'
    yield torch.ones(3), 'no dictionary .got Tensor'
    yield Path('x'), 'broken: it asks for more than tensors and plain contai'
    yield {**state, 'epoch': 'two'}, 'no epoch'
    yield {**state, 'seconds': None}, 'no seconds'
    yield {**state, 'best': {}}, 'no best epoch by loss'
    yield {**state, 'best': {**BESTS, 'last': {}}}, 'no best epoch by last'
    for epoch in (0, 2, 0.5):
        best = {**BESTS, 'last': {**GOAL, 'epoch': epoch}}
        yield {**state, 'best': best}, 'best epoch by last is out of range'
    yield {**state, 'epoch': -1}, 'its epoch or seconds are out of range'
    yield {**state, 'seconds': float('nan')}, 'its epoch or seconds are out'
    yield {**state, 'run': '{'}, 'is broken'
    yield {**state, 'run': '7'}, 'no config'
    yield {**state, 'run': json.dumps({**run, 'config': 3})}, 'no config'
    yield {**state, 'model': {}}, 'does not fit this model: .*Missing key'
    bigger = {k: v.repeat(2, 2) for k, v in model.items()}
    yield {**state, 'model': bigger}, 'not fit this model: .*size mismatch'
    yield {**state, 'optimizer': {}}, 'does not fit this model'


def test_foreign_files(tmp_path, state):
    for content, words in foreign(state):
        torch.save(content, tmp_path / LATEST)
        with pytest.raises(UsageError, match=words) as error:
            start(tmp_path)[2].begin(*start(tmp_path)[:2])
        assert str(tmp_path / LATEST) in str(error.value)
        assert '\n' not in str(error.value)
    torch.save(state, tmp_path / LATEST)
    wider = {**state, 'model': torch.nn.Linear(3, 1).state_dict()}
    torch.save(wider, tmp_path / LATEST)
    model, optimizer, book = start(tmp_path, 3)
    with pytest.raises(UsageError, match='exp_avg of the optimizer must hav'):
        book.begin(model, optimizer)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('exp_avg', torch.tensor(1.0)),
        ('exp_avg_sq', None),
        ('exp_avg', 1.0),
        ('step', torch.ones(2)),
    ],
)
def test_a_state_that_a_step_would_reach_beyond(tmp_path, state, name, value):
    state['optimizer']['state'][0][name] = value
    torch.save(state, tmp_path / LATEST)
    model, optimizer, book = start(tmp_path)
    with pytest.raises(UsageError, match=f'{name} of the optimizer must have'):
        book.begin(model, optimizer)


def test_the_recipe_is_not_that_of_the_file(tmp_path, state):
    state['optimizer']['param_groups'][0]['lr'] = 'high'
    torch.save(state, tmp_path / LATEST)
    model, optimizer, book = start(tmp_path)
    book.begin(model, optimizer)
    assert optimizer.param_groups[0]['lr'] == 1e-3
    assert optimizer.param_groups[0]['params'] == [*model.parameters()]


@pytest.mark.parametrize('size', [0, 1, 100, -10])
def test_torn_files(tmp_path, state, size):
    path = tmp_path / LATEST
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UsageError, match=r'checkpoint\.pt is no checkpoint'):
        checkpoint.read(tmp_path)


def test_what_cannot_be_written(tmp_path):
    (tmp_path / BEST).mkdir()
    model, optimizer, book = start(tmp_path)
    with pytest.raises(UsageError, match=r'best\.pt cannot be written: Is a'):
        book.end(1, model, optimizer, BESTS, 'loss 1')
    assert [p.name for p in tmp_path.iterdir()] == [BEST]
    (tmp_path / LATEST).mkdir()
    with pytest.raises(UsageError, match=r'checkpoint\.pt is no checkpoint'):
        checkpoint.read(tmp_path)
    with (
        pytest.raises(UsageError, match='is no folder'),
        checkpoint.hold(Path(__file__)),
    ):
        pass


HOLDER = """
import sys, time
from benchmarks.training.checkpoint import hold
with hold(sys.argv[1]):
    print('held', flush=True)
    time.sleep(600)
"""


def test_one_training_at_a_time(tmp_path, monkeypatch):
    """Until the other is done, or dead."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLDER, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == 'held\n'

    def refused():
        with (
            pytest.raises(UsageError, match='is in use by process') as error,
            checkpoint.hold(tmp_path),
        ):
            pass
        return str(error.value)

    monkeypatch.delenv('WORLD_SIZE', raising=False)
    monkeypatch.delenv('SLURM_NTASKS', raising=False)
    assert f'process {process.pid} on {os.uname().nodename}' in refused()
    monkeypatch.setenv('SLURM_NTASKS', '2')
    assert 'srun started 2 tasks' in refused()
    assert 'torchrun' in refused()
    process.kill()
    process.communicate()
    with checkpoint.hold(tmp_path):
        pass
    with checkpoint.hold(tmp_path):
        pass


def test_best_parameters_that_are_gone(tmp_path, state):
    (tmp_path / BEST).unlink()
    model, optimizer, book = start(tmp_path)
    with pytest.warns(UserWarning, match=r'best\.pt is missing'):
        assert book.begin(model, optimizer) == (1, BESTS)
