"""Tuning."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from ..data import datasets
from ..data import own as own_data
from ..errors import UsageError
from ..recipes import presets, spaces
from ..recipes.presets import Preset
from ..reports.tuned import TunedRuns, tuning
from ..runs import search as searching
from ..runs import tuning as choice
from ..runs.cells import Cell, check_settings, settings
from ..runs.search import Search
from ..runs.store import Store
from .names import (
    Methods,
    Recipe,
    dataset_name,
    depths_of,
    method_names,
    overrides_of,
    preset_name,
    seeds_of,
    whole_numbers,
)
from .report import report
from .runs import STORE, pick_workers, read_data, run_cells
from .sweep import DEPTHS, METHODS, sweep

TRIALS, PRESET, JOURNAL = 'trials.jsonl', 'best.yaml', 'optuna.log'


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
    """Chooses what to set, of candidates by hand, by the mean validation score
    of two seeds that are used for nothing else. :func:`tuned_sweep` does so
    for each method at each depth, with candidates from a search space.

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
    tried = choice.tries(
        name,
        method,
        depth,
        preset_name(recipe, name),
        candidates,
        protocol,
        overrides,
    )
    datasets.load(name, root, protocol)
    with TemporaryDirectory(prefix='pyg_ext-') as temporary:
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
    best = choice.best(tried, rows)
    return dict(candidates[tried.index(best)])


def tuned_sweep(
    data: own_data.Source,
    methods: Methods = METHODS,
    depths: Iterable[int] = DEPTHS,
    seeds: int | Iterable[int] = 5,
    recipe: Recipe | None = None,
    *,
    space: str | Path | Mapping[str, Any] = 'dropedge',
    trials: int = 30,
    sampler: str = 'random',
    pruner: str = 'none',
    fixed: str | Path | None = None,
    name: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    split: str | None = None,
    metric: str | None = None,
    features: str | Path | None = None,
    labels: str | Path | None = None,
    protocol: str | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    device: str = 'auto',
    root: str | Path | None = None,
    mirrors: Sequence[str] = (),
    strict: bool = False,
    retry_failed: bool = False,
    engine: str = 'processes',
    address: str | None = None,
    progress: bool = True,
) -> TunedRuns:
    """Tunes each method at each depth with the same budget, then trains it
    there with what was chosen: :func:`tune`, then :func:`sweep`.

    A trial is a candidate of the search space with two seeds that are used
    for nothing else; the best mean validation score wins, the first on ties.
    A trial of which a run fails has no score, and counts as one of
    :obj:`trials`. Runs that are in ``trials.jsonl`` are not done again.

    Args:
        data: As in :func:`sweep`.
        methods: As there.
        depths: As there.
        seeds: As there, of the runs that are reported; they cannot be those
            that choose, 1000 and 1001.
        recipe: As there; it holds for what the space does not name.
        space: The name of a search space (``python -m benchmarks list``), the
            path of a YAML file, or for each key of a recipe what is tried: a
            list of values, or ``{'low': 0.001, 'high': 0.1, 'log': True}``.
            A key that a method does not know is left out for it.
        trials: How many candidates each method tries at each depth.
        sampler: ``'random'``, or ``'tpe'``, which learns from the trials
            before.
        pruner: What may end a trial after its first seed: ``'none'``,
            ``'median'`` or ``'hyperband'``.
        fixed: The store of a sweep with a recipe that was not tuned, to be
            shown beside.
        name: As in :func:`sweep`.
        overrides: As there; what is set is not searched.
        split: As there.
        metric: As there.
        features: As there.
        labels: As there.
        protocol: As there.
        out: As there; it gets ``trials.jsonl``, the recipes that were chosen
            as ``best.yaml``, a preset, and ``tuning.csv``.
        jobs: As there.
        device: As there.
        root: As there.
        mirrors: As there.
        strict: As there.
        retry_failed: As there.
        engine: As there.
        address: As there.
        progress: As there.

    Returns:
        The runs that are reported, and how the tuning went.

    Raises:
        UsageError: If something in the request is wrong, before any run, or
            if every trial failed.
        Stopped: If it is interrupted; what is done is stored.
    """
    searching.load()
    overrides = overrides_of(overrides)
    [trials] = whole_numbers('trials', trials, 1, 2**20)
    workers = pick_workers(engine, address, jobs, device)
    depths, seeds = depths_of(depths), seeds_of(seeds)
    if {*seeds} & {*choice.TUNING}:
        raise UsageError(
            f'seeds {choice.TUNING} choose, and cannot be reported (got '
            f'{seeds})'
        )
    chosen = dataset_name(data, name, split, metric, root, features, labels)
    methods = method_names(methods)
    base, tried = preset_name(recipe, chosen), spaces.find(space)
    check_settings(overrides, methods)
    searches, notes, ends = [], [], []
    for method in methods:
        own = settings(overrides, method)
        domains, words = choice.domains(tried, method, own)
        notes += words
        given = (chosen, method, base, protocol, own)
        for change in searching.ends(domains):
            ends += _plan(*given, min(depths), change)
        searches += [
            Search(domains, partial(_plan, *given, depth), sampler, pruner)
            for depth in depths
        ]
    protocol = searches[0].protocol
    beside = None
    if fixed is not None:
        beside = _fixed(Path(fixed), chosen, protocol, methods)
    read_data(ends, root, mirrors, strict)
    options = {
        'root': root,
        'jobs': jobs,
        'device': device,
        'retry_failed': retry_failed,
        'progress': progress,
    }
    with ExitStack() as held:
        folder = out
        if folder is None:
            folder = held.enter_context(TemporaryDirectory(prefix='pyg_ext-'))
        run = partial(
            run_cells,
            store=Store(folder, TRIALS),
            workers=workers,
            temporary=out is None,
            **options,
        )
        searching.search(searches, trials, run)
        searching.write_journal(searches, Path(folder) / JOURNAL)
        recipes = _chosen(searches, notes)
        preset = Path(folder) / PRESET
        source = (
            f'chosen of {trials} trials for each method and depth ({sampler} '
            f'sampler, pruner {pruner}) by the mean validation score of seeds '
            f'{", ".join(map(str, choice.TUNING))}, from search space '
            f'{tried.name} around preset {base}. The space: {tried.source}'
        )
        presets.write(
            Preset(
                preset.stem,
                ' '.join(source.split()),
                {
                    chosen: {
                        method: {presets.DEPTHS: by_depth}
                        for method, by_depth in recipes.items()
                    }
                },
                published=tried.published,
            ),
            preset,
        )
        together: dict[tuple[int, ...], list[str]] = {}
        for method, by_depth in recipes.items():
            together.setdefault((*by_depth,), []).append(method)
        # Once, unless all trials of a depth failed; the last has all runs:
        for some, group in together.items():
            runs = sweep(
                chosen,
                group,
                some,
                seeds,
                preset,
                protocol=protocol,
                out=folder,
                mirrors=mirrors,
                strict=strict,
                engine=engine,
                address=address,
                **options,
            )
        lines = tuning(searches)
        return TunedRuns(runs, lines, preset, notes, beside, held.pop_all())


def _plan(
    dataset: str,
    method: str,
    preset: str,
    protocol: str | None,
    overrides: Mapping[str, Any],
    depth: int,
    change: Mapping[str, Any],
) -> list[Cell]:
    """The runs of a candidate."""
    given = (dataset, method, depth, preset)
    [cells] = choice.tries(*given, [change], protocol, overrides)
    return cells


def _chosen(
    searches: Iterable[Search], notes: list[str]
) -> dict[str, dict[int, dict[str, Any]]]:
    """The best configuration of each method at each depth; where there is
    none, that is noted.

    Raises:
        UsageError: If there is none at all.
    """
    out: dict[str, dict[int, dict[str, Any]]] = {}
    for one in searches:
        best = one.best()
        if best is None:
            error = one.trials[0].rows[-1].get('error', 'unknown')
            notes.append(
                f'{one.method}: all trials failed at depth {one.depth}, '
                f'where it is not reported, the first with {error}'
            )
        else:
            config = best.cells[0].config
            out.setdefault(one.method, {})[one.depth] = config
    if not out:
        raise UsageError(notes[-1])
    return out


def _fixed(
    path: Path, dataset: str, protocol: str, methods: Sequence[str]
) -> pd.DataFrame:
    """The summary of runs that were not tuned.

    Raises:
        UsageError: If there are none, or they must not stand in one table.
    """
    there = {row['method'] for row in Store(path.parent, path.name).read()}
    both = [method for method in methods if method in there]
    wanted = {'dataset': dataset, 'protocol': protocol}
    return report(path.parent, wanted, path, both).summary()
