"""Rows of a store as a data frame: a line for each method and depth."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..data import datasets, protocols
from ..errors import UsageError, check_name
from ..methods import spec
from ..recipes import presets
from ..runs.store import NUMBERS, SCORES, Row, config_hash


def select(rows: list[Row], wanted: dict[str, Any]) -> list[Row]:
    """The rows with the given dataset, preset, or values of configuration."""

    def fits(row: Row) -> bool:
        values = {**row, **row['config']}
        return all(values.get(k) == v for k, v in wanted.items())

    return [row for row in rows if fits(row)]


def together(
    rows: list[Row], like: Row, overrides: dict[str, Any]
) -> tuple[list[Row], list[str]]:
    """The rows that may stand in one table with a sweep's, and in words how
    many others there are.

    Args:
        rows: Some runs, of this and of other sweeps.
        like: A run of this one, for its dataset, protocol and preset.
        overrides: What the sweep sets in a configuration: a run of another
            method fits if the same would have been set in its own.
    """
    fit: list[Row] = []
    others: Counter[str] = Counter()
    wanted: dict[str, Any] = {}
    for row in rows:
        differ = [
            f'{name} {row[name]}'
            for name in ('dataset', 'protocol', 'preset')
            if row[name] != like[name]
        ]
        if differ:
            others[f'of {", ".join(differ)}'] += 1
            continue
        method = row['method']
        if method not in wanted:
            wanted[method] = _configured(like, method, overrides)
        config = wanted[method]
        if config == row['config']:
            fit.append(row)
        elif config is None:
            others[f'of {method}, which this sweep cannot run'] += 1
        else:
            others[
                f'of {method} with {", ".join(_unlike(row["config"], config))}'
            ] += 1
    words = [
        f'{number} run{"s" * (number > 1)} {what}'
        for what, number in others.items()
    ]
    return fit, words


def _configured(
    like: Row, method: str, overrides: dict[str, Any]
) -> dict[str, Any] | None:
    """How a method would have been run in a sweep; none if it could not."""
    try:
        parsed = spec.parse(method)
        names = (like['preset'], like['dataset'], parsed)
        return presets.configure(*names, dict(overrides), like['depth'])
    except UsageError:
        return None


def _unlike(config: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What the first configuration has where the second differs, by key."""
    return [
        f'{key}={config.get(key, "nothing")}'
        for key in sorted({*config, *other})
        if key not in config or key not in other or config[key] != other[key]
    ]


def check_one_kind(rows: list[Row]) -> None:
    """Refuses rows that must not stand in one table.

    Raises:
        UsageError: On two datasets, protocols, presets or configurations of
            a method, and on names that are not known.
    """
    if not rows:
        raise UsageError('the store has no run of what was asked for')
    for name in ('dataset', 'protocol', 'preset'):
        found = sorted({row[name] for row in rows})
        if len(found) > 1:
            raise UsageError(
                f'the runs are of {len(found)} {name}s, which one table must '
                f'not mix ({", ".join(found)}): choose one with --{name}'
            )
    check_name('dataset', rows[0]['dataset'], datasets.DATASETS)
    check_name('protocol', rows[0]['protocol'], protocols.PROTOCOLS)
    for method in dict.fromkeys(row['method'] for row in rows):
        spec.parse(method)
        configs = {
            config_hash(row['config']): row['config']
            for row in rows
            if row['method'] == method
        }
        if len(configs) > 1:
            first, second, *_ = configs.values()
            both = zip(
                *map(_unlike, (first, second), (second, first)), strict=True
            )
            differ = '; '.join(map(' and '.join, both))
            raise UsageError(
                f'the runs of {method} differ in {differ}: choose with '
                f'--set key=value'
            )


def summarize(rows: list[Row]) -> pd.DataFrame:
    """One line for each method and depth; scores as tables have them.

    The interval is the 95 % interval of the mean by Student's t.
    """
    order = list(dict.fromkeys(row['method'] for row in rows))
    frame = pd.DataFrame(rows)
    for name in NUMBERS:  # failed runs have none
        frame[name] = frame[name].astype(float) if name in frame else np.nan
    protocol = protocols.PROTOCOLS[rows[0]['protocol']]
    frame[[*SCORES]] *= protocol.scale
    lines = []
    for (method, depth), cell in frame.groupby(['method', 'depth']):
        good = cell[cell['status'] == 'ok']
        mean, runs = good['test'].mean(), len(good)
        half = stats.t.ppf(0.975, runs - 1) * good['test'].sem()
        lines.append(
            {
                **cell[['dataset', 'protocol', 'preset']].iloc[0],
                'metric': protocol.metric,
                'method': method,
                'depth': depth,
                'runs': runs,
                'failed': len(cell) - runs,
                'mean': mean,
                'std': good['test'].std(),
                'ci95_low': mean - half,
                'ci95_high': mean + half,
                **good[[*NUMBERS]].mean().drop('test'),
            }
        )
    return pd.DataFrame(lines).sort_values(
        ['method', 'depth'],
        key=lambda c: c.map(order.index) if c.name == 'method' else c,
        ignore_index=True,
    )


def usual_runs(summary: pd.DataFrame) -> int:
    """The number of runs that most cells have."""
    return int(summary['runs'].mode().iloc[-1])


def _protocol(summary: pd.DataFrame) -> protocols.Protocol:
    return protocols.PROTOCOLS[summary['protocol'].iloc[0]]


def what_cells_hold(summary: pd.DataFrame) -> str:
    """A table's cells in words."""
    return (
        f'test {_protocol(summary).measure}, mean ± standard '
        f'deviation of {usual_runs(summary)} runs (or of as many as stand in '
        f'brackets)'
    )


def changes(rows: list[Row]) -> list[str]:
    """Where the runs depart from the preset that they name."""
    found = set()
    for row in rows:
        names = (row['preset'], row['dataset'], row['method'])
        found |= {*_unlike(row['config'], presets.unchanged(*names))}
    return sorted(found)
