"""Runs in processes of this machine, or in this one."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from typing import Any

import cloudpickle
import pebble
import torch

from ..environment import check_device, cores, pick_device
from ..errors import UsageError, reason
from ..methods.source import generated_by_value
from ..pool import pool
from .cells import Cell

Work = Callable[[Cell], dict[str, Any]]  # does a run
# Each run that begins, with nothing, and later with its result:
Results = Iterator[tuple[Cell, dict[str, Any] | None]]
LOOK = 0.2  # seconds between looks at what has begun
WORKER = f'{__package__}.work'  # what each process has from the start


class Sent:
    """Work as it can be sent to another process, with what a user brings: a
    class of a notebook, or of a script, which is not run again.

    Raises:
        UsageError: If it cannot be sent.
    """

    def __init__(self, work: Work):
        generated_by_value()
        try:
            self.content = cloudpickle.dumps(work)
        except Exception as error:  # of whatever it holds
            raise UsageError(
                f'this cannot be sent to another process: {reason(error)}; '
                f'with jobs=0 the runs are done in this one'
            ) from error

    def __call__(self, cell: Cell) -> dict[str, Any]:
        """Does a run."""
        return cloudpickle.loads(self.content)(cell)


def processes(
    work: Work, cells: list[Cell], jobs: int | None, device: str
) -> Results:
    """Does each run in a process of its own on this machine, so many at a
    time; as many as there are cores if not said, and in this process if 0.

    Returns:
        Each run with its result, as it is done.

    Raises:
        UsageError: If there is no such device here, or if the work cannot be
            sent to another process.
    """
    check_device(device)
    if jobs == 0:
        for cell in cells:
            yield cell, None
            yield cell, attempt(work, cell)
        return
    sent = Sent(work)
    size = min(jobs or cores(), len(cells))
    with pool(size, WORKER, device=pick_device(device)) as started:
        pending = {
            started.schedule(_alone, args=[sent, cell]): cell for cell in cells
        }
        waiting = deque(pending)  # they begin in this order
        while pending:
            done, _ = wait(pending, LOOK, FIRST_COMPLETED)
            while waiting and (waiting[0].running() or waiting[0] in done):
                yield pending[waiting.popleft()], None
            for future in done:
                yield pending.pop(future), _result(future)


def attempt(work: Work, cell: Cell) -> dict[str, Any]:
    """Does a run; what fails is a result, too."""
    try:
        return {'status': 'ok', **work(cell)}
    except (Exception, SystemExit) as error:  # whatever the model raised
        last = traceback.format_exception_only(error)[-1]
        return {'status': 'failed', 'error': last.strip()}


def _alone(work: Work, cell: Cell) -> dict[str, Any]:
    """Runs in the child: one thread, and no longer than the parent lives."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_follow_parent, daemon=True).start()
    torch.set_num_threads(1)
    return attempt(work, cell)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _result(future: pebble.ProcessFuture) -> dict[str, Any]:
    try:
        return future.result()
    except pebble.ProcessExpired as error:
        reason = f'its process died with exit code {error.exitcode}'
    except CancelledError:
        raise
    except Exception as error:  # of what a process gives or gets
        reason = traceback.format_exception_only(error)[-1].strip()
    return {'status': 'failed', 'error': reason}
