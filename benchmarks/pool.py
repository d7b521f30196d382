"""Processes that do the work of this one."""

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import context as contexts
from multiprocessing import spawn
from typing import Any

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


PATCH = threading.Lock()


class Apart:
    """A process that does not run the script of this one again, which may be
    one without a main guard.
    """

    @classmethod
    def _Popen(cls, process: Any) -> Any:
        true = spawn.get_preparation_data

        def without_main(name: str) -> dict[str, Any]:
            found = true(name)
            return {k: v for k, v in found.items() if k[:9] != 'init_main'}

        with PATCH:
            spawn.get_preparation_data = without_main
            try:
                return super()._Popen(process)
            finally:
                spawn.get_preparation_data = true


class Spawned(Apart, contexts.SpawnProcess):
    """One that starts from nothing."""


class SpawnContext(contexts.SpawnContext):
    """Starts these."""

    Process = Spawned


if hasattr(contexts, 'ForkServerContext'):  # not on Windows

    class Forked(Apart, contexts.ForkServerProcess):
        """One that starts with what is preloaded."""

    class ForkServerContext(contexts.ForkServerContext):
        """Starts these."""

        Process = Forked


def _context(preload: tuple[str, ...], device: str) -> contexts.BaseContext:
    methods = multiprocessing.get_all_start_methods()
    # Once CUDA was asked for, no fork can use it:
    if device.startswith('cuda') or 'forkserver' not in methods:
        return SpawnContext()
    context = ForkServerContext()
    context.set_forkserver_preload([*preload])
    return context
