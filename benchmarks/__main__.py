import argparse
import json
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from . import environment, speed
from .cli.options import BLOCKS, DILATION, parser
from .data import datasets, protocols
from .errors import UsageError, check_name, find_name, reason
from .methods import backbones, remedies, spec
from .methods.edges import EDGES
from .output import Screen, shown, write_any_character, write_text
from .recipes import presets
from .reports import edges, layers, page, verdict
from .reports.summary import changes as changes_of
from .reports.summary import select, together
from .runs import processes, ray, sweep, tuning, work
from .runs.cells import Cell, plan
from .runs.store import Row, Store, config_hash, key
from .training import distributed
from .training.fit import Diverged

PROBES = 'probe.jsonl'  # a store of its own
WIDE = 12  # columns that a terminal has room for

console = Screen()


def depth(args: argparse.Namespace) -> int:
    """Runs a sweep and reports it."""
    dataset = args.dataset
    if dataset == 'auto':
        dataset, why = datasets.choose(args.root)
        console.print(f'dataset: {dataset}, because {why}')
    overrides = _overrides(args)
    workers = _workers(args)
    cells = plan(
        dataset,
        [
            method if kind == 'none' else f'{method}+{kind}'
            for method in args.methods
            for kind in args.augment
        ],
        args.depths,
        args.seeds,
        args.preset,
        overrides,
        args.protocol,
    )
    many = datasets.DATASETS[dataset].many
    points = [cell.method for cell in cells if _joins_points(cell.method)]
    if args.probe and many:
        raise UsageError(f'--probe needs one graph, and {dataset} has many')
    if args.probe and points:
        raise UsageError(f'--probe needs a graph, and {points[0]} has none')
    # Before any run, so that there is one error and not many:
    data = datasets.load(
        dataset,
        args.root,
        args.protocol,
        mirrors=args.url,
        strict=args.strict,
    )
    store = Store(args.out)
    rows = _sweep(cells, args, workers, store)
    if rows is None:
        return 130
    fit, left_out = together(store.read(), cells[0].row(), overrides)
    seen = None
    if not many and data.edge_index is not None and not points:
        seen = page.reach(data, max(row['depth'] for row in fit))
    _report(fit, args.out, seen, left_out)
    probes = Store(args.out, PROBES)
    if args.probe:
        cells = [cell for cell in cells if cell.seed == 0]
        looked = _sweep(cells, args, workers, probes, probed=True)
        if looked is None:
            return 130
        rows += looked
    _report_probes(fit, probes)
    return int(any(row['status'] != 'ok' for row in rows))


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line sets in a configuration."""
    overrides = _set(args)
    for name in ('epochs', 'batch'):
        value = getattr(args, name, None)
        if value is not None and name in overrides:
            raise UsageError(
                f'{name} is given twice (got {value!r} and '
                f'{overrides[name]!r})'
            )
        if value is not None:
            overrides[name] = value
    if 'processes' in overrides:
        raise UsageError(
            'processes is what torchrun starts, and cannot be set: torchrun '
            '--nproc-per-node N -m benchmarks train ...'
        )
    return overrides


def _set(args: argparse.Namespace) -> dict[str, Any]:
    """Keys and values of ``--set``."""
    values: dict[str, Any] = {}
    for name, value in map(presets.read_value, args.set):
        if name in values:
            raise UsageError(
                f'--set gives {name} twice (got {values[name]!r} and '
                f'{value!r})'
            )
        values[name] = value
    return values


def _workers(args: argparse.Namespace) -> Callable[..., processes.Results]:
    """What does the runs."""
    if args.engine == 'ray':
        ray.check(args.jobs, args.device)
        return partial(ray.tasks, address=args.address)
    if args.address is not None:
        raise UsageError(f'--address is for --engine ray (got {args.address})')
    environment.check_device(args.device)
    return processes.processes


def _joins_points(method: str) -> bool:
    return spec.parse(method).backbone.joins_points


def _sweep(
    cells: list[Cell],
    args: argparse.Namespace,
    workers: Callable[..., processes.Results],
    store: Store,
    probed: bool = False,
) -> list[Row] | None:
    """Does what the store lacks, and returns all rows; none if stopped."""
    wanted = {key(cell.row()) for cell in cells}
    stored = [
        row
        for row in store.read()
        if key(row) in wanted
        and (row['status'] == 'ok' or not args.retry_failed)
    ]
    try:
        _watch(cells, store, args, stored, workers, probed)
    except KeyboardInterrupt:
        done = sum(key(row) in wanted for row in store.read())
        console.print(
            f'stopped: {done} of {len(cells)} runs are in {store.path}; '
            f'the same command goes on from there'
        )
        return None
    rows = [row for row in store.read() if key(row) in wanted]
    if len(rows) < len(wanted):
        raise UsageError(
            f'{len(wanted) - len(rows)} of {len(wanted)} runs were done and '
            f'are gone from {store.path}, which something else has changed: '
            f'the same command does them again'
        )
    return rows


def compare_edges(args: argparse.Namespace) -> int:
    """Tunes each model on each kind of edges, then compares them."""
    tried = [
        tuning.candidates(dataset, model, kind, args.protocol)
        for dataset in args.dataset
        for model in args.models
        for kind in args.augment
    ]
    workers = _workers(args)
    for dataset in args.dataset:
        datasets.load(
            dataset,
            args.root,
            args.protocol,
            mirrors=args.url,
            strict=args.strict,
        )
    cells = [cell for group in tried for cells in group for cell in cells]
    store = Store(args.out)
    rows = _sweep(cells, args, workers, store)
    if rows is None:
        return 130
    cells = [
        cell
        for group in tried
        for cell in tuning.chosen(group, rows, args.seeds)
    ]
    cells.sort(key=lambda cell: cell.seed)
    rows = _sweep(cells, args, workers, store)
    if rows is None:
        return 130
    fit = edges.together(store.read())
    console.print(edges.table(edges.write(fit, args.out)))
    console.print(f'written to {args.out}: augment.csv augment.md')
    failed = sum(row['status'] != 'ok' for row in rows)
    if failed:
        console.print(f'{failed} runs failed', style='red')
    return 1 if failed else 0


def train_one(args: argparse.Namespace) -> int:
    """Trains one network, by all processes that torchrun started."""

    def say(line: str) -> None:
        if distributed.first():
            console.print(line, highlight=False)

    cell = work.plan(args, _overrides(args))
    try:
        row = work.run(cell, args, say)
    except KeyboardInterrupt:
        say(f'stopped: the same command with --resume goes on in {args.out}')
        return 130
    except Diverged as error:
        say(f'failed: {error}')
        return 1
    say(
        f'test {_score(row):.2f} of epoch {row["best_epoch"]}, '
        f'{row["seconds"]:.1f} s; written to {args.out}: results.jsonl '
        f'checkpoint.pt best.pt'
    )
    return 0


def points(args: argparse.Namespace) -> int:
    """Runs a sweep of DeepGCNs."""
    args.methods = [
        BLOCKS[block] + DILATION[state]
        for block in args.blocks
        for state in args.dilation
    ]
    args.augment, args.probe = ['none'], False
    return depth(args)


def _watch(
    cells: list[Cell],
    store: Store,
    args: argparse.Namespace,
    stored: list[Row],
    workers: Callable[..., processes.Results],
    probed: bool,
) -> None:
    """Runs the sweep behind a live bar with the running means."""
    bar = Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn('ETA'),
        TimeRemainingColumn(),
        console=console,
    )
    scores: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in stored:
        if row['status'] == 'ok':
            scores[row['method'], row['depth']].append(_score(row))
    rows = sweep.sweep(
        cells,
        store,
        args.root,
        args.jobs,
        args.device,
        args.retry_failed,
        probed,
        workers,
    )
    if stored:
        console.print(f'{len(stored)} of {len(cells)} runs are in the store')
    with bar:
        task = bar.add_task('runs', total=len(cells), completed=len(stored))
        for row in rows:
            done = scores[row['method'], row['depth']]
            ok = row['status'] == 'ok'
            if ok:
                done.append(_score(row))
            style = None if ok else 'red'
            bar.console.print(_line(row, done), style=style)
            bar.advance(task)


def _line(row: Row, scores: list[float]) -> str:
    name = f'{row["method"]} depth {row["depth"]} seed {row["seed"]}'
    if row['status'] != 'ok':
        return f'{name}: failed: {shown(row.get("error", "unknown"))}'
    return (
        f'{name}: test {_score(row):.2f} (mean {_mean(scores):.2f} of '
        f'{len(scores)}), {row["epochs"]} epochs, {row["seconds"]:.1f} s'
    )


def _score(row: Row) -> float:
    return protocols.PROTOCOLS[row['protocol']].scale * row['test']


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _report(
    rows: list[Row],
    folder: str,
    seen: pd.DataFrame | None = None,
    left_out: Iterable[str] = (),
) -> int:
    """Shows the table, then writes the report, which may not be possible."""
    summary = page.summary_of(rows)
    console.print(page.table(summary))
    changes = changes_of(rows)
    if changes:
        console.print(f'changed from the preset: {shown(", ".join(changes))}')
    for words in left_out:
        console.print(f'in the same store, and left out: {shown(words)}')
    page.write(rows, folder, seen, left_out)
    console.print(
        f'written to {folder}: summary.csv curve.png curve.svg report.md'
    )
    failed = int(summary['failed'].sum())
    if failed:
        console.print(f'{failed} runs failed', style='red')
    return 1 if failed else 0


def _report_probes(rows: list[Row], probes: Store) -> None:
    """Adds the layers to the report, where runs like these were looked at."""

    def kind(row: Row) -> tuple:
        names = ('dataset', 'protocol', 'preset', 'method')
        return *(row[n] for n in names), config_hash(row['config'])

    kinds = {kind(row) for row in rows}
    like = [row for row in probes.read() if kind(row) in kinds]
    files = layers.write(like, probes.folder)
    if files:
        console.print(f'written to {probes.folder}: {" ".join(files)}')


def redo(args: argparse.Namespace) -> int:
    """Redoes table and figure from the store."""
    wanted = _set(args)
    path = Path(args.out) / 'results.jsonl'
    if args.store is not None:
        path = Path(args.store)
    if not path.is_file():
        raise UsageError(f'there is no store {path}')
    stored = Store(path.parent, path.name).read()
    known = {name for row in stored for name in (*row, *row['config'])}
    for name in wanted:
        check_name(f'key in {path}', name, known)
    for name in ('dataset', 'protocol', 'preset'):
        if (value := getattr(args, name)) is not None:
            there = {row[name] for row in stored}
            wanted[name] = find_name(f'{name} in {path}', value, there)
    rows = select(stored, wanted)
    others = len(stored) - len(rows)
    left_out = [f'{others} runs, as was asked for'] if others else []
    code = _report(rows, args.out, left_out=left_out)
    if args.store is None:
        _report_probes(rows, Store(args.out, PROBES))
    return code


def judge(args: argparse.Namespace) -> int:
    """Puts stored runs beside published numbers."""
    lines = verdict.write(verdict.read(args.stores), args.out)
    console.print(verdict.table(lines))
    console.print(f'written to {args.out}: verdict.csv claims.csv verdict.md')
    return 0


def time_peers(args: argparse.Namespace) -> int:
    """Runs one of the speed files and prints its rows."""
    args.device = environment.pick_device(args.device)
    environment.check_device(args.device)
    torch.set_num_threads(args.threads)
    rows = speed.FILES[args.file].run(args)
    if not rows:
        raise UsageError('there is nothing to measure')
    lines = [
        [_number(v) if isinstance(v, float) else str(v) for v in row.values()]
        for row in rows
    ]
    if len(rows[0]) > WIDE:  # too many columns for a terminal: turned round
        out = Table(title=f'speed {args.file}', show_header=False)
        lines = zip(rows[0], *lines, strict=True)
    else:
        out = Table(*rows[0], title=f'speed {args.file}')
    for line in lines:
        out.add_row(*line)
    console.print(out)
    device = environment.device_name(args.device, args.threads)
    given = {k: v for k, v in vars(args).items() if k not in ('root', 'json')}
    options = ', '.join(f'{k}={v}' for k, v in given.items())
    console.print(f'on {device}; {options}')
    if args.json:
        stamp = {
            'device': device,
            'versions': environment.versions(),
            'options': given,
        }
        text = json.dumps({**stamp, 'rows': rows}, indent=1)
        write_text(Path(args.json), text + '\n')
    return 0


def _number(value: float) -> str:
    return f'{value:.2f}' if abs(value) >= 0.1 else f'{value:.2g}'


def show(args: argparse.Namespace) -> int:
    """Shows all names."""
    named = {
        'dataset': [
            (d.name, f'{d.about}; protocols: {", ".join(d.protocols)}')
            for d in datasets.DATASETS.values()
        ],
        'method': [
            *((n, f'depth: {b.unit}') for n, b in backbones.BACKBONES.items()),
            *((n, f'the same as {s}') for n, s in spec.aliases().items()),
        ],
        'remedy': [
            (
                f'+{name}',
                ', '.join(
                    f'{k}={v}'
                    for k, v in {**remedy.fixed, **remedy.default}.items()
                ),
            )
            for name, remedy in remedies.REMEDIES.items()
        ],
        'edges': [
            (f'+{name}', ', '.join(f'{k}={v}' for k, v in keys.items()))
            for name, keys in EDGES.items()
        ],
        'preset': [(n, presets.read(n)['source']) for n in presets.names()],
        'protocol': [
            (p.name, f'{p.split}; {p.metric}')
            for p in protocols.PROTOCOLS.values()
        ],
    }
    for kind, lines in named.items():
        out = Table(kind, 'what it is', title_justify='left')
        for line in lines:
            out.add_row(*line)
        console.print(out)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    write_any_character()
    warnings.showwarning = lambda message, *_: console.print(
        f'warning: {shown(message)}', style='yellow'
    )
    commands = {
        'depth': depth,
        'points': points,
        'train': train_one,
        'augment': compare_edges,
        'report': redo,
        'verdict': judge,
        'speed': time_peers,
        'list': show,
    }
    try:
        args = parser().parse_args(arguments)
        return commands[args.command](args)
    except KeyboardInterrupt:
        console.print('stopped')
        return 130
    except UsageError as error:
        text = str(error)
    except OSError as error:  # of a file, a folder or the disk
        text = reason(error)
        if error.filename:
            text = f'{error.filename}: {text}'
    if distributed.first():
        line = ' '.join(f'error: {text}'.split())
        try:
            console.print(line, style='red', highlight=False, soft_wrap=True)
        except OSError:  # it was the screen that failed
            print(line, file=sys.stderr)
    return 2


if __name__ == '__main__':
    sys.exit(main())
