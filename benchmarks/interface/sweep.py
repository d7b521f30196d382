"""Accuracy against depth."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from operator import index
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..data import datasets, protocols
from ..data import own as own_data
from ..errors import UsageError
from ..methods import spec
from ..reports import files
from ..reports.outcome import Runs
from ..reports.summary import together
from ..runs.cells import Cell, plan
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
)
from .runs import PROBES, STORE, pick_workers, read_data, run_cells

DEPTHS = (2, 4, 8, 16, 32, 64)
METHODS = ('gcn', 'resgcn', 'jknet', 'appnp', 'gcnii')


def sweep(
    data: own_data.Source,
    methods: Methods = METHODS,
    depths: Iterable[int] = DEPTHS,
    seeds: int | Iterable[int] = 10,
    recipe: Recipe | None = None,
    *,
    name: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    split: str | None = None,
    metric: str | None = None,
    features: str | Path | None = None,
    labels: str | Path | None = None,
    protocol: str | None = None,
    out: str | Path | None = None,
    probe: bool = False,
    jobs: int | None = None,
    device: str = 'auto',
    root: str | Path | None = None,
    mirrors: Sequence[str] = (),
    strict: bool = False,
    shard: tuple[int, int] = (1, 1),
    retry_failed: bool = False,
    engine: str = 'processes',
    address: str | None = None,
    progress: bool = True,
) -> Runs:
    """Trains each method at each depth with each seed, and keeps each run.

    What the store in :obj:`out` has is not done again, unless data, network
    or recipe are others than they were.

    Args:
        data: The name of a dataset (``python -m benchmarks list``), a
            ``Data``, a dataset of PyG or a list of ``Data``, a function that
            gives one of them, the path of a file or folder, a text such as
            ``tu:MUTAG``, ``pyg:WikiCS`` or ``module:function``.
        methods: Specification strings such as ``gcn+res``; or names for
            tables, each with a network: a class or a function of the size of
            the input, the size of hidden layers, the depth and the size of
            the output, in this order. It takes features ``[N, in]`` and
            ``edge_index``, and gives ``[N, out]``. Its code counts, with that
            of all functions, classes, modules and constants of yours that it
            uses: where it changes, runs are done again. Comments and layout
            do not count, nor do the libraries that are installed. A
            specification string may have its own name ahead, as in
            ``{'gcn': 'gcn', 'mine': MyNet}``.
        depths: The depths, as each method counts them.
        seeds: How many seeds, from 0 on, or which; of parameters and of drawn
            splits.
        recipe: The name of a preset, the path of a YAML file, or keys and
            values such as ``{'lr': 0.01, 'epochs': 200}``; by default preset
            ``classic`` for one graph, ``ogb`` for many and ``points`` for
            clouds. Data and networks that a preset does not name take the
            recipe of others, such as gcn's on Cora, and the report says so.
        name: What tables call data that are given as an object.
        overrides: Keys and values that go before those of the recipe;
            ``'gcn:dropout'`` is that of one method.
        split: Of your own data: ``'masks'`` for those that come with them,
            ``'60/20/20'`` for percents, ``'20:500:1000'`` for 20 nodes of
            each class to train, and others to validate and to test. By
            default the masks if there are some, else ``'60/20/20'``.
        metric: Of your own data: ``'accuracy'``, ``'rocauc'``, ``'ap'``,
            ``'rmse'``, ``'mae'`` or ``'miou'``. By default what fits their
            labels.
        features: Where the data are a file of edges: that of features of the
            nodes, whose names are in its first column.
        labels: Likewise, of their labels.
        protocol: Of a named dataset: one of its protocols, the first by
            default.
        out: Folder for the store and the report; by default a temporary one
            that goes with what is returned.
        probe: Whether to train the first seed of each cell once more and
            look at each layer, before and after.
        jobs: How many runs at a time, each in a process of its own; by
            default as many as there are cores, and 0 does them in this one.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``, ... or ``'auto'``.
        root: Folder with the data; by default that of ``PYG_EXT_DATA``.
        mirrors: Addresses to look for missing files at.
        strict: Whether files must be the published ones.
        shard: ``(i, n)`` does the i-th of n shares of the runs.
        retry_failed: Whether to do runs again that are stored as failed.
        engine: ``'processes'`` of this machine, or ``'ray'``.
        address: Of a Ray cluster.
        progress: Whether to show a bar and each run as it is done.

    Returns:
        The runs, with table, figure and comparisons.

    Raises:
        UsageError: If something in the request is wrong, before any run.
        Stopped: If it is interrupted; what is done is stored.
    """
    overrides = overrides_of(overrides)
    share, shares = _share(shard)
    workers = pick_workers(engine, address, jobs, device)
    depths, seeds = depths_of(depths), seeds_of(seeds)
    chosen = dataset_name(data, name, split, metric, root, features, labels)
    cells = plan(
        chosen,
        method_names(methods),
        depths,
        seeds,
        preset_name(recipe, chosen),
        overrides,
        protocol,
    )
    dataset = datasets.find(cells[0].dataset)
    joins = [
        cell.method
        for cell in cells
        if spec.parse(cell.method).backbone.joins_points
    ]
    if probe:
        dataset.need_one_graph('a probe')
        for cell in cells:
            if spec.parse(cell.method).unsupervised:
                raise UsageError(
                    f'a probe looks at outputs for classes, and '
                    f'{cell.method} gives an embedding'
                )
        if joins:
            raise UsageError(f'a probe needs a graph, and {joins[0]} has none')
        _need_classes(cells[0])
    given = read_data(cells, root, mirrors, strict)
    run = partial(
        run_cells,
        root=root,
        jobs=jobs,
        device=device,
        retry_failed=retry_failed,
        workers=workers,
        progress=progress,
        temporary=out is None,
    )
    with ExitStack() as held:
        if out is None:
            out = held.enter_context(TemporaryDirectory(prefix='pyg_ext-'))
            page = None
        else:
            page = files.live(out)
        store, probes = Store(out, STORE), Store(out, PROBES)
        run(cells[share - 1 :: shares], store, listener=page)
        rows, left_out = together(store.read(), cells[0].row(), overrides)
        seen = None
        if rows and not dataset.many and not joins and not dataset.needs:
            seen = files.reach(
                dataset.name, given, max(row['depth'] for row in rows)
            )
        if probe:
            first = [cell for cell in cells if cell.seed == seeds[0]]
            run(first[share - 1 :: shares], probes, probed=True)
        probed = probes.read()
        return Runs(rows, out, left_out, seen, probed, held.pop_all())


def _share(shard: tuple[int, int]) -> tuple[int, int]:
    try:
        share, shares = map(index, shard)
    except (TypeError, ValueError):
        share = shares = 0
    if not 1 <= share <= shares:
        raise UsageError(
            f'a shard must be (i, n), the i-th of n shares from 1 on (got '
            f'{shard!r})'
        )
    return share, shares


def _need_classes(cell: Cell) -> None:
    metric = protocols.find(cell.protocol).metric
    if not metric.classes:
        raise UsageError(
            f'a probe is for classes, and {cell.dataset} is judged by '
            f'{metric.name}'
        )
