"""Pages for a browser: one file each, with all code inside."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from ..data.metrics import Metric
from ..errors import UsageError
from ..output import shown
from ..runs.progress import State
from ..runs.store import Row
from . import charts, facts, layers, published, style, tables
from .summary import (
    changes,
    grid,
    heading,
    metric_of,
    protocol_of,
    what_cells_hold,
)

TEMPLATES = Path(__file__).with_name('templates')
NEEDED = ('altair', 'itables', 'jinja2', 'vl_convert')
AGAIN = 5  # seconds until a page of a sweep that goes on is read again


def can_be_made() -> bool:
    """Whether the libraries for pages are installed."""
    return all(find_spec(name) for name in NEEDED)


def check() -> None:
    """Raises a UsageError that says how the libraries are had."""
    if not can_be_made():
        raise UsageError(
            f'pages need {", ".join(NEEDED)}: pip install pyg-ext[html]'
        )


def render(template: str, **values: Any) -> str:
    """A page of a template in ``templates/``; values are text, whatever they
    hold. Charts are given as specifications, by the names of their places.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters['shown'] = shown
    env.policies['json.dumps_kwargs'] = {}  # in the order of the charts
    return env.get_template(template).render(
        vega=vega, grids=data_tables, **values
    )


@cache
def vega() -> str:
    """The code that draws charts."""
    import vl_convert
    from markupsafe import Markup

    return Markup(_inside_script(vl_convert.javascript_bundle()))


@cache
def data_tables() -> dict[str, str]:
    """The code and the style of tables that sort and filter."""
    import itables
    from markupsafe import Markup

    folder = Path(itables.__file__).with_name('html')
    code = (folder / 'dt_bundle.js').read_text('utf-8')
    return {
        'js': Markup(_inside_script(code)),
        'css': Markup((folder / 'dt_bundle.css').read_text('utf-8')),
    }


def _inside_script(code: str) -> str:
    """Code that no browser takes for the end of a script."""
    return re.sub('<(/script|!--)', r'<\\\1', code, flags=re.IGNORECASE)


def report(
    summary: pd.DataFrame | None,
    rows: list[Row],
    seen: pd.DataFrame | None = None,
    left_out: Iterable[str] = (),
    probed: Sequence[Row] = (),
    state: State | None = None,
    sections: Sequence[tables.Section] = (),
) -> str:
    """The report.

    Args:
        summary: A line for each method and depth; none if there is no run.
        rows: The runs.
        seen: The receptive field by convolutions.
        left_out: What stands in the store besides, in words.
        probed: Runs whose layers were looked at.
        state: How far the sweep is, if it goes on.
        sections: More tables.
    """
    values: dict[str, Any] = {
        'state': state,
        'again': AGAIN,
        'title': 'no run is done',
        'specs': {},
        'data': {},
        'sections': sections,
    }
    if summary is not None:
        values |= _of_runs(summary, rows, seen, left_out)
        good = [row for row in probed if row['status'] == 'ok']
        if good:
            lines, heads = layers.frame(good), layers.attention(good)
            maps = charts.layers(lines)
            values['data'] = {'layers': _records(lines)}
            if len(heads):
                maps['attention'] = charts.attention(heads)
                values['data']['attention'] = _records(heads)
                values['attention'] = layers.ATTENTION
            values['findings'] = _findings(good)
            values['specs'] |= {
                f'layers-{name}': charts.specification(chart)
                for name, chart in maps.items()
            }
    return render('report.html.j2', **{**EMPTY, **values})


EMPTY = dict.fromkeys(
    ('looks', 'wide', 'runs', 'beside', 'facts', 'failures', 'findings'), ()
) | {
    'has_reach': False,
    'below': '',
    'has_fixed': False,
    'has_spread': False,
    'about': None,
    'attention': '',
}


def _of_runs(
    summary: pd.DataFrame,
    rows: list[Row],
    seen: pd.DataFrame | None,
    left_out: Iterable[str],
) -> dict[str, Any]:
    first, protocol = summary.iloc[0], protocol_of(rows[0])
    wide = grid(summary)
    looks = style.looks(wide.index)
    units: dict[str, list[str]] = {}
    for method, look in looks.items():
        units.setdefault(facts.unit(method, rows), []).append(look.name)
    specs = {'curves': charts.curves(summary, rows)}
    if seen is not None:
        specs['reach'] = charts.reach(summary, seen)
    elif 'jacobian' in summary:
        specs['reach'] = charts.far(summary)
    return {
        'title': heading(summary, changes(rows)),
        'about': {
            'data': facts.about(first['dataset']),
            'protocol': f'{protocol.name}: {protocol.about}',
            'preset': f'{first["preset"]}: {facts.source(first["preset"])}',
        },
        'cells': what_cells_hold(summary),
        'metric': metric_of(summary).title,
        'looks': looks,
        'wide': {
            'head': [*wide.columns],
            'body': [(looks[m].name, [*wide.loc[m]]) for m in looks],
        },
        'units': units,
        'has_reach': 'reach' in specs,
        'has_fixed': 'fixed' in summary,
        'has_spread': summary['std'].notna().any(),
        'below': facts.below(summary, seen),
        'beside': _beside(summary, looks),
        'names': {method: look.name for method, look in looks.items()},
        'facts': facts.what_was_run(rows, left_out),
        'columns': [*COLUMNS.values()],
        'runs': [_run(row, protocol.metric) for row in rows],
        'failures': [row for row in rows if row['status'] != 'ok'],
        'specs': {n: charts.specification(c) for n, c in specs.items()},
    }


def _beside(
    summary: pd.DataFrame, looks: dict[str, style.Look]
) -> dict[str, Any]:
    known = published.titled(summary)
    if known.empty:
        return {}
    names = known['method'].map(lambda method: looks[method].name)
    cells = tables.cells(known.assign(method=names), published.BESIDE)
    return {
        'lines': [dict(zip(published.BESIDE, c, strict=True)) for c in cells],
        'about': published.about(),
    }


COLUMNS = {  # of a run, and their titles
    'method': 'method',
    'depth': 'depth',
    'seed': 'seed',
    'test': 'test',
    'val': 'validation',
    'best_epoch': 'best epoch',
    'epochs': 'epochs',
    'seconds': 'seconds',
    'peak_mb': 'peak MB',
    'commit': 'commit',
}


def _run(row: Row, metric: Metric) -> list[str]:
    def text(name: str) -> str:
        value = row.get(name)
        if value is None:
            return 'failed' if name == 'test' else ''
        if name in ('test', 'val'):
            return f'{metric.scale * value:.{metric.digits}f}'
        return f'{value:.1f}' if isinstance(value, float) else shown(value)

    return [text(name) for name in COLUMNS]


def _findings(good: list[Row]) -> list[dict[str, Any]]:
    """What was found in each run that was looked at, in words."""
    seen = [
        (row, [row['probe'][state] for state in layers.STATES])
        for row in sorted(good, key=lambda row: row['depth'])
    ]
    return [
        {
            'method': row['method'],
            'depth': row['depth'],
            'test': f'{100 * row["test"]:.1f}',
            'words': [
                shown(
                    state.get('words')
                    or ', '.join(map(str, state['findings']))
                )
                for state in states
            ],
        }
        for row, states in seen
    ]


def _records(lines: pd.DataFrame) -> list[dict[str, Any]]:
    """The lines for a chart: four digits, and nothing where there is none."""
    numbers = lines.select_dtypes('float')
    short = numbers.map(lambda v: float(f'{v:.4g}'))
    lines = lines.assign(**short).astype(object)
    return lines.where(lines.notna(), None).to_dict('records')
