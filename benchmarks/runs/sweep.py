"""Runs that a store lacks."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

from ..data.folders import find_root
from ..environment import stamp
from .cells import Cell
from .identity import key
from .processes import Results, processes
from .progress import Watch
from .store import Row, Store, fault
from .work import Brought, do_elsewhere


def sweep(
    cells: list[Cell],
    store: Store,
    root: str | None,
    jobs: int | None,
    device: str,
    retry_failed: bool = False,
    probed: bool = False,
    workers: Callable[..., Results] = processes,
    watch: Watch | None = None,
) -> Iterator[Row]:
    """Does the runs that the store lacks.

    Every row is in the store before it is yielded.
    A run that fails is a row with ``status`` ``failed`` and the sweep goes
    on. When the caller stops iterating, the runs in flight are killed.
    """
    done = {
        key(row)
        for row in store.read()
        if row['status'] == 'ok' or not retry_failed
    }
    watch = watch or Watch(cells, [])
    todo = [cell for cell in cells if key(cell.row()) not in done]
    if not todo:
        return
    store.ready()
    given: dict[str, Any] = {
        'root': find_root(root),  # as this process sees it
        'device': device,
        'probed': probed,
    }
    work = partial(do_elsewhere, Brought.of(todo), **given)
    with closing(workers(work, todo, jobs, device)) as results:
        for cell, result in results:
            if result is None:
                watch.start(cell)
                continue
            row = {**cell.row(), **stamp(), **result}
            wrong = fault(row)
            if wrong is not None:  # such as a score that is no number
                row = {**cell.row(), **stamp(), 'status': 'failed'}
                row['error'] = f'the run {wrong}'
            store.append(row)
            watch.end(row)
            yield row
