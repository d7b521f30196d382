import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from benchmarks.reports import equivalence
from benchmarks.reports.equivalence import Mean

CASES = [
    ([83.1, 82.4, 84.0, 83.3, 82.9], 83.0, 0.0, 2),
    ([83.1, 82.4, 84.0, 83.3, 82.9], 83.0, 0.7, 100),
    ([71.0, 71.9, 70.2], 72.5, 1.4, 10),
]


def mean_of(values):
    return Mean(np.mean(values), np.std(values, ddof=1), len(values))


@pytest.mark.parametrize(('ours', 'value', 'std', 'runs'), CASES)
def test_half_width(ours, value, std, runs):
    """As scipy has it of runs that have the published mean and spread."""
    away = std * math.sqrt((runs - 1) / runs)
    theirs = np.repeat([value - away, value + away], runs // 2)
    for level in (0.90, 0.95):
        if std:
            test = stats.ttest_ind(ours, theirs, equal_var=False)
        else:
            test = stats.ttest_1samp(ours, value)
        low, high = test.confidence_interval(level)
        found = equivalence.half_width(
            mean_of(ours), Mean(value, std, runs), level
        )
        assert found == pytest.approx((high - low) / 2)


def one_sided(ours, theirs, margin):
    """The p-values that scipy gives of means a margin less, or more."""
    rest = (*theirs, False)
    over, under = (
        stats.ttest_ind_from_stats(
            ours.value + shift, ours.std, ours.runs, *rest, alternative=side
        ).pvalue
        for shift, side in ((margin, 'greater'), (-margin, 'less'))
    )
    return over, under


@pytest.mark.parametrize('std', [0.0, 0.5])
def test_two_one_sided_tests(std):
    """Across the verdicts, what the p-values say."""
    theirs, seen = Mean(80.0, std, 20), set()
    for value in np.arange(77.0, 83.1, 0.1):
        for spread in (0.2, 1.0, 3.0):
            ours = Mean(value, spread, 5)
            both = max(one_sided(ours, theirs, 1.0))
            away = [1 - p for p in one_sided(ours, theirs, 1.0)]
            want = 'undecided'
            if both < 0.05:
                want = 'agrees'
            elif min(away) < 0.025:
                want = 'differs'
            assert equivalence.verdict(ours, theirs, 1.0) == want
            seen.add(want)
    assert seen == {'agrees', 'differs', 'undecided'}


def test_written_out():
    """Five runs of standard deviation 0.5: Student's t of 4 degrees is 2.132
    at 5 % and 2.776 at 2.5 %, so the half intervals are 0.477 and 0.621.
    """
    theirs = Mean(80.0)
    half90, half95 = (
        equivalence.half_width(Mean(80.0, 0.5, 5), theirs, level)
        for level in (0.90, 0.95)
    )
    assert (half90, half95) == pytest.approx((0.4767, 0.6208), abs=1e-4)
    for value, want in [
        (80.0, 'agrees'),
        (80.52, 'agrees'),
        (80.53, 'undecided'),
        (81.62, 'undecided'),
        (81.63, 'differs'),
        (78.37, 'differs'),
    ]:
        found = equivalence.verdict(Mean(value, 0.5, 5), theirs, 1.0)
        assert found == want, value


@pytest.mark.parametrize('std', [1.1, 10.0])
@pytest.mark.parametrize('value', [80.0, 79.5, 82.0])
def test_a_wide_interval_never_agrees(value, std):
    """Not even around the published mean itself."""
    ours = Mean(value, std, 5)
    assert equivalence.verdict(ours, Mean(80.0), 1.0) == 'undecided'


def test_a_wide_published_one_does_not_either():
    ours = Mean(80.0, 0.1, 20)
    assert equivalence.verdict(ours, Mean(80.0), 1.0) == 'agrees'
    assert equivalence.verdict(ours, Mean(80.0, 5, 5), 1.0) == 'undecided'


def test_far_apart_without_much_spread():
    ours = Mean(90.0, 0.01, 3)
    assert equivalence.verdict(ours, Mean(80.0, 0.5, 10), 1.0) == 'differs'


@pytest.mark.parametrize('value', [80.0, 90.0])
@pytest.mark.parametrize(
    ('std', 'runs'), [(math.nan, 1), (0.0, 5), (1.4e-14, 5)]
)
def test_no_spread_decides_nothing(value, std, runs):
    ours = Mean(value, std, runs)
    assert equivalence.verdict(ours, Mean(80.0), 1.0) == 'undecided'


@pytest.mark.parametrize(
    ('std', 'want'), [(0.5, 4), (1.0, 11), (1.5, 21), (9.0, 696)]
)
def test_runs_to_agree(std, want):
    """As statsmodels solves it, to the next whole run."""
    ours = Mean(70.0, std, 5)
    solved = TTestPower().solve_power(
        1 / std, alpha=0.05, power=0.9, alternative='larger'
    )
    found = equivalence.runs_to_agree(ours, Mean(80.0), 1.0)
    assert found == want == math.ceil(solved)


@pytest.mark.parametrize('theirs', [Mean(80.0), Mean(80.0, 1.0, 50)])
def test_runs_to_agree_are_enough(theirs):
    """Of drawn runs with equal means, four in five agree; of a third less,
    not.
    """
    draw = np.random.default_rng(0)
    ours = Mean(80.0, 1.5, 5)
    needed = equivalence.runs_to_agree(ours, theirs, 1.0)

    def share(runs):
        words = []
        for _ in range(1000):
            values = draw.normal(80.0, 1.5, runs)
            mean = draw.normal(80.0, theirs.std / math.sqrt(theirs.runs))
            words.append(
                equivalence.verdict(
                    mean_of(values), theirs._replace(value=mean), 1.0
                )
            )
        return words.count('agrees') / 1000

    assert 0.77 < share(needed) < 0.87
    assert share(2 * needed // 3) < 0.70


def test_no_number_of_runs_suffices():
    theirs = Mean(80.0, 5.0, 5)
    assert equivalence.runs_to_agree(Mean(80.0, 0.5, 5), theirs, 1.0) == (
        math.inf
    )
