"""One run: a process of its own does it, or all that torchrun started."""

import argparse
import dataclasses
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from ..data import datasets
from ..data.protocols import PROTOCOLS
from ..environment import (
    check_device,
    device_name,
    pick_device,
    stamp,
    versions,
)
from ..errors import UsageError
from ..methods import spec
from ..recipes import presets
from ..training import checkpoint, distributed, graphs, nodes
from .cells import Cell
from .cells import plan as plan_cells
from .store import Row, Store, key


def plan(args: argparse.Namespace, overrides: dict[str, Any]) -> Cell:
    """The run that is asked for.

    Raises:
        UsageError: If it cannot be done, before any work.
    """
    datasets.protocol_of(args.dataset, args.protocol)
    if datasets.DATASETS[args.dataset].many:
        raise UsageError(
            f'train is for one graph, and {args.dataset} has many: see depth'
        )
    if args.batch is not None:
        overrides['batch'] = args.batch
    processes = distributed.started().size
    if processes > 1:
        overrides['processes'] = processes
    [cell] = plan_cells(
        args.dataset,
        [args.method],
        [args.depth],
        1,
        args.preset,
        overrides,
        args.protocol,
    )
    return dataclasses.replace(cell, seed=args.seed)


def run(
    cell: Cell, args: argparse.Namespace, say: Callable[[str], None]
) -> Row:
    """Trains, from the checkpoint in the folder if there is one.

    Returns:
        The row of the store, which the first process has written.

    Raises:
        UsageError: If the run cannot be done, or not in this folder, such as
            one where another training is going on.
        benchmarks.training.nodes.Diverged: If the training loss becomes
            infinite or no number.
    """
    store, row = Store(args.out), cell.row()
    device = distributed.own_device(pick_device(args.device))
    check_device(device)

    def found() -> Row | None:
        same = (r for r in store.read() if key(r) == key(row))
        return next((r for r in same if r['status'] == 'ok'), None)

    data = datasets.load(
        cell.dataset,
        args.root,
        cell.protocol,
        cell.seed,
        args.url,
        args.strict,
    )
    method = spec.parse(cell.method)
    network, recipe = presets.split(cell.config, method, cell.depth)
    with ExitStack() as held:
        if distributed.first() and found() is None:
            held.enter_context(checkpoint.hold(args.out))
            store.ready()
        with distributed.meet(device) as us:
            done = us.agree(found)
            if done is not None:
                return done
            scores = nodes.run(
                network,
                data,
                recipe,
                PROTOCOLS[cell.protocol],
                cell.seed,
                device,
                team=us,
                journal=checkpoint.Journal(
                    args.out, row, args.resume, us, say
                ),
            )
        row |= {
            'status': 'ok',
            **scores,
            'device': device_name(device, torch.get_num_threads()),
            **stamp(),
        }
        if distributed.first():
            store.append(row)
        return row


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
    protocol = PROTOCOLS[cell.protocol]
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
