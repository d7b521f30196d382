import os
import subprocess
import sys

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

from benchmarks.cli import main
from benchmarks.errors import UsageError
from benchmarks.methods import spec
from benchmarks.recipes import presets
from benchmarks.reports import files as report
from benchmarks.reports import summary
from benchmarks.runs.store import Store


def test_numbers(tmp_path, row):
    tests = [0.50, 0.60, 0.55]
    rows = [row(seed=i, test=t) for i, t in enumerate(tests)]
    rows.append(row(depth=4, test=0.4))
    rows.append(row(depth=8, status='failed'))
    lines = report.summary_of(rows)
    first, second, third = (line for _, line in lines.iterrows())
    assert (first['runs'], first['failed']) == (3, 0)
    assert first['mean'] == pytest.approx(55.0)
    assert first['std'] == pytest.approx(5.0)
    low, high = stats.t.interval(0.95, 2, loc=55.0, scale=5.0 / 3**0.5)
    assert first['ci95_low'] == pytest.approx(low)
    assert first['ci95_high'] == pytest.approx(high)
    assert first['test_at_best_metric'] == pytest.approx(56.0)
    assert summary.cell_text(first, 3) == '55.00 ± 5.00'
    assert summary.cell_text(first, 2) == '55.00 ± 5.00 (3)'
    assert summary.cell_text(second, 3) == '40.00 (1)'
    assert summary.cell_text(third, 3) == 'failed'
    report.write(rows, tmp_path)
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / 'summary.csv')[['depth', 'runs', 'failed']],
        lines[['depth', 'runs', 'failed']],
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
    assert summary.changes(rows) == ['epochs=3', 'hidden_channels=8']
    report.write(rows, tmp_path)
    page = (tmp_path / 'report.md').read_text()
    assert 'changed from the preset: epochs=3, hidden_channels=8' in page


def test_nothing_but_failures(tmp_path, row):
    rows = [row(status='failed')]
    assert 'report.md' in report.write(rows, tmp_path)
    assert report.summary_of(rows)['failed'].tolist() == [1]
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
    assert summary.select(rows, {'preset': 'gcnii'}) == [rows[1]]
    assert summary.select(rows, {'epochs': 4}) == [rows[2]]
    assert summary.select(rows, {'preset': 'classic', 'epochs': 3}) == [
        rows[0]
    ]
    with pytest.raises(UsageError, match='no run'):
        summary.check_one_kind(summary.select(rows, {'epochs': 5}))


def test_warns_of_mixed_commits(tmp_path, row):
    with pytest.warns(UserWarning, match='2 commits .abc, def.'):
        report.write([row(), row(seed=1, commit='def')], tmp_path)


def test_what_comes_from_a_row_is_text(tmp_path, row, capsys):
    evil = 'x\n# Heading\n<script>a | b</script> \x1b[2J\x1b]0;owned\x07'
    store = Store(tmp_path)
    store.append(row(commit=evil, device=evil, versions={evil: evil}))
    failed = {'status': 'failed', 'error': evil, 'commit': evil}
    store.append(row(seed=1, **failed))
    assert main(['report', '--out', str(tmp_path)]) == 1
    page = (tmp_path / 'report.md').read_text('utf-8')
    assert page.count('&lt;script&gt;a \\| b&lt;/script&gt;') == 5
    for part in ('\x1b', '<script>', '\n# Heading', '\a'):
        assert part not in page
    assert '\x1b' not in capsys.readouterr().out


def test_all_that_fits_together(row):
    """Of other sweeps: what the same command would have run."""
    overrides = {'epochs': 3, 'hidden_channels': 8}
    sgc = {'epochs': 3, 'lr': 0.2}
    fits = [row(), row(depth=64), row(method='gcn+res'), row(seed=7)]
    others = [
        row(preset='gcnii'),
        row(preset='gcnii', seed=1),
        row(dataset='cora'),
        row(config={'epochs': 4}),
        row(config={'dropout': 0.1}, method='gcn+res'),
        row(method='nothing'),
        {**row(method='sgc'), 'config': sgc},
    ]
    found, words = summary.together([*others, *fits], row(), overrides)
    assert found == fits
    assert words == [
        '2 runs of preset gcnii',
        '1 run of dataset cora',
        '1 run of gcn with epochs=4',
        '1 run of gcn+res with dropout=0.1',
        '1 run of nothing, which what is set here does not fit',
        '1 run of sgc, which what is set here does not fit',
    ]


def test_left_out_is_said(tmp_path, row):
    report.write([row()], tmp_path, left_out=['2 runs of preset gcnii'])
    page = (tmp_path / 'report.md').read_text('utf-8')
    assert '- in the same store, and not in this report: 2 runs of' in page


@pytest.mark.parametrize(
    'content', ['', 'a,b\n1,2\n', 'hops,percent\n1,x\n', '\x00\n"', 'hops,\n']
)
def test_another_receptive_field(tmp_path, row, content):
    file = tmp_path / 'receptive_field.csv'
    file.write_text(content)
    with pytest.warns(UserWarning, match=r'receptive_field\.csv is not drawn'):
        report.write([row()], tmp_path)
    assert file.read_text() == content
    assert 'Below the curves' not in (tmp_path / 'report.md').read_text()


@pytest.mark.parametrize('name', ['dataset', 'protocol', 'method', 'preset'])
def test_names_that_are_gone(tmp_path, row, name):
    """Runs are reported all the same, as far as something is known of them."""
    rows = [row(**{name: 'other\x1b'})]
    report.write(rows, tmp_path)
    page = (tmp_path / 'report.md').read_text('utf-8')
    assert 'not known here' in page
    assert '\x1b' not in page
    assert '| gcn | 50.00 |' in page or name == 'method'
    known = name == 'protocol'  # does not change what the recipe is
    assert ('as far as is known here' in page) != known


def test_a_metric_that_is_gone(tmp_path, row):
    rows = [row(protocol='other', metric='better')]
    with pytest.raises(UsageError, match="unknown metric 'better'"):
        report.write(rows, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_file_that_cannot_be_replaced(tmp_path, row, capsys):
    Store(tmp_path).append(row())
    (tmp_path / 'report.md').mkdir()
    assert main(['report', '--out', str(tmp_path)]) == 2
    text = capsys.readouterr().out
    assert '50.00' in text
    assert 'report.md cannot be written: Is a directory' in text


def test_ascii_locale(tmp_path, row):
    """Texts are written all the same, in UTF-8; the screen shows numbers."""
    for seed, test in enumerate((0.5, 0.6)):
        Store(tmp_path).append(row(seed=seed, test=test, device='Größe'))
    place = {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONIOENCODING': 'ascii'}
    command = ('-m', 'benchmarks', 'report', '--out', tmp_path)
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **place},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert b'55.00 \\xb1 7.07' in done.stdout
    page = (tmp_path / 'report.md').read_text('utf-8')
    assert '55.00 ± 7.07' in page
    assert '- device: Größe' in page


def test_what_a_configuration_lacks_is_another_recipe(row):
    """And is not put beside the published number."""
    config = row()['config']
    config = {k: v for k, v in config.items() if k != 'dropout'}
    rows = [{**row(), 'config': config}, row(seed=1)]
    assert summary.changes(rows) == [
        'dropout=nothing',
        'epochs=3',
        'hidden_channels=8',
    ]
    with pytest.raises(UsageError, match=r'dropout=nothing and dropout=0\.5'):
        summary.check_one_kind(rows)


@pytest.fixture
def published(row):
    """Runs of a cell that is published as 81.0, as their preset has them, or
    with some changes.
    """
    method = spec.parse('sgc')

    def make(**changes):
        config = presets.configure('sgc', 'cora', method, changes)
        names = {
            'dataset': 'cora',
            'protocol': 'planetoid-public',
            'preset': 'sgc',
            'config': config,
        }
        return [
            {**row(method='sgc', seed=seed, test=test), **names}
            for seed, test in enumerate((0.803, 0.805, 0.807))
        ]

    return make


def test_beside_the_published_number(published, tmp_path):
    (line,) = report.summary_of(published()).itertuples()
    assert (line.mean, line.published) == pytest.approx((80.5, 81.0))
    assert line.difference == pytest.approx(-0.5)
    assert (line.verified, line.verdict) == ('yes', 'agrees')
    report.write(published(), tmp_path)
    page = (tmp_path / 'report.md').read_text('utf-8')
    assert '| sgc | 2 | 80.50 | 81.00 | -0.50 | 0.34 | 0.50 | agrees |' in page
    html = (tmp_path / 'report.html').read_text('utf-8')
    assert '<td class="agrees">agrees</td>' in html
    assert 'two one-sided tests' in page
    assert 'two one-sided tests' in html


def test_another_recipe_has_no_published_number(published, tmp_path):
    rows = published(lr=0.1)
    (line,) = report.summary_of(rows).itertuples()
    assert line.mean == pytest.approx(80.5)
    assert line.verdict == 'no reference'
    for value in (line.published, line.difference, line.verified, line.half90):
        assert pd.isna(value)
    report.write(rows, tmp_path)
    page = (tmp_path / 'report.md').read_text('utf-8')
    assert 'changed from the preset: lr=0.1' in page
    assert 'published' not in page


def points(figure):
    """What is drawn as markers without a line, ``(depth, score)``."""
    return [
        tuple(point)
        for axes in figure.axes
        for line in axes.lines
        if line.get_linestyle() == 'None' and line.get_marker() != 'None'
        for point in line.get_xydata().tolist()
    ]


@pytest.mark.parametrize(
    ('changes', 'want'), [({}, [(2.0, 81.0)]), ({'lr': 0.1}, [])]
)
def test_published_numbers_are_marked(
    published, tmp_path, monkeypatch, changes, want
):
    drawn = []
    save = Figure.savefig

    def savefig(figure, *given, **named):
        drawn.append(points(figure))
        save(figure, *given, **named)

    monkeypatch.setattr(Figure, 'savefig', savefig)
    report.write(published(**changes), tmp_path)
    assert drawn == [want] * 3  # of all formats


def test_a_method_of_one_depth(row):
    """A method need not be possible at others."""
    method = spec.parse('gin+identity')
    config = presets.configure('classic', 'digits', method, {}, 1)
    mine = {**row(method='gin+identity', depth=1), 'config': config}
    assert summary.together([mine], mine, {}) == ([mine], [])


def test_any_backend_of_matplotlib(tmp_path, row):
    Store(tmp_path).append(row())
    command = [sys.executable, '-m', 'benchmarks', 'report', '--out']
    done = subprocess.run(
        [*command, tmp_path],
        env={**os.environ, 'MPLBACKEND': 'of another program'},
        capture_output=True,
    )
    assert done.returncode == 0


def test_words_on_what_users_bring(tmp_path, row):
    own = {'code': 'code-1', 'recipe_of': 'gcn on cora'}
    rows = [row(), row(method='mine', **own), row(method='mine+res', **own)]
    report.write(rows, tmp_path)
    page = ' '.join((tmp_path / 'report.md').read_text('utf-8').split())
    assert 'mine, mine+res: the recipe of gcn on cora, for the preset' in page
    assert 'mine, mine+res: code-1: other code or data' in page
    assert 'gcn, ' not in page.partition('What was run')[2]


def test_codes_and_contents_do_not_mix(row):
    rows = [row(seed=0, code='code-a'), row(seed=1, code='code-b')]
    with pytest.raises(UsageError, match='--set code=code-a or code-b'):
        summary.check_one_kind(rows)
    rows = [row(seed=0, data='a'), row(seed=1, data='b'), row(seed=2)]
    with pytest.raises(UsageError, match=r'2 contents of the data.*a, b'):
        summary.check_one_kind(rows)


def test_reach_of_another_dataset_is_not_drawn(tmp_path, row):
    reach = pd.DataFrame({'dataset': 'cora', 'hops': [0, 1], 'percent': 5.0})
    report.write([row(dataset='cora')], tmp_path, reach)
    assert 'Below the curves' in (tmp_path / 'report.md').read_text('utf-8')
    report.write([row(dataset='cora')], tmp_path)
    assert 'Below the curves' in (tmp_path / 'report.md').read_text('utf-8')
    report.write([row()], tmp_path)
    page = (tmp_path / 'report.md').read_text('utf-8')
    assert 'Below the curves' not in page
