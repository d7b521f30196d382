"""Published numbers, and what a mean of ours says of them."""

from functools import cache
from pathlib import Path

import pandas as pd
import yaml

from ..errors import UsageError
from ..recipes import presets

FOLDER = Path(__file__).parents[1] / 'reference'
CELL = ['dataset', 'protocol', 'preset', 'method', 'depth']


@cache
def reference() -> pd.DataFrame:
    """The published cells, of all files in ``reference/``."""
    files = sorted(FOLDER.glob('*.csv'))
    return pd.concat(map(pd.read_csv, files), ignore_index=True)


@cache
def margins() -> dict[str, float]:
    """For each metric, how far a mean may lie from the published one."""
    return yaml.safe_load((FOLDER / 'margins.yaml').read_text('utf-8'))


def beside(summary: pd.DataFrame) -> pd.DataFrame:
    """Adds to each cell the published mean, its paper, and a verdict."""
    theirs = reference().rename(columns={'mean': 'published'})
    columns = [*CELL, 'published', 'paper', 'verified', 'recipe']
    own = [*summary['preset']]
    lines = summary.assign(preset=[*map(_published, own)])
    lines = lines.merge(theirs[columns], 'left', CELL)
    lines['recipe'] = lines['recipe'].where(lines['preset'] == own, 'no')
    lines['preset'] = own
    lines['difference'] = lines['mean'] - lines['published']
    lines['verdict'] = [verdict(line) for _, line in lines.iterrows()]
    return lines


def _published(preset: str) -> str:
    """The preset whose published numbers stand beside one."""
    try:
        return presets.read(preset).published or preset
    except UsageError:  # it is gone
        return preset


def verdict(line: pd.Series) -> str:
    """What a cell says of the published one."""
    if pd.isna(line['published']):
        return 'no reference'
    if line['verified'] != 'yes':
        return 'unverified reference'
    if line['recipe'] != 'yes':
        return 'recipe not published'
    if pd.isna(line['mean']):
        return 'no runs'
    inside = line['ci95_low'] <= line['published'] <= line['ci95_high']
    if inside or abs(line['difference']) <= margins()[line['metric']]:
        return 'within'
    return 'above' if line['difference'] > 0 else 'below'
