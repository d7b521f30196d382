"""The folder of a report: tables, figures, pages."""

import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data

from pyg_ext.metrics import receptive_field

from ..errors import reason
from ..output import make_folder, remove, write_text
from ..runs.identity import key
from ..runs.progress import Listener, State
from ..runs.store import Row
from . import curve, layers, page, style, tables
from .markdown import markdown
from .published import PUBLISHED, STRENGTH, beside
from .summary import (
    REACH_NODES,
    changes,
    check_one_kind,
    grid,
    heading,
    summarize,
)

MARKDOWN, HTML = 'report.md', 'report.html'
# Of a method in an earlier report, with the table beside them:
SHOWN = re.compile(
    r'^!\[(?:layers|attention) of .*\]'
    r'\(((probe|attention)-[^/\\()\n]+\.png)\)$',
    re.M,
)
REACH = 'receptive_field.csv'
REACH_COLUMNS = 'dataset', 'hops', 'percent'


def reach(dataset: str, data: Data, hops: int) -> pd.DataFrame:
    """The share of nodes that reach a node, in percent, by convolutions;
    the mean over at most 256 random nodes.
    """
    some = min(REACH_NODES, data.num_nodes)
    draw = torch.Generator().manual_seed(0)
    shares = receptive_field(data.edge_index, hops, data.num_nodes, some, draw)
    columns = {'hops': range(hops + 1), 'percent': 100 * shares}
    return pd.DataFrame({'dataset': dataset, **columns})


def _read_reach(file: Path, dataset: str) -> pd.DataFrame | None:
    """What an earlier report of the folder wrote of the dataset, if it did."""
    if not file.is_file():
        return None
    try:
        seen = pd.read_csv(file, dtype=dict.fromkeys(REACH_COLUMNS[1:], float))
        wrong = (*seen,) != REACH_COLUMNS or seen.isna().any(axis=None)
        why = f'no columns {", ".join(REACH_COLUMNS)}' if wrong else None
    except (OSError, ValueError) as error:  # the parser's is one
        why = reason(error)
    if why is None:
        fits = bool((seen['dataset'] == dataset).all())
        return seen if fits else None
    warnings.warn(f'{file} is not drawn: {why}', stacklevel=3)
    return None


def summary_of(
    rows: list[Row],
    fixed: pd.DataFrame | None = None,
    probed: Iterable[Row] = (),
) -> pd.DataFrame:
    """What :func:`write` writes, cell by cell; with the means of runs with a
    recipe that was not tuned as ``fixed``, if they are given, and with what
    looks at layers saw of answers that are far away as ``jacobian``.

    Raises:
        UsageError: If the rows must not stand in one table, or are none.
    """
    check_one_kind(rows)
    summary = beside(summarize(rows))
    if changes(rows):  # of another recipe than the published one
        gone = [*PUBLISHED.values(), 'difference', 'verified', *STRENGTH]
        summary[gone] = np.nan
        summary['verdict'] = 'no reference'
    if fixed is not None:
        cell = ['method', 'depth']
        means = fixed[[*cell, 'mean']].rename(columns={'mean': 'fixed'})
        summary = summary.merge(means, 'left', cell)
    far = layers.far(_like(rows, probed))
    if len(far):
        summary = summary.merge(far, 'left', ['method', 'depth'])
    return summary


def write(
    rows: list[Row],
    folder: str | Path,
    seen: pd.DataFrame | None = None,
    left_out: Iterable[str] = (),
    probed: Sequence[Row] = (),
    sections: Sequence[tables.Section] = (),
    fixed: pd.DataFrame | None = None,
) -> list[str]:
    """Writes what a report consists of, and returns the names of the files.

    Those are ``summary.csv``, ``table.tex``, ``curve.png``, ``curve.svg``,
    ``curve.pdf``, ``report.md``, ``report.html`` where the libraries for it
    are installed, and ``receptive_field.csv`` if it is given; else that of the
    folder is drawn, if there is one. Of runs whose layers were looked at,
    there are ``probe.csv`` and a figure for each method; those that an earlier
    ``report.md`` of the folder shows and this one does not are removed. A file
    that cannot be written is what it was.

    Args:
        rows: The runs.
        folder: Where to.
        seen: What :func:`reach` gives.
        left_out: What stands in the store besides, in words.
        probed: Runs whose layers were looked at, of which those like the
            others count.
        sections: More tables.
        fixed: The summary of runs with a recipe that was not tuned, whose
            curves are dotted.

    Raises:
        UsageError: If the rows must not stand in one table, or are none.
    """
    summary = summary_of(rows, fixed, probed)
    commits = sorted({row.get('commit', 'unknown') for row in rows})
    if len(commits) > 1:
        warnings.warn(
            f'the runs are of {len(commits)} commits ({", ".join(commits)})',
            stacklevel=2,
        )
    folder = make_folder(folder)
    file = folder / REACH
    if seen is not None:
        tables.write_csv(seen, file, '%.4f')
    else:
        seen = _read_reach(file, summary['dataset'].iloc[0])
    probed = _like(rows, probed)
    changed = changes(rows)
    before = _of_layers(folder / MARKDOWN)
    more, of_layers = layers.write(probed, folder)
    exact = {
        name: summary[name].map('{:.4g}'.format)  # may be tiny
        for name in ('jacobian',)
        if name in summary
    }
    tables.write_csv(summary.assign(**exact), folder / 'summary.csv', '%.4f')
    wide = grid(summary).rename(index=style.name_of)
    write_text(
        folder / 'table.tex', tables.latex(wide, heading(summary, changed))
    )
    curves = curve.draw(summary, folder, seen, changed)
    more = [*(line for part in sections for line in part.markdown()), *more]
    text = markdown(summary, rows, seen, left_out, more)
    write_text(folder / MARKDOWN, text)
    pages = [MARKDOWN]
    if page.can_be_made():
        html = page.report(
            summary, rows, seen, left_out, probed, sections=sections
        )
        write_text(folder / HTML, html)
        pages.append(HTML)
    remove(folder / name for name in before - {*of_layers})
    return ['summary.csv', 'table.tex', *curves, *pages, *of_layers]


def _of_layers(page: Path) -> set[str]:
    """The figures of layers that a page shows, and their tables."""
    try:
        shown = SHOWN.findall(page.read_text('utf-8'))
    except (OSError, ValueError):  # there is none, or it is no page
        return set()
    return {name for file, kind in shown for name in (file, f'{kind}.csv')}


def live(folder: str | Path) -> Listener:
    """What keeps ``report.html`` up to date while a sweep goes on: a page
    that shows itself anew every few seconds. If it cannot be written, that is
    said once; without the libraries for it there is none.
    """
    broken = not page.can_be_made()

    def write_page(rows: list[Row], state: State | None) -> None:
        nonlocal broken
        if broken:
            return
        try:
            summary = summary_of(rows) if rows else None
            html = page.report(summary, rows, state=state)
            write_text(make_folder(folder) / HTML, html)
        except Exception as error:  # a page is not worth a sweep
            broken = True
            warnings.warn(
                f'{HTML} is written at the end only: {reason(error)}',
                stacklevel=2,
            )

    return write_page


def _like(rows: Iterable[Row], probed: Iterable[Row]) -> list[Row]:
    """The runs of which others stand in the report."""
    kinds = {key({**row, 'depth': 0, 'seed': 0}) for row in rows}
    return [
        row for row in probed if key({**row, 'depth': 0, 'seed': 0}) in kinds
    ]
