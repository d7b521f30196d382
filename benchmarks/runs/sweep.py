import multiprocessing
import os
import platform
import signal
import subprocess
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, as_completed
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pebble
import torch
import torch_geometric

import pyg_ext

from ..data import datasets, protocols
from ..data.download import find_root
from ..errors import UsageError, reason
from ..methods import spec
from ..recipes import presets
from ..training import graphs, nodes
from .processes import cores, pool
from .store import Row, Store, fault, key


@dataclass(frozen=True)
class Cell:
    """One run to do: what a row of the store is before it is measured."""

    dataset: str
    method: str
    depth: int
    seed: int
    preset: str
    protocol: str
    config: dict[str, Any]

    def row(self) -> Row:
        """The part of the row that is known before the run."""
        protocol = protocols.PROTOCOLS[self.protocol]
        return {
            **vars(self),
            'metric': protocol.metric,
            'direction': protocol.direction,
        }


def plan(
    dataset: str,
    specs: list[str],
    depths: list[int],
    seeds: int,
    preset: str,
    overrides: dict[str, Any],
    protocol: str | None = None,
) -> list[Cell]:
    """All runs of a sweep, seed by seed, so that a table fills evenly.

    The protocol is the dataset's first by default.

    Raises:
        UsageError: If a name or a key is unknown, a value cannot be, or
            nothing is to be run, before any run.
    """
    if not (specs and depths and seeds > 0):
        raise UsageError(
            f'a sweep needs methods, depths and seeds (got {specs}, {depths}, '
            f'{seeds})'
        )
    protocol = datasets.protocol_of(dataset, protocol)
    parsed = {m.name: m for m in map(spec.parse, specs)}
    configs = {
        name: presets.configure(
            preset, dataset, method, overrides, min(depths)
        )
        for name, method in parsed.items()
    }
    return [
        Cell(dataset, name, depth, seed, preset, protocol, config)
        for seed in range(seeds)
        for name, config in configs.items()
        for depth in depths
    ]


Work = Callable[[Cell], dict[str, Any]]  # does a run
Results = Iterator[tuple[Cell, dict[str, Any]]]


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
    with pool(size, __name__, device=pick_device(device)) as started:
        futures = {started.schedule(work, args=[cell]): cell for cell in cells}
        for future in as_completed(futures):
            yield futures[future], _result(future)


def sweep(
    cells: list[Cell],
    store: Store,
    root: str | None,
    jobs: int | None,
    device: str,
    retry_failed: bool = False,
    probed: bool = False,
    workers: Callable[..., Results] = processes,
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
    todo = [cell for cell in cells if key(cell.row()) not in done]
    if not todo:
        return
    store.ready()
    folder = find_root(root)  # as this process sees it
    work = partial(_work, root=folder, device=device, probed=probed)
    with closing(workers(work, todo, jobs, device)) as results:
        for cell, result in results:
            row = {**cell.row(), **stamp(), **result}
            wrong = fault(row)
            if wrong is not None:  # such as a score that is no number
                row = {**cell.row(), **stamp(), 'status': 'failed'}
                row['error'] = f'the run {wrong}'
            store.append(row)
            yield row


def check_device(device: str) -> None:
    """Raises an error if there is no such device on this machine."""
    device, many = pick_device(device), torch.cuda.device_count()
    try:
        if device.startswith('cuda') and not many:
            raise RuntimeError('PyTorch finds no GPU here')
        if device.startswith('cuda:') and int(device[5:]) >= many:
            raise RuntimeError(f'of the GPUs here, the last is {many - 1}')
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise UsageError(
            f'device {device!r} cannot be used: {reason(error)}'
        ) from error


def pick_device(device: str) -> str:
    """Replaces ``auto`` by CUDA where there is one, else the CPU."""
    if device != 'auto':
        return device
    return 'cuda' if torch.cuda.is_available() else 'cpu'


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


def _work(
    cell: Cell, root: Path | None, device: str, probed: bool
) -> dict[str, Any]:
    """Runs in the child: one thread, and no longer than the parent lives."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_follow_parent, daemon=True).start()
    torch.set_num_threads(1)
    device = pick_device(device)
    method = spec.parse(cell.method)
    network, recipe = presets.split(cell.config, method, cell.depth)
    protocol = protocols.PROTOCOLS[cell.protocol]
    with warnings.catch_warnings(action='ignore'):  # said before any run
        data = datasets.load(cell.dataset, root, cell.protocol, cell.seed)
    given = (network, data, recipe, protocol, cell.seed, device)
    if datasets.DATASETS[cell.dataset].many:
        scores = graphs.run(*given)
    else:
        scores = nodes.run(*given, probed)
    return {**scores, 'device': device_name(device), 'versions': versions()}


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def device_name(device: str, threads: int = 1) -> str:
    """What the run was measured on, in words."""
    if device.startswith('cuda'):
        return torch.cuda.get_device_name(device)
    cpu = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        models = [
            line.partition(':')[2].strip()
            for line in info.read_text('utf-8', 'replace').splitlines()
            if line.startswith('model name')
        ]
        cpu = models[0] if models else cpu
    return f'{cpu}, {threads} thread{"s" * (threads > 1)}'


def stamp() -> dict[str, Any]:
    """What a row says of the programs that made it."""
    return {'commit': commit(), 'versions': versions()}


@cache
def commit() -> str:
    """The commit of this checkout, marked where files differ from it."""
    git = ['git', '-C', str(Path(__file__).parent)]
    try:
        head = _output([*git, 'rev-parse', '--short=12', 'HEAD'])
        dirty = _output([*git, 'status', '--porcelain', '-uno'])
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return f'{head}-dirty' if dirty else head


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode(errors='replace').strip()


def versions() -> dict[str, str]:
    """The versions that a result may depend on."""
    return {
        'python': platform.python_version(),
        'torch': torch.__version__,
        'torch_geometric': torch_geometric.__version__,
        'pyg_ext': pyg_ext.__version__,
    }
