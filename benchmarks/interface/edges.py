"""Other edges than those of the data."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ..data import datasets
from ..reports import edges as edges_report
from ..runs import tuning
from ..runs.store import Store
from .names import overrides_of, whole_numbers
from .runs import STORE, pick_workers, run_cells


def compare_edges(
    names: Sequence[str],
    models: Sequence[str],
    edges: Sequence[str],
    seeds: int = 20,
    *,
    overrides: Mapping[str, Any] | None = None,
    protocol: str | None = None,
    out: str | Path,
    jobs: int | None = None,
    device: str = 'auto',
    root: str | Path | None = None,
    mirrors: Sequence[str] = (),
    strict: bool = False,
    retry_failed: bool = False,
    engine: str = 'processes',
    address: str | None = None,
    progress: bool = True,
) -> tuple[pd.DataFrame, int]:
    """Tunes each model on each kind of edges alike, on the validation nodes,
    and compares with unchanged edges, seed by seed.

    Args:
        names: Names of datasets that are one graph.
        models: Specification strings.
        edges: Kinds of edges, ``none`` among them.
        seeds: How many seeds, from 0 on.
        overrides: Keys and values that go before those of all candidates.
        protocol: One of the datasets', the first by default.
        out: Folder for the store, ``augment.csv`` and ``augment.md``.
        jobs: As in :func:`sweep`.
        device: As there.
        root: As there.
        mirrors: As there.
        strict: As there.
        retry_failed: As there.
        engine: As there.
        address: As there.
        progress: As there.

    Returns:
        A line for each model and kind of edges, and how many runs failed.

    Raises:
        UsageError: As :func:`sweep`.
        Stopped: As there.
    """
    overrides = overrides_of(overrides)
    [seeds] = whole_numbers('seeds', seeds, 1, 2**31)
    workers = pick_workers(engine, address, jobs, device)
    for dataset in names:
        datasets.find(dataset).need_one_graph('another kind of edges')
    tried = [
        tuning.candidates(dataset, model, kind, protocol, overrides)
        for dataset in names
        for model in models
        for kind in edges
    ]
    for dataset in names:
        datasets.load(dataset, root, protocol, 0, mirrors, strict)
    store = Store(out, STORE)
    run = partial(
        run_cells,
        store=store,
        root=root,
        jobs=jobs,
        device=device,
        retry_failed=retry_failed,
        workers=workers,
        progress=progress,
    )
    rows = run([cell for group in tried for cells in group for cell in cells])
    cells = [
        cell for group in tried for cell in tuning.chosen(group, rows, seeds)
    ]
    rows = run(sorted(cells, key=lambda cell: cell.seed))
    lines = edges_report.write(
        edges_report.together(store.read(), overrides), out
    )
    return lines, sum(row['status'] != 'ok' for row in rows)
