"""Processes that do the work of this one."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import BaseContext

import pebble

from .errors import UsageError, reason


@contextmanager
def pool(
    size: int, *preload: str, device: str = 'cpu'
) -> Iterator[pebble.ProcessPool]:
    """Processes, each for one task; what they still do at the end is stopped.

    Args:
        size: How many at a time.
        preload: Modules that each process has from the start, where the
            system can do that, and the device bears it.
        device: What they work on.

    Raises:
        UsageError: If processes cannot be started.
    """
    made = pebble.ProcessPool(
        size, max_tasks=1, context=_context(preload, device)
    )
    try:
        yield made
    except BrokenProcessPool as error:
        cause = reason(error.__cause__ or error)
        raise UsageError(f'no process can be started: {cause}') from error
    finally:
        made.stop()
        made.join()


def _context(preload: tuple[str, ...], device: str) -> BaseContext:
    if device.startswith('cuda'):  # once it was asked for, no fork can use it
        return multiprocessing.get_context('spawn')
    try:
        context = multiprocessing.get_context('forkserver')
    except ValueError:  # as on Windows
        return multiprocessing.get_context('spawn')
    context.set_forkserver_preload([*preload])
    return context
