"""Rows of a store as a data frame: a line for each method and depth."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..data import protocols
from ..data.metrics import METRICS, Metric
from ..errors import UsageError, check_name
from ..recipes import presets
from ..runs.cells import Cell, plan, settings
from ..runs.identity import config_hash
from ..runs.store import NUMBERS, SCORES, Row
from .intervals import interval
from .style import in_order

GONE = 'not known here'
MOST = 4  # changes that a title names
REACH_NODES = 256  # whose receptive fields are looked at


def select(rows: list[Row], wanted: dict[str, Any]) -> list[Row]:
    """The rows with the given dataset, preset, or values of configuration."""

    def fits(row: Row) -> bool:
        values = {**row, **row['config']}
        return all(values.get(k) == v for k, v in wanted.items())

    return [row for row in rows if fits(row)]


def together(
    rows: list[Row], like: Row, overrides: Mapping[str, Any]
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
    wanted: dict[tuple[str, int | None], Cell | None] = {}
    for row in rows:
        differ = [
            f'{name} {row[name]}'
            for name in ('dataset', 'protocol', 'preset')
            if row[name] != like[name]
        ]
        if differ:
            others[f'of {", ".join(differ)}'] += 1
            continue
        method, depth = kind = _kind(row)
        if kind not in wanted:
            here = {**like, 'depth': depth or like['depth']}
            wanted[kind] = _as_here(here, method, overrides)
        cell = wanted[kind]
        if cell is None:
            others[f'of {method}, which what is set here does not fit'] += 1
        elif cell.config != row['config']:
            unlike = ', '.join(_unlike(row['config'], cell.config))
            others[f'of {method} with {unlike}'] += 1
        elif cell.code != row.get('code'):
            others[f'of {method}, of other code or data'] += 1
        else:
            fit.append(row)
    words = [
        f'{number} run{"s" * (number > 1)} {what}'
        for what, number in others.items()
    ]
    return fit, words


def _kind(row: Row) -> tuple[str, int | None]:
    """What shares a configuration: the runs of a method, or, where each
    depth has a recipe, those of a method at a depth.
    """
    return row['method'], row['depth'] if row.get('by_depth') else None


def _as_here(
    like: Row, method: str, overrides: Mapping[str, Any]
) -> Cell | None:
    """How a method would have been run in a sweep; none if it could not."""
    names = (like['preset'], settings(overrides, method), like['protocol'])
    try:
        [cell] = plan(like['dataset'], [method], [like['depth']], 1, *names)
    except UsageError:
        return None
    return cell


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
    contents = sorted({row['data'] for row in rows if 'data' in row})
    if len(contents) > 1:
        raise UsageError(
            f'the runs are of {len(contents)} contents of the data, which one '
            f'table must not mix ({", ".join(contents)}): choose one with '
            f'--set data=NAME'
        )
    for kind in dict.fromkeys(map(_kind, rows)):
        method, _ = kind
        mine = [row for row in rows if _kind(row) == kind]
        codes = sorted({row.get('code', 'none') for row in mine})
        if len(codes) > 1:
            raise UsageError(
                f'the runs of {method} are of {len(codes)} versions of its '
                f'code or data: choose with --set code={codes[0]} or '
                f'{codes[1]}'
            )
        configs = {config_hash(row['config']): row['config'] for row in mine}
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


def protocol_of(row: Row) -> protocols.Protocol:
    """The protocol of a run, of which less is known if it is gone.

    Raises:
        UsageError: If its metric is gone, too.
    """
    try:
        return protocols.find(row['protocol'])
    except UsageError:
        metric = row.get('metric', 'none')
        check_name('metric', metric, METRICS)
        return protocols.Protocol(row['protocol'], GONE, METRICS[metric])


def summarize(rows: list[Row]) -> pd.DataFrame:
    """One line for each method and depth; scores as tables have them.

    The interval is the 95 % interval of the mean by Student's t.
    """
    order = in_order(row['method'] for row in rows)
    frame = pd.DataFrame(rows)
    for name in NUMBERS:  # failed runs have none
        frame[name] = frame[name].astype(float) if name in frame else np.nan
    metric = protocol_of(rows[0]).metric
    frame[[*SCORES]] *= metric.scale
    lines = []
    for (method, depth), cell in frame.groupby(['method', 'depth']):
        good = cell[cell['status'] == 'ok']
        low, high = interval(good['test'])
        lines.append(
            {
                **cell[['dataset', 'protocol', 'preset']].iloc[0],
                'metric': metric.name,
                'method': method,
                'depth': depth,
                'runs': len(good),
                'failed': len(cell) - len(good),
                'mean': good['test'].mean(),
                'std': good['test'].std(),
                'ci95_low': low,
                'ci95_high': high,
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


def metric_of(summary: pd.DataFrame) -> Metric:
    """What a summary is of."""
    return METRICS[summary['metric'].iloc[0]]


def what_cells_hold(summary: pd.DataFrame) -> str:
    """A table's cells in words."""
    usual, runs = usual_runs(summary), summary['runs']
    spread = 'mean ± standard deviation of'
    if runs.max() <= 1:
        text = what_curves_hold(summary)
    elif usual == 1:
        text = f'1 run, or {spread} as many as stand in brackets'
    else:
        text = f'{spread} {usual} runs (or of as many as stand in brackets)'
    return f'test {metric_of(summary).title}, {text}'


def what_curves_hold(summary: pd.DataFrame) -> str:
    """A figure's points and bands in words."""
    runs = summary['runs'][summary['runs'] > 0]
    if runs.empty:
        return 'no run went well'
    low, high = runs.min(), runs.max()
    if high == 1:
        return '1 run each'
    several = f'{high}' if low == high else f'{low} to {high}'
    return f'mean ± std of {several} seeds'


def heading(summary: pd.DataFrame, changed: Sequence[str] = ()) -> str:
    """What a table or figure is of, in one line."""
    first = summary.iloc[0]
    text = f'{first["dataset"]}, {first["protocol"]}, preset {first["preset"]}'
    some, more = changed[:MOST], len(changed) - MOST
    if more > 0:
        some = [*some, f'and {more} more changes']
    return f'{text}, with {", ".join(some)}' if some else text


def changes(rows: list[Row]) -> list[str]:
    """Where the runs depart from the preset that they name."""
    found = set()
    kinds = {}
    for row in rows:
        names = (row['preset'], row['dataset'], *_kind(row))
        kinds[(*names, config_hash(row['config']))] = row
    for row in kinds.values():
        names = (row[k] for k in ('preset', 'dataset', 'method', 'depth'))
        try:
            as_published = presets.unchanged(*names)
        except UsageError:
            found.add(f'all of {row["method"]}, as far as is known here')
            continue
        found |= {*_unlike(row['config'], as_published)}
    return sorted(found)


def cell_text(line: pd.Series, usual: int) -> str:
    """``mean ± std``, and the number of runs where it is not the usual."""
    if not line['runs']:
        return 'failed'
    digits = protocol_of(line).metric.digits
    text = f'{line["mean"]:.{digits}f}'
    if line['runs'] > 1:
        text += f' ± {line["std"]:.{digits}f}'
    if line['runs'] != usual:
        text += f' ({line["runs"]:.0f})'
    if line['failed']:
        text += f', {line["failed"]:.0f} failed'
    return text


def grid(summary: pd.DataFrame) -> pd.DataFrame:
    """Methods by depths, each cell as text."""
    usual = usual_runs(summary)
    texts = [cell_text(line, usual) for _, line in summary.iterrows()]
    wide = summary.assign(text=texts).pivot(
        index='method', columns='depth', values='text'
    )
    return wide.loc[summary['method'].unique()].fillna('')


ROOM = 0.03  # of an axis, for the half of a marker on its end
WIDER, WIDEST = 0.6, 3.0  # what each marker, and all of them, add to one


def nested(summary: pd.DataFrame) -> pd.Series:
    """How many times as wide as usual each point is drawn, so that those
    with the same mean, which come later, lie within it.
    """
    good = summary[summary['runs'] > 0]
    same = good.groupby(['depth', good['mean'].round(6)])
    later = same.cumcount(ascending=False).reindex(summary.index, fill_value=0)
    return 1 + later * min(WIDER, WIDEST / max(later.max(), 1))


def limits(summary: pd.DataFrame, besides: float | None = None) -> list[float]:
    """Where the axis of scores begins and ends: around all of them, and a
    further one, and never so close that less than 5 points, or a tenth of
    them, fill it.
    """
    good = summary[summary['runs'] > 0]
    spread = good['std'].fillna(0.0)
    known = good['published'].where(good['verified'] == 'yes')
    ends = [good['mean'] - spread, good['mean'] + spread, known]
    if 'fixed' in good:
        ends.append(good['fixed'])
    ends = pd.concat(ends).dropna()
    if ends.empty:
        return [0.0, 1.0]
    if besides is not None:
        ends = [*ends, besides]
    low, high = float(min(ends)), float(max(ends))
    percent = metric_of(summary).scale == 100
    least = 5.0 if percent else 0.1 * max(abs(low), abs(high), 1e-9)
    pad = max(0.05 * (high - low), (least - (high - low)) / 2)
    low, high = low - pad, high + pad
    room = ROOM * (high - low)
    if percent:
        return [max(low, -room), min(high, 100.0 + room)]
    return [low, high]
