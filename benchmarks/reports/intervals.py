"""The 95 % interval of a mean, and of a difference of means with its test."""

import numpy as np
import pandas as pd
from scipy import stats


def interval(values: pd.Series) -> tuple[float, float]:
    """Of a mean, by Student's t; NaN of fewer than two values."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.sem()
    return float(values.mean() - half), float(values.mean() + half)


def welch(
    more: pd.Series, less: pd.Series, value: float = 0.0
) -> dict[str, float]:
    """The difference of the means of runs that are not paired, its interval,
    and the p-value of Welch's two-sided test of a value: NaN without a spread.
    """
    gain = float(more.mean() - less.mean())
    low = high = gain
    p = float('nan')
    if not (_alike(more) and _alike(less)):  # else nothing to divide by
        test = stats.ttest_ind(more - value, less, equal_var=False)
        low, high = (float(v) + value for v in test.confidence_interval())
        p = float(test.pvalue)
    return {'gain': gain, 'ci95_low': low, 'ci95_high': high, 'p': p}


def paired(gain: pd.Series, value: float = 0.0) -> dict[str, float]:
    """The mean of differences, its interval, and the p-value of the paired
    two-sided t-test of a value: NaN without a spread.
    """
    low, high = interval(gain)
    p = float('nan')
    if not _alike(gain):  # else nothing to divide by
        p = float(stats.ttest_1samp(gain, value).pvalue)
    return {
        'pairs': len(gain),
        'gain': float(gain.mean()),
        'ci95_low': low,
        'ci95_high': high,
        'p': p,
    }


def _alike(values: pd.Series) -> bool:
    """Whether values differ by no more than rounding."""
    return np.allclose(values, values.iloc[0], rtol=1e-9, atol=1e-12)
