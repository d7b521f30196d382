"""What is chosen by validation in each split, and how it then tests: the way
to report depths that were tried, since the best mean test score of several
depths looks better than any of them is.
"""

import pandas as pd

from ..runs.store import Row
from . import tables
from .intervals import interval
from .summary import protocol_of

EACH = 'the best of all'
FILE = 'selection.csv'


def select(rows: list[Row]) -> pd.DataFrame:
    """A line for each method, and one for all methods together: in each split
    the depth with the best validation score is tested (Errica et al. 2020,
    arXiv 1912.09893). Where several are equally good, which is common with
    few graphs to validate, the mean of their test scores counts: what a
    choice among them by chance is expected to give.

    Returns:
        The mean test score over the splits with its standard deviation and
        95 % interval, shares in percent; how many splits; the depth, or the
        method, that most of them choose; and of all runs of a method the mean
        seconds and the most megabytes.
    """
    metric = protocol_of(rows[0]).metric
    good = pd.DataFrame([row for row in rows if row['status'] == 'ok'])
    if good.empty:
        return good
    good['better'] = metric.sign * good['val']
    groups = [*good.groupby('method')]
    if len(groups) > 1:
        groups.append((EACH, good))
    lines = []
    for name, group in groups:
        most = group.groupby('seed')['better'].transform('max')
        best = group[group['better'] == most]
        test = metric.scale * best.groupby('seed')['test'].mean()
        low, high = interval(test)
        lines.append(
            {
                'method': name,
                'mean': test.mean(),
                'std': test.std(),
                'ci95_low': low,
                'ci95_high': high,
                'splits': len(test),
                'depth': best['depth'].mode()[0],
                'chosen': best['method'].mode()[0],
                'seconds': group['seconds'].mean(),
                'peak_mb': group['peak_mb'].max(),
            }
        )
    return pd.DataFrame(lines)


COLUMNS: tables.Columns = {
    'method': str,
    'mean': '{:.2f}'.format,
    'std': '{:.2f}'.format,
    'ci95_low': '{:.2f}'.format,
    'ci95_high': '{:.2f}'.format,
    'splits': str,
    'depth': str,
    'seconds': '{:.1f}'.format,
    'peak_mb': '{:.0f}'.format,
}
