"""A page that shows over-smoothing in ten minutes, from the committed runs."""

from pathlib import Path
from typing import Any

import pandas as pd

from ..output import write_text
from ..runs.store import Row, Store
from . import charts, karate, layers, lecture_charts, page, style
from .files import summary_of
from .summary import grid
from .verdict import RESULTS

DATASETS = {'cora': 'Cora', 'citeseer': 'CiteSeer', 'pubmed': 'PubMed'}
# Switched on at first:
CURVES = ('gcn', 'resgcn', 'jknet', 'appnp', 'gcnii', 'mlp')
PROBED = ('gcn', 'resgcn', 'gcnii', 'mlp')
RAISED = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')


def write(file: str | Path, results: Path = RESULTS) -> None:
    """Writes the page.

    Args:
        file: Where to.
        results: The folder of the runs that it shows.

    Raises:
        UsageError: If the libraries for pages are not installed.
    """
    write_text(Path(file), html(results))


def html(results: Path = RESULTS) -> str:
    """The page, the same for the same runs and libraries.

    Raises:
        UsageError: If the libraries for pages are not installed.
    """
    page.check()
    runs = {name: _read(results, f'{name}-classic') for name in DATASETS}
    summaries = {name: summary_of(rows) for name, rows in runs.items()}
    probes = [
        row
        for row in _read(results, 'cora-probe')
        if row['preset'] == 'classic'
    ]
    facts = Facts(summaries['cora'], probes)
    lines = lecture_charts.probed(facts.lines)
    club = karate.graph()
    specs = {
        **{f'curves-{n}': charts.curves(s) for n, s in summaries.items()},
        'club': lecture_charts.club(club),
        'plane': lecture_charts.plane(),
        **{
            f'line-{name}': lecture_charts.line(name)
            for name in lecture_charts.LINE_MEASURES
        },
        **{
            f'{state}-{name}': lecture_charts.by_layer(lines, name, state)
            for name in lecture_charts.PROBE_MEASURES
            for state in layers.STATES
        },
    }
    given = {
        'specs': {n: charts.specification(c) for n, c in specs.items()},
        'lines': lines.to_dict('records'),
        'club': club,
        'draws': [karate.weights(seed) for seed in range(karate.DRAWS)],
        'unit': karate.UNIT,
    }
    return page.render(
        'lecture.html.j2',
        given=given,
        facts=facts,
        tables={name: _table(s) for name, s in summaries.items()},
        titles=DATASETS,
        looks=style.looks(summaries['cora']['method']),
        shown=CURVES,
        probe_looks=style.looks(lines['method']),
        probe_shown=PROBED,
        depths=sorted(lines['depth'].unique()),
        measures=lecture_charts.PROBE_MEASURES,
        colors=lecture_charts.colors(),
        layers=karate.LAYERS,
        channels=karate.CHANNELS,
        alpha=karate.ALPHA,
        theta=karate.THETA,
    )


def _read(results: Path, name: str) -> list[Row]:
    return Store(results, f'{name}.jsonl').read()


def _table(summary: pd.DataFrame) -> dict[str, Any]:
    wide = grid(summary)
    looks = style.looks(wide.index)
    return {
        'head': [*wide.columns],
        'body': [(looks[m].name, [*wide.loc[m]]) for m in looks],
    }


class Facts:
    """The numbers of the page's sentences, as text.

    Args:
        summary: A line for each method and depth.
        probes: Runs whose layers were looked at, one for each of these.
    """

    def __init__(self, summary: pd.DataFrame, probes: list[Row]):
        self.summary = summary.set_index(['method', 'depth'])
        self.probes = {(r['method'], r['depth']): r for r in probes}
        self.lines = layers.frame(probes)

    def mean(self, method: str, depth: int) -> str:
        """The mean score."""
        return f'{self.summary.loc[(method, depth), "mean"]:.1f}'

    def runs(self, method: str, depth: int) -> str:
        """How many runs there are."""
        return f'{self.summary.loc[(method, depth), "runs"]:.0f}'

    def score(self, method: str, depth: int) -> str:
        """The score of the run whose layers were looked at."""
        return f'{100 * self.probes[method, depth]["test"]:.1f}'

    def measure(
        self, name: str, method: str, depth: int, state: str, layer: int
    ) -> float:
        """A measure of a layer, of which -1 is the last one."""
        seen = self.probes[method, depth]['probe'][state]['layers']
        return seen[layer][name]

    def text(self, *of: Any) -> str:
        """The same as text: two digits."""
        return two_digits(self.measure(*of))

    def percent(self, *of: Any) -> str:
        """The same as a percentage."""
        return f'{100 * self.measure(*of):.0f}'

    def share(self, method: str, depth: int, state: str) -> str:
        """How much of the gradient at the last layer comes to the first."""
        ends = [
            self.measure('gradient', method, depth, state, layer)
            for layer in (0, -1)
        ]
        return two_digits(ends[0] / ends[1])


def two_digits(value: float) -> str:
    """A number as people write it: 0.064, 5.1, 9.2·10⁻⁶."""
    if value == 0 or 1e-3 <= value < 1e4:
        return f'{float(f"{value:.2g}"):g}'
    mantissa, power = f'{value:.1e}'.split('e')
    raised = str(int(power)).translate(RAISED)
    return f'{mantissa}·10{raised}'
