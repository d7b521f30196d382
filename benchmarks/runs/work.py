"""One run, by whatever process or processes do it."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from ..data import datasets, protocols
from ..data.datasets import Dataset
from ..data.graphs import digest
from ..environment import device_name, pick_device, versions
from ..methods import own, spec
from ..methods.backbones import Backbone
from ..recipes import presets
from ..training import embedding, graphs, nodes
from ..training.checkpoint import Journal
from ..training.distributed import ALONE, Team
from .cells import Cell


@dataclass(frozen=True)
class Brought:
    """What users have registered in this process, for others to know it; of
    that, what some runs need.
    """

    datasets: dict[str, Dataset]
    backbones: dict[str, Backbone]

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> 'Brought':
        """What these runs need."""
        sets = {cell.dataset for cell in cells}
        parts = {p for cell in cells for p in spec.parse(cell.method).words}
        return cls(
            {k: v for k, v in datasets.REGISTERED.items() if k in sets},
            {k: v for k, v in own.REGISTERED.items() if k in parts},
        )

    def register(self) -> None:
        """Makes it known here."""
        datasets.REGISTERED.update(self.datasets)
        own.REGISTERED.update(self.backbones)


def do(
    cell: Cell,
    root: Path | None = None,
    device: str = 'auto',
    probed: bool = False,
    mirrors: Sequence[str] = (),
    strict: bool = False,
    team: Team = ALONE,
    journal: Journal | None = None,
) -> dict[str, Any]:
    """Trains, and returns the measured part of the row.

    Args:
        cell: The run.
        root: Folder with the data.
        device: Where to run.
        probed: Whether to look at each layer of the network, before training
            and after.
        mirrors: Addresses to look for missing files at.
        strict: Whether files must be the published ones.
        team: The processes that do this run together.
        journal: Where to go on from, and what to write down.
    """
    device = pick_device(device)
    method = spec.parse(cell.method)
    network, recipe = presets.split(cell.config, method, cell.depth)
    protocol = protocols.find(cell.protocol)
    data = datasets.load(
        cell.dataset, root, cell.protocol, cell.seed, mirrors, strict
    )
    given = (network, data, recipe, protocol, cell.seed, device)
    dataset = datasets.find(cell.dataset)
    if dataset.many:
        scores = graphs.run(*given)
    elif method.unsupervised:
        scores = embedding.run(*given, journal)
    else:
        far = dataset.needs() if probed and dataset.needs else None
        scores = nodes.run(*given, probed, team, journal, far)
    threads = torch.get_num_threads()
    return {
        **scores,
        'data': digest(data),
        'date': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'device': device_name(device, threads),
        'threads': threads,
        'versions': versions(),
    }


def do_elsewhere(brought: Brought, cell: Cell, **given: Any) -> dict[str, Any]:
    """As :func:`do`, in a process that was started for it; of the files, all
    has been said before.
    """
    brought.register()
    with warnings.catch_warnings(action='ignore'):
        return do(cell, **given)
