"""The 95 % interval of a mean, and of a difference of means."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats


def interval(values: pd.Series) -> tuple[float, float]:
    """Of a mean, by Student's t; NaN of fewer than two values."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.sem()
    return float(values.mean() - half), float(values.mean() + half)


def welch(more: pd.Series, less: pd.Series) -> tuple[float, float]:
    """Of a difference of means of runs that are not paired."""
    if _alike(more) and _alike(less):  # no spread to divide by
        return (float(more.mean() - less.mean()),) * 2
    test = stats.ttest_ind(more, less, equal_var=False)
    low, high = test.confidence_interval()
    return float(low), float(high)


def paired(gain: pd.Series) -> dict[str, Any]:
    """The mean of differences with its interval, and the p-value of a paired
    t-test.
    """
    low, high = interval(gain)
    if _alike(gain):  # no spread to divide by
        p = float('nan') if len(gain) < 2 else float(not gain.iloc[0])
    else:
        p = float(stats.ttest_1samp(gain, 0.0).pvalue)
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
