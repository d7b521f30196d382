import json
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.speed import FILES, again
from benchmarks.speed.table import cells, growth, markdown

RESULTS = Path(__file__).parents[3] / 'benchmarks' / 'results'

SINCE: set[tuple[str, str]] = set()  # what is another option since then


def test_all_results_can_be_had_again():
    kept = {file.name for file in RESULTS.glob('speed-*.json')}
    assert kept <= {f'speed-{name}.json' for name in again.RUNS}
    files = {again.words_of(name)[1][0] for name in again.RUNS}
    assert files == {*FILES} == {*again.SMALLEST}


@pytest.mark.parametrize('name', again.RUNS)
def test_runs_are_commands(name):
    environment, words = again.words_of(name)
    for smallest in (False, True):
        call = ['speed', *again.words_of(name, smallest)[1]]
        args = cli._parser(cli._command(call), call).parse_args(call)
        assert args.file == words[0]
    assert all(key.startswith('MALLOC_') for key in environment)


def test_what_a_result_says_it_was_run_with_is_what_it_is_run_with():
    """Of those that say it."""
    for name in again.RUNS:
        file = RESULTS / f'speed-{name}.json'
        told = json.loads(file.read_text()) if file.exists() else {}
        call = ['speed', *again.words_of(name)[1]]
        args = cli._parser(cli._command(call), call).parse_args(call)
        for key, value in told.get('options', {}).items():
            now, value = (
                ','.join(map(str, v)) if isinstance(v, list) else v
                for v in (getattr(args, key), value)
            )
            assert now == value or (name, key) in SINCE, (name, key)


def test_the_page_is_that_of_the_results():
    text = (RESULTS / again.PAGE).read_text('utf-8')
    assert text == again.page(RESULTS), 'run benchmarks.speed.again.page'


def test_table():
    rows = [{'a|b': 1, 'c': 0.25}, {'a|b': '1_000', 'c': 0.0123}]
    assert markdown(rows) == (
        '| a\\|b | c |\n| --- | ---: |\n| 1 | 0.25 |\n| 1_000 | 0.012 |'
    )
    wide = [{f'c{i}': i for i in range(13)}] * 2
    turned, lines = cells(wide)
    assert turned
    assert lines[:2] == [['c0', '0', '0'], ['c1', '1', '1']]
    assert markdown(wide).startswith('| c0 | 0 | 0 |\n| --- | ---: | ---: |')


def test_growth():
    """Two graphs, one measured at too few sizes; nothing of ratios."""
    rows = [
        {'graph': g, 'n': n, 'ours s': 3e-3 * n**2, 'us / ours': 'no'}
        for g, sizes in (('a', (2, 4, 9)), ('b', (2, 4)))
        for n in sizes
    ]
    rows[0]['ours s'] *= 1 + 1e-6
    assert growth(rows, 'n') == ['Exponent of n a: `ours s` 2.00']
    assert growth([{'n': 2, 'us / ours': 1.0}] * 3, 'n') == []


def test_again(tmp_path, monkeypatch):
    """Each is run, and one that fails does not stop the others."""
    runs = {'broken': 'drift --norms nothing', 'drift': 'drift'}
    monkeypatch.setattr(again, 'RUNS', runs)
    with pytest.raises(UsageError, match='these failed: broken'):
        again.rerun(tmp_path, runs, smallest=True)
    assert not (tmp_path / 'speed-broken.json').exists()


def test_the_smallest_sizes_replace_no_results(capsys, tmp_path):
    call = ['bench', '--only', 'drift', '--smallest', '--out', str(tmp_path)]
    assert cli.main(call) == 0
    text = (tmp_path / again.PAGE).read_text('utf-8')
    command = f'`python -m benchmarks speed drift {again.SMALLEST["drift"]}`'
    assert command in text
    assert '| layer | 8 |' in text
    assert cli.main(call) == 2
    assert 'would replace speed-drift.json' in capsys.readouterr().out
