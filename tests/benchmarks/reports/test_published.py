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
        'ci95_low': 79.9,
        'ci95_high': 80.1,
        **values,
    }
    difference = values['mean'] - values['published']
    return pd.Series({**values, 'difference': difference})


@pytest.mark.parametrize(
    ('values', 'want'),
    [
        ({}, 'within'),
        ({'mean': 81.0}, 'within'),
        ({'mean': 81.1, 'ci95_low': 80.9}, 'above'),
        ({'mean': 78.9, 'ci95_low': 78.7, 'ci95_high': 79.1}, 'below'),
        ({'mean': 77.0, 'ci95_high': 82.0, 'ci95_low': 72.0}, 'within'),
        ({'published': float('nan')}, 'no reference'),
        ({'verified': 'from memory'}, 'unverified reference'),
        ({'recipe': 'no', 'mean': 50.0}, 'recipe not published'),
        ({'mean': 78.9, 'ci95_low': float('nan')}, 'below'),  # one run
        ({'mean': float('nan')}, 'no runs'),  # all failed
    ],
)
def test_verdict(values, want):
    assert published.verdict(line(**values)) == want


def test_beside():
    """Known cells of the files, and one that no paper has."""
    summary = pd.DataFrame(
        {
            'dataset': ['cora', 'cora', 'digits'],
            'protocol': ['gdc-lcc', 'planetoid-public', 'gdc-lcc'],
            'preset': ['gdc', 'bag-of-tricks', 'gdc'],
            'method': ['gcn+ppr', 'appnp', 'gcn+ppr'],
            'depth': [2, 32, 2],
            'metric': 'accuracy',
            'mean': [83.7, 70.0, 99.0],
            'ci95_low': [83.2, 69.0, 98.0],
            'ci95_high': [84.2, 71.0, 99.5],
        }
    )
    lines = published.beside(summary)
    assert lines['verdict'].tolist() == ['within', 'below', 'no reference']
    assert lines['published'].tolist()[:2] == [83.64, 83.68]
    assert lines['difference'][1] == pytest.approx(-13.68)
