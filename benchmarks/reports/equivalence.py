"""Whether the mean of some runs is equivalent to a published one.

Two one-sided tests (Schuirmann 1987; Lakens 2017, "Equivalence Tests"), by
Welch's t for two means whose spreads differ.
"""

import math
from bisect import bisect_left
from typing import NamedTuple

from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

LEVEL = 0.05  # of each one-sided test, and of the interval of `differs`
POWER = 0.8
MOST_RUNS = 10**6
NO_SPREAD = 1e-9  # points; rounding leaves less


class Mean(NamedTuple):
    """A mean of runs, and what is known of its uncertainty.

    Args:
        value: The mean, in points.
        std: Standard deviation of a run; by default the mean is exact.
        runs: How many it is of.
    """

    value: float
    std: float = 0.0
    runs: int = 2


def has_spread(ours: Mean) -> bool:
    """Whether the runs say how uncertain their mean is."""
    return ours.runs > 1 and ours.std > NO_SPREAD


def half_width(ours: Mean, theirs: Mean, level: float) -> float:
    """Half of the interval of the difference, in points."""
    low, high = _both(ours, theirs).tconfint_diff(1 - level, usevar='unequal')
    return (high - low) / 2


def verdict(ours: Mean, theirs: Mean, margin: float) -> str:
    """``'agrees'`` where the 90 % interval of the difference, which holds the
    two one-sided tests at 5 %, lies within the margin; ``'differs'`` where
    the 95 % interval lies outside; else, and without a spread,
    ``'undecided'``.
    """
    if not has_spread(ours):
        return 'undecided'
    away = abs(ours.value - theirs.value)
    if away + half_width(ours, theirs, 1 - 2 * LEVEL) < margin:
        return 'agrees'
    if away - half_width(ours, theirs, 1 - LEVEL) > margin:
        return 'differs'
    return 'undecided'


def runs_to_agree(ours: Mean, theirs: Mean, margin: float) -> float:
    """The number of runs with which equal means would agree in 80 % of all
    repetitions, at the spread that ours have; infinite where none suffices
    since the published mean is too uncertain.
    """

    def enough(runs: int) -> bool:
        both = _both(ours._replace(runs=runs), theirs)
        effect = margin / both.std_meandiff_separatevar
        power = TTestPower().power(
            effect, 1, LEVEL, df=both.dof_satt(), alternative='larger'
        )
        return power >= 1 - (1 - POWER) / 2  # of either test

    most = 2
    while not enough(most):
        if most > MOST_RUNS:
            return math.inf
        most *= 2
    return 2 + bisect_left(range(2, most), True, key=enough)


def _both(ours: Mean, theirs: Mean) -> CompareMeans:
    return CompareMeans(*map(_described, (ours, theirs)))


def _described(mean: Mean) -> DescrStatsW:
    """Values of this mean and spread, in place of runs that are not known:
    two, each with half of the weight.
    """
    away = mean.std * math.sqrt((mean.runs - 1) / mean.runs)
    values = [mean.value - away, mean.value + away]
    return DescrStatsW(values, [mean.runs / 2] * 2)
