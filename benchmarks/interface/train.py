"""One training."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..data import datasets
from ..data import own as own_data
from ..environment import check_device, pick_device, stamp
from ..errors import UsageError
from ..methods import spec
from ..runs.cells import plan
from ..runs.identity import key
from ..runs.store import Row, Store
from ..runs.work import do
from ..training import checkpoint, distributed
from .names import (
    Recipe,
    dataset_name,
    depths_of,
    overrides_of,
    preset_name,
    seeds_of,
)
from .runs import STORE, read_data


def train(
    data: own_data.Source,
    method: str = 'gcn',
    depth: int = 2,
    seed: int = 0,
    recipe: Recipe | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    split: str | None = None,
    metric: str | None = None,
    features: str | Path | None = None,
    labels: str | Path | None = None,
    protocol: str | None = None,
    out: str | Path,
    resume: bool = False,
    device: str = 'auto',
    root: str | Path | None = None,
    mirrors: Sequence[str] = (),
    strict: bool = False,
    say: Callable[[str], None] = print,
) -> Row:
    """Trains one network, in this process or in all that torchrun started,
    and writes a checkpoint after each epoch.

    Args:
        data: As in :func:`sweep`; one graph.
        method: A specification string, or a registered name.
        depth: As the method counts it.
        seed: Of parameters, and of a split that is drawn.
        recipe: As in :func:`sweep`.
        overrides: As there.
        split: As there.
        metric: As there.
        features: As there.
        labels: As there.
        protocol: As there.
        out: Folder for ``results.jsonl``, ``checkpoint.pt`` (the last state)
            and ``best.pt`` (the parameters of the best epoch).
        resume: Whether to go on from the checkpoint in the folder, if there
            is one.
        device: As in :func:`sweep`; with several processes, one for each.
        root: As there.
        mirrors: As there.
        strict: As there.
        say: Prints a line.

    Returns:
        The row of the store, which the first process has written.

    Raises:
        UsageError: If the run cannot be done, or not in this folder, such as
            one where another training is going on.
        benchmarks.training.fit.Diverged: If the training loss becomes
            infinite or no number.
    """
    name = dataset_name(data, None, split, metric, root, features, labels)
    datasets.find(name).need_one_graph('train')
    preset = preset_name(recipe, name)
    overrides = overrides_of(overrides)
    [depth], [seed] = depths_of([depth]), seeds_of([seed])
    [cell] = plan(name, [method], [depth], [seed], preset, overrides, protocol)
    size = distributed.started().size
    if size > 1:
        if spec.parse(cell.method).unsupervised:
            raise UsageError(
                f'{cell.method} is trained by one process (got {size})'
            )
        cell.config['processes'] = size
    device = distributed.own_device(pick_device(device))
    check_device(device)
    store, row = Store(out, STORE), cell.row()

    def found() -> Row | None:
        same = (r for r in store.read() if key(r) == key(row))
        return next((r for r in same if r['status'] == 'ok'), None)

    read_data([cell], root, mirrors, strict)
    with ExitStack() as held:
        if distributed.first() and found() is None:
            held.enter_context(checkpoint.hold(out))
            store.ready()
        with distributed.meet(device) as team:
            done = team.agree(found)
            if done is not None:
                return done
            journal = checkpoint.Journal(out, row, resume, team, say)
            result = do(
                cell, root, device, False, mirrors, strict, team, journal
            )
        row |= {'status': 'ok', **result, **stamp()}
        if distributed.first():
            store.append(row)
        return row
