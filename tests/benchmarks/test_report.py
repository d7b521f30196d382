import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from benchmarks import report
from benchmarks.errors import UsageError


def test_numbers(tmp_path, row):
    tests = [0.50, 0.60, 0.55]
    rows = [row(seed=i, test=t) for i, t in enumerate(tests)]
    rows.append(row(depth=4, test=0.4))
    rows.append(row(depth=8, status='failed'))
    summary = report.write(rows, tmp_path)
    first, second, third = (line for _, line in summary.iterrows())
    assert (first['runs'], first['failed']) == (3, 0)
    assert first['mean'] == pytest.approx(55.0)
    assert first['std'] == pytest.approx(5.0)
    low, high = stats.t.interval(0.95, 2, loc=55.0, scale=5.0 / 3**0.5)
    assert first['ci95_low'] == pytest.approx(low)
    assert first['ci95_high'] == pytest.approx(high)
    assert first['test_at_best_metric'] == pytest.approx(56.0)
    assert report.cell_text(first, 3) == '55.00 ± 5.00'
    assert report.cell_text(first, 2) == '55.00 ± 5.00 (3)'
    assert report.cell_text(second, 3) == '40.00 (1)'
    assert report.cell_text(third, 3) == 'failed'
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / 'summary.csv')[['depth', 'runs', 'failed']],
        summary[['depth', 'runs', 'failed']],
    )


def test_files(tmp_path, row):
    rows = [
        row(method=m, depth=d, seed=s, test=0.5 + 0.01 * s)
        for m in ('gcn', 'jknet')
        for d in (2, 4, 64)
        for s in (0, 1)
    ]
    rows.append(row(method='gcn', depth=64, seed=2, status='failed'))
    report.write(rows, tmp_path)
    with Image.open(tmp_path / 'curve.png') as image:
        assert min(image.size) > 500
    svg = (tmp_path / 'curve.svg').read_text()
    assert svg.startswith('<?xml')
    page = (tmp_path / 'report.md').read_text()
    assert '| gcn | 50.50 ± 0.71 |' in page
    assert '50.50 ± 0.71, 1 failed |' in page
    assert 'gcn, depth 64, seed 2: Diverged' in page
    report.write(rows, tmp_path)
    assert (tmp_path / 'curve.svg').read_text() == svg  # the same bytes


def test_departures_from_the_preset_are_named(tmp_path, row):
    rows = [row(), row(seed=1)]
    assert report.changes(rows) == ['epochs=3', 'hidden_channels=8']
    report.write(rows, tmp_path)
    page = (tmp_path / 'report.md').read_text()
    assert 'changed from the preset: epochs=3, hidden_channels=8' in page


def test_nothing_but_failures(tmp_path, row):
    summary = report.write([row(status='failed')], tmp_path)
    assert summary['failed'].tolist() == [1]
    assert (tmp_path / 'curve.png').exists()


@pytest.mark.parametrize(
    ('other', 'message'),
    [
        ({'preset': 'gcnii'}, '2 presets.*classic, gcnii.*--preset'),
        ({'protocol': 'other'}, '2 protocols'),
        ({'dataset': 'cora'}, '2 datasets.*--dataset'),
        (
            {'config': {'epochs': 4}},
            'epochs=3 and epochs=4: choose with --set',
        ),
    ],
)
def test_refuses_to_mix(tmp_path, row, other, message):
    with pytest.raises(UsageError, match=message):
        report.write([row(), row(seed=1, **other)], tmp_path)
    assert not [*tmp_path.iterdir()]


def test_select(row):
    rows = [row(), row(preset='gcnii'), row(config={'epochs': 4})]
    assert report.select(rows, {'preset': 'gcnii'}) == [rows[1]]
    assert report.select(rows, {'epochs': 4}) == [rows[2]]
    assert report.select(rows, {'preset': 'classic', 'epochs': 3}) == [rows[0]]
    with pytest.raises(UsageError, match='no run'):
        report.check_one_kind(report.select(rows, {'epochs': 5}))


def test_warns_of_mixed_commits(tmp_path, row):
    with pytest.warns(UserWarning, match='2 commits .abc, def.'):
        report.write([row(), row(seed=1, commit='def')], tmp_path)
