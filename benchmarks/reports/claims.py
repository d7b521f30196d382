"""What papers say of depth, as named checks over stored runs."""

from functools import cache
from typing import Any, NamedTuple

import pandas as pd
import yaml
from statsmodels.stats.multitest import multipletests

from ..data import protocols
from ..methods import spec
from ..runs.store import Row
from . import facts, tables
from .equivalence import LEVEL
from .intervals import paired, welch
from .published import FOLDER

GROUP = ['dataset', 'protocol', 'preset']


@cache
def claims() -> list[dict[str, Any]]:
    """All claims, from ``reference/claims.yaml``."""
    return yaml.safe_load((FOLDER / 'claims.yaml').read_text('utf-8'))


def check(rows: list[Row]) -> pd.DataFrame:
    """One line for each claim and preset that has the runs for it: the
    difference in points with its 95 % interval, the p-value of what the claim
    asks for, the same by Holm's correction for all lines, and a verdict.

    Two methods are compared seed by seed, and so split by split; two depths
    of a method by Welch's test.
    """
    frame = pd.DataFrame(rows)
    lines = []
    for names, group in frame.groupby(GROUP, sort=False):
        if facts.needed_depth(names[0]) is not None:
            continue  # made to need depth: no paper says this of it
        metric = protocols.find(names[1]).metric
        scores = metric.sign * metric.scale * group['test']
        group = group.assign(test=scores)
        cells = {
            cell: runs.set_index('seed')['test']
            for cell, runs in group.groupby(['method', 'depth'])
        }
        for claim in claims():
            pair = [
                cells.get((spec.parse(method).name, depth))
                for method, depth in (claim['more'], claim['less'])
            ]
            if any(runs is None for runs in pair):
                continue
            by_seed = claim['more'][0] != claim['less'][0]
            if by_seed:
                seeds = pair[0].index.intersection(pair[1].index)
                pair = [runs.loc[seeds] for runs in pair]
            if min(map(len, pair)) < 2:
                continue
            more, less = pair
            value = claim['at_least']
            found = (
                paired(more - less, value)
                if by_seed
                else welch(more, less, value)
            )
            lines.append(
                {
                    **dict(zip(GROUP, names, strict=True)),
                    'claim': claim['claim'],
                    'text': claim['text'],
                    'runs': min(map(len, pair)),
                    'difference': found['gain'],
                    'ci95_low': found['ci95_low'],
                    'ci95_high': found['ci95_high'],
                    'at_least': value,
                    'p': found['p'],
                }
            )
    checks = pd.DataFrame(lines)
    if lines:
        known = checks['p'].fillna(1.0)  # without a spread
        checks['p_holm'] = multipletests(known, method='holm')[1]
        checks['verdict'] = [verdict(line) for line in checks.itertuples()]
    return checks


def verdict(line: NamedTuple) -> str:
    """Whether a claim holds."""
    if line.p_holm >= LEVEL:
        return 'open'
    return 'holds' if line.difference >= line.at_least else 'refuted'


def markdown(lines: pd.DataFrame) -> list[str]:
    """The checks as lines of a page."""
    rows = [
        [
            f'{line.claim}: {line.text}',
            line.dataset,
            line.preset,
            str(line.runs),
            f'{line.difference:+.2f} [{line.ci95_low:+.2f}, '
            f'{line.ci95_high:+.2f}]',
            f'{line.p:.2g}',
            f'{line.p_holm:.2g}',
            line.verdict,
        ]
        for line in lines.sort_values(['claim', 'dataset']).itertuples()
    ]
    head = (
        'claim',
        'dataset',
        'preset',
        'runs',
        'difference',
        'p',
        'p (Holm)',
        'verdict',
    )
    return tables.page(head, rows)
