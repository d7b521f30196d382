"""What papers say of depth, as named checks over stored runs."""

from functools import cache
from typing import Any

import pandas as pd
import yaml

from ..data import protocols
from ..methods import spec
from ..runs.store import Row
from . import tables
from .intervals import interval, welch
from .published import FOLDER

GROUP = ['dataset', 'protocol', 'preset']


@cache
def claims() -> list[dict[str, Any]]:
    """All claims, from ``reference/claims.yaml``."""
    return yaml.safe_load((FOLDER / 'claims.yaml').read_text('utf-8'))


def check(rows: list[Row]) -> pd.DataFrame:
    """One line for each claim and preset that has the runs for it: the
    difference in points, its 95 % interval, and whether the claim holds.
    """
    frame = pd.DataFrame(rows)
    lines = []
    for names, group in frame.groupby(GROUP, sort=False):
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
            by_seed = claim.get('paired', False)
            if by_seed:
                seeds = pair[0].index.intersection(pair[1].index)
                pair = [runs.loc[seeds] for runs in pair]
            if min(map(len, pair)) < 2:
                continue
            more, less = pair
            low, high = interval(more - less) if by_seed else welch(more, less)
            lines.append(
                {
                    **dict(zip(GROUP, names, strict=True)),
                    'claim': claim['claim'],
                    'text': claim['text'],
                    'runs': min(map(len, pair)),
                    'difference': (low + high) / 2,
                    'ci95_low': low,
                    'ci95_high': high,
                    'at_least': claim['at_least'],
                    'verdict': verdict(low, high, claim['at_least']),
                }
            )
    return pd.DataFrame(lines)


def verdict(low: float, high: float, at_least: float) -> str:
    """Whether a claim holds."""
    if low >= at_least:
        return 'holds'
    return 'refuted' if high < at_least else 'open'


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
            line.verdict,
        ]
        for line in lines.sort_values(['claim', 'dataset']).itertuples()
    ]
    head = 'claim', 'dataset', 'preset', 'runs', 'difference', 'verdict'
    return tables.page(head, rows)
