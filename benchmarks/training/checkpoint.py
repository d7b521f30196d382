"""What a long training leaves behind, to go on from and to look at."""

import json
import math
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch_geometric import seed_everything

from ..errors import UsageError, reason
from ..output import make_folder, replacing
from .distributed import Team

LATEST, BEST = 'checkpoint.pt', 'best.pt'
IN_USE = 'checkpoint.lock'
HOLDS = {  # a checkpoint, and of which types
    'run': str,
    'epoch': int,
    'best': dict,
    'seconds': float,
    'model': dict,
    'optimizer': dict,
}
GOALS = ('loss', 'metric', 'last')
BEST_HOLDS = ('goal', 'epoch', 'train', 'val', 'test')
MAY_CHANGE = ('epochs',)  # in a configuration, from one start to the next


class Journal:
    """Writes a checkpoint after each epoch.

    What is random in an epoch depends on the seed, on the epoch and on the
    process, and on nothing before, so that a training that goes on from a
    checkpoint gives what it would have given without a stop.

    Args:
        folder: Holds ``checkpoint.pt``, the last state, and ``best.pt``, the
            parameters of the best epoch. Both can be read by
            ``torch.load(..., weights_only=True)``.
        run: What the store knows of the run before it: the checkpoint of
            another one is not gone on from.
        resume: Whether to go on from a checkpoint that is there.
        team: The processes; the first one reads and writes.
        say: Prints a line.
    """

    def __init__(
        self,
        folder: str | Path,
        run: dict[str, Any],
        resume: bool,
        team: Team,
        say: Callable[[str], None],
    ):
        self.folder = Path(folder)
        self.run = run
        self.resume = resume
        self.team = team
        self.say = say
        self.earlier = 0.0  # seconds of earlier starts
        self.start = time.perf_counter()

    def begin(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        moved: bool = False,
    ) -> tuple[int, dict[str, dict[str, Any]]]:
        """Takes up a checkpoint, if there is one.

        Args:
            model: What is trained.
            optimizer: What trains it.
            moved: Whether the learning rate is that of the checkpoint, since
                training has changed it, and not that of the recipe.

        Returns:
            The epochs that are done, and the best of them.

        Raises:
            UsageError: If a checkpoint is there and is not to be gone on
                from, or is one of another run, or cannot be read, or does
                not fit the model.
        """
        state = self.team.agree(self._take_up)
        if state is None:
            return 0, {}
        ours = [{**group} for group in optimizer.param_groups]
        try:
            model.load_state_dict(state['model'])
            optimizer.load_state_dict(state['optimizer'])
            _check_state(optimizer)
        except Exception as error:  # of whatever a foreign state holds
            text = ' '.join(str(error).split())[:200]
            raise UsageError(
                f'{self.folder / LATEST} does not fit this model: {text}'
            ) from error
        for group, own in zip(optimizer.param_groups, ours, strict=True):
            if moved:
                del own['lr']
            group.update(own)  # of the recipe, whatever the file says
        self.earlier = state['seconds']
        self.say(f'goes on after epoch {state["epoch"]}')
        return state['epoch'], state['best']

    def _take_up(self) -> dict[str, Any] | None:
        state = read(self.folder)
        if state is None:
            return None
        path, done = self.folder / LATEST, state['epoch']
        if not self.resume:
            raise UsageError(
                f'{path} holds {done} epochs: --resume goes on from there, '
                f'another --out begins anew'
            )
        other = _flat(json.loads(state['run']))
        here = _flat(json.loads(json.dumps(self.run)))
        differ = [
            f'{name} was {other.get(name)!r} and is {here.get(name)!r}'
            for name in sorted({*other, *here})
            if other.get(name) != here.get(name) and name not in MAY_CHANGE
        ]
        if differ:
            raise UsageError(f'{path} is of another run: {"; ".join(differ)}')
        if done > here['epochs']:
            raise UsageError(
                f'{path} holds {done} epochs, more than the {here["epochs"]} '
                f'that are asked for'
            )
        if not (self.folder / BEST).is_file():
            warnings.warn(
                f'{self.folder / BEST} is missing, and is written again only '
                f'if an epoch is better than all so far',
                stacklevel=2,
            )
        return state

    def seed(self, number: int) -> None:
        """Makes the next epoch independent of all before it."""
        entropy = [self.run['seed'], number, self.team.rank]
        words = np.random.SeedSequence(entropy).generate_state(1)
        seed_everything(int(words[0]))

    def end(
        self,
        number: int,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        best: dict[str, dict[str, Any]],
        line: str,
    ) -> None:
        """Writes what is needed to go on after an epoch."""
        if self.team.rank > 0:
            return
        epochs, select = (self.run['config'][k] for k in ('epochs', 'select'))
        if best[select]['epoch'] == number:
            _write(model.state_dict(), self.folder / BEST)
        state = {
            'run': json.dumps(self.run, sort_keys=True),
            'epoch': number,
            'best': best,
            'seconds': self.earlier + time.perf_counter() - self.start,
            'model': model.state_dict(),
            'optimizer': optimizer.state_dict(),
        }
        _write(state, self.folder / LATEST)
        if number % max(1, epochs // 20) == 0 or number == epochs:
            self.say(f'epoch {number} of {epochs}: {line}')


def read(folder: str | Path) -> dict[str, Any] | None:
    """The checkpoint in a folder, on the CPU; none if there is none.

    Raises:
        UsageError: If it cannot be read, or is something else.
    """
    path = Path(folder) / LATEST
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
        wrong = _fault(state)
    except Exception as error:  # of whatever library reads a part of it
        wrong = reason(error)
        if 'weights_only' in str(
            error
        ):  # the advice to run what is in the file
            wrong = 'it asks for more than tensors and plain containers'
    if wrong is not None:
        raise UsageError(
            f'{path} is no checkpoint of this program, or is broken: {wrong}'
        )
    return state


def _fault(state: Any) -> str | None:
    """What keeps something from being a checkpoint, in words."""
    if not isinstance(state, dict):
        return f'it holds no dictionary (got {type(state).__name__})'
    for name, kind in HOLDS.items():
        if not isinstance(state.get(name), kind):
            return f'it has no {name}, or one of another type'
    if state['epoch'] < 1 or not 0 <= state['seconds'] < math.inf:
        return 'its epoch or seconds are out of range'
    run = json.loads(state['run'])
    if not isinstance(run, dict) or not isinstance(run.get('config'), dict):
        return 'its run has no config'
    for goal in GOALS:
        best = state['best'].get(goal)
        if not isinstance(best, dict) or any(
            not isinstance(best.get(name), float | int) for name in BEST_HOLDS
        ):
            return f'it has no best epoch by {goal}'
        if best['epoch'] not in range(1, state['epoch'] + 1):
            return f'its best epoch by {goal} is out of range'
    return None


def _check_state(optimizer: torch.optim.Optimizer) -> None:
    """Which loading does not: a step would read and write beyond what is too
    small.
    """
    one = torch.nn.Parameter(torch.zeros(()))
    one.grad = torch.zeros(())
    like = type(optimizer)([one])
    like.step()
    for parameter, values in optimizer.state.items():
        for name in like.state[one]:
            value = values.get(name)
            found = [*value.shape] if torch.is_tensor(value) else value
            meant = [] if name == 'step' else [*parameter.shape]
            if found != meant:
                raise ValueError(
                    f'{name} of the optimizer must have shape {meant} (got '
                    f'{found})'
                )


@contextmanager
def hold(folder: str | Path) -> Iterator[None]:
    """Keeps other trainings out of a folder. The lock ends with the process,
    however that ends; its file stays and is in nobody's way.

    Raises:
        UsageError: If another process has it, or it cannot be written.
    """
    path = make_folder(folder) / IN_USE
    holder = _holder(path)  # before an attempt, which may empty the file
    me = f'process {os.getpid()} on {socket.gethostname()}'
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(path, timeout=0))
            path.write_text(me, encoding='utf-8')
        except Timeout:
            raise UsageError(
                f'{folder} is in use by {holder}, which writes its '
                f'checkpoint there: choose another --out, or wait{_hint()}'
            ) from None
        except (OSError, NotImplementedError) as error:
            raise UsageError(
                f'{folder} cannot be written: {reason(error)}'
            ) from error
        yield


def _holder(path: Path) -> str:
    """Who has the lock, as far as its file says so."""
    try:
        text = path.read_text(encoding='utf-8', errors='replace')[:200]
    except OSError:
        text = ''
    return text.strip() or 'another process'


def _hint() -> str:
    """Of trainings that should be one."""
    tasks = os.environ.get('SLURM_NTASKS', '1')
    if tasks == '1' or 'WORLD_SIZE' in os.environ:
        return ''
    return (
        f'. srun started {tasks} tasks that know nothing of each other: '
        f'processes train together if torchrun starts them'
    )


def _flat(run: dict[str, Any]) -> dict[str, Any]:
    return {**run, **run['config'], 'config': None}


def _write(state: dict[str, Any], path: Path) -> None:
    """Replaces a file by another at once.

    Raises:
        UsageError: If it cannot be written; the earlier one is still there.
    """
    try:
        with replacing(path, '') as part, open(part, 'wb') as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except RuntimeError as error:  # as torch has it
        raise UsageError(
            f'{path} cannot be written: {reason(error)}'
        ) from error
