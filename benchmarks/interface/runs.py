"""Runs that are asked for, of whatever call."""

import copy
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from torch_geometric.data import Data

from ..data import datasets
from ..data.graphs import Graphs
from ..environment import check_device
from ..errors import UsageError, check_name
from ..methods.network import EDGE_DATA
from ..methods.spec import parse
from ..recipes.presets import split
from ..runs import processes, ray
from ..runs.cells import Cell
from ..runs.identity import key
from ..runs.progress import Listener, Watch, show
from ..runs.store import Row, Store
from ..runs.sweep import sweep as run_all
from .names import whole_numbers

STORE, PROBES = 'results.jsonl', 'probe.jsonl'


class Stopped(KeyboardInterrupt):
    """Somebody stopped a sweep; the message says how far it is."""


def run_cells(
    cells: list[Cell],
    store: Store,
    *,
    root: str | Path | None = None,
    jobs: int | None = None,
    device: str = 'auto',
    retry_failed: bool = False,
    probed: bool = False,
    workers: Callable[..., processes.Results] = processes.processes,
    progress: bool = True,
    temporary: bool = False,
    listener: Listener | None = None,
) -> list[Row]:
    """Does what the store lacks, and returns the rows of all cells.

    Raises:
        Stopped: If it is interrupted.
    """
    wanted = {key(cell.row()) for cell in cells}
    stored = [
        row
        for row in store.read()
        if key(row) in wanted and (row['status'] == 'ok' or not retry_failed)
    ]
    watch = Watch(cells, stored, listener)
    new = run_all(
        cells, store, root, jobs, device, retry_failed, probed, workers, watch
    )
    try:
        if progress:
            show(new, watch)
        else:
            deque(new, maxlen=0)
    except KeyboardInterrupt as error:
        watch.stop()
        done = sum(key(row) in wanted for row in store.read())
        said = f'stopped: {done} of {len(cells)} runs are in {store.path}'
        more = '; the same command goes on from there'
        if temporary:
            more = ', which goes now: with a folder as out they would be kept'
        raise Stopped(said + more) from error
    rows = [row for row in store.read() if key(row) in wanted]
    if len(rows) < len(wanted):
        raise UsageError(
            f'{len(wanted) - len(rows)} of {len(wanted)} runs were done and '
            f'are gone from {store.path}, which something else has changed: '
            f'the same call does them again'
        )
    return rows


def read_data(
    cells: Sequence[Cell],
    root: str | Path | None,
    mirrors: Sequence[str],
    strict: bool,
) -> Data | Graphs:
    """The data of runs, read ahead of them, so that there is one error and
    not many. What their edges have and a method does not look at is warned
    of, where they are a user's own.

    Raises:
        UsageError: If they cannot be read, or are no data to train on.
    """
    first = cells[0]
    given = datasets.load(
        first.dataset, root, first.protocol, first.seed, mirrors, strict
    )
    each = {cell.method: cell for cell in cells}.values()
    if isinstance(given, Data) and given.edge_attr is None:
        for cell in each:
            if cell.config.get('edge_features'):
                raise UsageError(
                    f'{cell.method}: edge_features are asked for, and the '
                    f'edges of {cell.dataset} have none'
                )
    if datasets.find(first.dataset).digest is not None:
        _warn_of_unseen(each, given)
    return given


def _warn_of_unseen(cells: Iterable[Cell], given: Data | Graphs) -> None:
    """Warns of weights and features of edges that methods do not look at."""
    many = isinstance(given, Graphs)
    one = given.graphs[0] if many else given
    blind = {name: [] for name in EDGE_DATA if name in one}
    for cell in cells if blind else ():
        network, recipe = split(cell.config, parse(cell.method), cell.depth)
        data = copy.copy(one)
        if not many and not recipe.edge_features:
            data.edge_attr = None
        seen = network.looks_at(data)
        for name in {*blind} - seen:
            blind[name].append(network)
    for name, networks in blind.items():
        if not networks:
            continue
        could, more = [], ''
        if name == 'edge_attr':
            could = [n.method.name for n in networks if n.can_see_edges()]
        if could:
            more = f' ({", ".join(could)}: with edge_features=true it has)'
        warnings.warn(
            f'{name} of {cell.dataset} has no effect in '
            f'{", ".join(n.method.name for n in networks)}{more}',
            stacklevel=4,
        )


def pick_workers(
    engine: str, address: str | None, jobs: int | None, device: str
) -> Callable[..., processes.Results]:
    """What does the runs.

    Raises:
        UsageError: If it cannot be had, or not with these options.
    """
    check_name('engine', engine, ('processes', 'ray'))
    if not isinstance(device, str):
        raise UsageError(
            f"device must be a text such as 'cuda:0' (got {device!r})"
        )
    if jobs is not None:
        whole_numbers('jobs', jobs, 0, 2**15)
    if engine == 'ray':
        ray.check(jobs, device)
        return partial(ray.tasks, address=address)
    if address is not None:
        raise UsageError(f'an address is for engine ray (got {address})')
    check_device(device)
    return processes.processes
