"""Published numbers, and what a mean of ours says of them."""

from functools import cache
from pathlib import Path

import pandas as pd
import yaml

from ..errors import UsageError
from ..recipes import presets
from . import equivalence
from .equivalence import Mean

FOLDER = Path(__file__).parents[1] / 'reference'
CELL = ['dataset', 'protocol', 'preset', 'method', 'depth']
PUBLISHED = {
    'mean': 'published',
    'std': 'published_std',
    'runs': 'published_runs',
}
STRENGTH = ['half90', 'half95', 'runs_to_agree']
TITLES = {
    'mean': 'ours',
    'half90': '± (90 %)',
    'half95': '± (95 %)',
    'runs_to_agree': 'runs to agree',
}
COLUMNS = {  # of tables, by their titles
    'published': '{:.2f}'.format,
    'difference': '{:+.2f}'.format,
    '± (90 %)': '{:.2f}'.format,
    '± (95 %)': '{:.2f}'.format,
    'verdict': str,
    'runs to agree': '{:.0f}'.format,
}
BESIDE = {  # of one dataset and preset
    'method': str,
    'depth': str,
    'ours': '{:.2f}'.format,
    **COLUMNS,
    'paper': str,
}


@cache
def reference() -> pd.DataFrame:
    """The published cells, of all files in ``reference/``."""
    files = sorted(FOLDER.glob('*.csv'))
    return pd.concat(map(pd.read_csv, files), ignore_index=True)


@cache
def margins() -> dict[str, float]:
    """For each metric, what a mean may differ by from the published one."""
    return yaml.safe_load((FOLDER / 'margins.yaml').read_text('utf-8'))


def beside(summary: pd.DataFrame) -> pd.DataFrame:
    """Adds to each cell the published mean, its paper, a verdict, and how
    strong that is: half of the 90 % and of the 95 % interval of the
    difference, and the runs that it would take to decide an undecided one.
    """
    theirs = reference().rename(columns=PUBLISHED)
    columns = [*CELL, *PUBLISHED.values(), 'paper', 'verified', 'recipe']
    own = [*summary['preset']]
    lines = summary.assign(preset=[*map(_published, own)])
    lines = lines.merge(theirs[columns], 'left', CELL)
    lines['recipe'] = lines['recipe'].where(lines['preset'] == own, 'no')
    lines['preset'] = own
    lines['difference'] = lines['mean'] - lines['published']
    lines['verdict'] = [verdict(line) for _, line in lines.iterrows()]
    strength = [_strength(line) for _, line in lines.iterrows()]
    return lines.join(pd.DataFrame(strength, lines.index, STRENGTH))


def titled(lines: pd.DataFrame) -> pd.DataFrame:
    """The cells with a published mean, columns as tables call them."""
    return lines.dropna(subset='published').rename(columns=TITLES)


def about() -> str:
    """What verdicts mean, in plain text."""
    margin = ', '.join(f'{m:g} points of {k}' for k, m in margins().items())
    return (
        'agrees: two one-sided tests at 5 % find our mean equivalent to the '
        'published one, that is, the 90 % interval of the difference lies '
        f'within the margin ({margin}). differs: the 95 % interval lies '
        'outside of it. undecided: neither, or our runs have no spread; "runs '
        'to agree" is how many would decide it with a power of 80 % if the '
        'means were equal (inf: none, since the published one is too '
        'uncertain). A published mean counts as exact where its '
        'standard deviation or its number of runs is not known.'
    )


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
    return equivalence.verdict(*_means(line), margins()[line['metric']])


def _strength(line: pd.Series) -> dict[str, float]:
    """Nothing where there is no published mean or no spread of ours."""
    ours, theirs = _means(line)
    if pd.isna(line['published']) or not equivalence.has_spread(ours):
        return {}
    out = {
        f'half{percent}': equivalence.half_width(ours, theirs, percent / 100)
        for percent in (90, 95)
    }
    if line['verdict'] == 'undecided':
        margin = margins()[line['metric']]
        needed = equivalence.runs_to_agree(ours, theirs, margin)
        out['runs_to_agree'] = needed
    return out


def _means(line: pd.Series) -> tuple[Mean, Mean]:
    """Ours and the published one, which is taken as exact unless its
    standard deviation and its runs are known.
    """
    ours = Mean(line['mean'], line['std'], line['runs'])
    theirs = line[[*PUBLISHED.values()]]
    if theirs.isna().any():
        return ours, Mean(line['published'])
    return ours, Mean(*theirs)
