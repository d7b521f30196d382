"""Runs as processes of this machine."""

import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, as_completed
from typing import Any

import pebble

from ..environment import check_device, cores, pick_device
from ..pool import pool
from .cells import Cell

Work = Callable[[Cell], dict[str, Any]]  # does a run
Results = Iterator[tuple[Cell, dict[str, Any]]]
WORKER = f'{__package__}.work'  # what each process has from the start


def processes(
    work: Work, cells: list[Cell], jobs: int | None, device: str
) -> Results:
    """Does each run in a process of its own on this machine, so many at a
    time; as many as there are cores if not said.

    Returns:
        Each run with its result, as it is done.

    Raises:
        UsageError: If there is no such device here.
    """
    check_device(device)
    size = min(jobs or cores(), len(cells))
    with pool(size, WORKER, device=pick_device(device)) as started:
        futures = {started.schedule(work, args=[cell]): cell for cell in cells}
        for future in as_completed(futures):
            yield futures[future], _result(future)


def _result(future: pebble.ProcessFuture) -> dict[str, Any]:
    try:
        return {'status': 'ok', **future.result()}
    except pebble.ProcessExpired as error:
        reason = f'its process died with exit code {error.exitcode}'
    except CancelledError:
        raise
    except Exception as error:  # whatever the model raised
        last = traceback.format_exception_only(error)[-1]
        reason = last.strip()
    return {'status': 'failed', 'error': reason}
