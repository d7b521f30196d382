import pytest

from benchmarks.cli import main
from benchmarks.errors import UsageError
from benchmarks.methods import spec
from benchmarks.output import console
from benchmarks.recipes import presets
from benchmarks.reports import published, verdict
from benchmarks.runs.store import Store


@pytest.fixture
def store(tmp_path):
    """Five runs of one published cell, and some that must not count."""
    sgc = presets.configure('sgc', 'cora', spec.parse('sgc'), {})
    row = {
        'dataset': 'cora',
        'method': 'sgc',
        'depth': 2,
        'protocol': 'planetoid-public',
        'preset': 'sgc',
        'metric': 'accuracy',
        'status': 'ok',
        'val': 0.8,
        'train': 1.0,
        'test_at_best_loss': 0.8,
        'test_at_best_metric': 0.8,
    }
    runs = [(sgc, 0.805 + seed / 1000, seed, 'ok') for seed in range(5)]
    runs += [
        ({**sgc, 'lr': 0.5}, 0.1, 5, 'ok'),
        (sgc, 0.1, 6, 'failed'),
    ]
    out = Store(tmp_path, 'runs.jsonl')
    for config, test, seed, status in runs:
        out.append(
            {
                **row,
                'config': config,
                'test': test,
                'seed': seed,
                'status': status,
            }
        )
    gone = {**row, 'preset': 'classic', 'method': 'gcnii', 'seed': 0}
    out.append({**gone, 'config': {}, 'test': 0.1})
    gcn = presets.configure('augment', 'cora', spec.parse('gcn'), {})
    chosen = {**row, 'preset': 'augment', 'method': 'gcn', 'seed': 0}
    out.append({**chosen, 'config': gcn, 'test': 0.1})
    return tmp_path / 'runs.jsonl'


def test_only_runs_of_the_preset(store, tmp_path):
    lines = verdict.judge(verdict.read([store, store]))  # each run once
    (line,) = (line for _, line in lines.iterrows())
    assert line['runs'] == 5
    assert line['mean'] == pytest.approx(80.7)
    assert (line['published'], line['verdict']) == (81.0, 'agrees')
    verdict.write(verdict.read([store]), tmp_path)
    page = (tmp_path / 'verdict.md').read_text()
    assert 'No runs for any.' in page
    assert '| cora | sgc | sgc | 2 | 5 | 80.70 | 0.16 |' in page
    assert '| 81.00 | -0.30 | 0.15 | 0.20 | agrees |  |' in page
    assert '1 agrees' in page
    assert published.about() in page
    assert '`wu2019_sgc`' in page


def test_command(store, tmp_path, capsys):
    console.width = 200
    out = tmp_path / 'out'
    assert main(['verdict', str(store), '--out', str(out)]) == 0
    assert 'agrees' in capsys.readouterr().out
    assert (out / 'verdict.csv').read_text().count('\n') == 2
    assert (out / 'verdict.md').is_file()
    assert main(['verdict', 'no.jsonl', '--out', str(out)]) == 2
    assert 'there is no store no.jsonl' in capsys.readouterr().out


def test_committed_runs():
    files = sorted(verdict.RESULTS.glob('*.jsonl'))
    lines = verdict.judge(verdict.read(files))
    assert len(lines) > 40
    assert (lines['runs'] > 0).all()


def test_nothing_to_judge():
    with pytest.raises(UsageError, match='no run follows its preset'):
        verdict.judge([])
