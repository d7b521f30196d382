import math

import pandas as pd
import pytest

from benchmarks.data.protocols import PROTOCOLS
from benchmarks.reports import published


def test_reference_files():
    cells = published.reference()
    assert len(cells) > 300
    assert set(cells['verified']) == {'yes', 'from memory'}
    assert set(cells['recipe']) == {'yes', 'no'}
    assert set(cells['metric']) <= set(published.margins())
    assert cells['mean'].between(10, 100).all()
    assert cells['source'].notna().all()
    assert not cells.duplicated(published.CELL).any()
    assert set(PROTOCOLS) >= {'planetoid-public', 'gdc-lcc'}
    known = cells[cells['protocol'].isin(PROTOCOLS)]
    assert (known['verified'] == 'yes').sum() > 25


def line(**values):
    values = {
        'published': 80.0,
        'verified': 'yes',
        'recipe': 'yes',
        'metric': 'accuracy',
        'mean': 80.0,
        'std': 0.2,
        'runs': 5,
        'published_std': float('nan'),
        'published_runs': 100,
        **values,
    }
    difference = values['mean'] - values['published']
    return pd.Series({**values, 'difference': difference})


@pytest.mark.parametrize(
    ('values', 'want'),
    [
        ({}, 'agrees'),
        ({'mean': 80.8}, 'agrees'),
        ({'mean': 81.0}, 'undecided'),
        ({'mean': 81.3}, 'differs'),
        ({'mean': 78.7}, 'differs'),
        ({'std': 4.0}, 'undecided'),
        ({'published_std': 0.5}, 'agrees'),
        ({'published_std': 5.0, 'published_runs': 10}, 'undecided'),
        ({'published_std': 5.0, 'published_runs': float('nan')}, 'agrees'),
        ({'published': float('nan')}, 'no reference'),
        ({'verified': 'from memory'}, 'unverified reference'),
        ({'recipe': 'no', 'mean': 50.0}, 'recipe not published'),
        ({'std': float('nan'), 'runs': 1}, 'undecided'),
        ({'mean': 50.0, 'std': 0.0}, 'undecided'),
        ({'mean': float('nan')}, 'no runs'),  # all failed
    ],
)
def test_verdict(values, want):
    assert published.verdict(line(**values)) == want


def test_beside():
    """Known cells of the files, and one that no paper has."""
    summary = pd.DataFrame(
        {
            'dataset': ['cora', 'cora', 'cora', 'digits'],
            'protocol': ['gdc-lcc', *2 * ['planetoid-public'], 'gdc-lcc'],
            'preset': ['gdc', 'bag-of-tricks', 'sgc', 'gdc'],
            'method': ['gcn+ppr', 'appnp', 'sgc', 'gcn+ppr'],
            'depth': [2, 32, 2, 2],
            'metric': 'accuracy',
            'runs': [20, 5, 5, 5],
            'mean': [83.7, 70.0, 81.0, 99.0],
            'std': [1.0, 1.0, 1.5, 1.0],
        }
    )
    lines = published.beside(summary)
    words = ['agrees', 'differs', 'undecided', 'no reference']
    assert lines['verdict'].tolist() == words
    assert lines['published'].tolist()[:3] == [83.64, 83.68, 81.0]
    assert lines['difference'][1] == pytest.approx(-13.68)
    gdc = 1.17 / 10, 1.0 / 20**0.5  # standard errors
    assert lines['half95'][0] > 1.96 * sum(e * e for e in gdc) ** 0.5
    assert lines['half90'][1] == pytest.approx(2.1318 / 5**0.5, abs=1e-4)
    needed = lines['runs_to_agree'].tolist()
    assert needed == pytest.approx(
        [math.nan, math.nan, 21, math.nan], nan_ok=1
    )
    assert lines.loc[3, published.STRENGTH].isna().all()
