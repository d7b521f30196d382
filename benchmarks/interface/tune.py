"""Tuning."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data import datasets
from ..data import own as own_data
from ..runs import tuning
from ..runs.store import Store
from .names import (
    Recipe,
    dataset_name,
    depths_of,
    overrides_of,
    preset_name,
)
from .runs import STORE, pick_workers, run_cells


def tune(
    data: own_data.Source,
    method: str,
    depth: int,
    candidates: Sequence[Mapping[str, Any]],
    recipe: Recipe | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    split: str | None = None,
    protocol: str | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    device: str = 'auto',
    root: str | Path | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Chooses what to set by the mean validation score of two seeds that are
    used for nothing else.

    Args:
        data: As in :func:`sweep`.
        method: A specification string, or a registered name.
        depth: As the method counts it.
        candidates: What may be set, such as ``[{'lr': 0.01}, {'lr': 0.1}]``.
        recipe: As in :func:`sweep`.
        overrides: As there.
        split: As there.
        protocol: As there.
        out: As there.
        jobs: As there.
        device: As there.
        root: As there.
        progress: As there.

    Returns:
        The best of the candidates, to be given as ``overrides``.

    Raises:
        UsageError: If something in the request is wrong, before any run, or
            if every candidate failed.
        Stopped: If it is interrupted; what is done is stored.
    """
    overrides = overrides_of(overrides)
    workers = pick_workers('processes', None, jobs, device)
    [depth] = depths_of([depth])
    name = dataset_name(data, None, split, None, root)
    tried = tuning.tries(
        name,
        method,
        depth,
        preset_name(recipe, name),
        candidates,
        protocol,
        overrides,
    )
    datasets.load(name, root, protocol)
    with tempfile.TemporaryDirectory(prefix='pyg_ext-') as temporary:
        rows = run_cells(
            [cell for cells in tried for cell in cells],
            Store(out or temporary, STORE),
            root=root,
            jobs=jobs,
            device=device,
            workers=workers,
            progress=progress,
            temporary=out is None,
        )
    best = tuning.best(tried, rows)
    return dict(candidates[tried.index(best)])
