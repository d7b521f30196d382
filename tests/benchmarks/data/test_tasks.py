"""Names of generated tasks, and what they say."""

import re
from pathlib import Path

import pytest
import torch

from benchmarks.cli import main
from benchmarks.data import datasets, sizes, tasks
from benchmarks.errors import UsageError
from benchmarks.interface.names import dataset_name, load_dataset


@pytest.mark.parametrize(
    ('text', 'name'),
    [
        ('ring-transfer', 'ring-transfer'),
        ('Ring-Transfer', 'ring-transfer'),
        ('ring-transfer:distance=5', 'ring-transfer'),
        ('ring-transfer: classes=3, distance=8', None),
        ('ring-transfer:distance=8', 'ring-transfer:distance=8'),
        ('digit-chain:seed=1,chains=10', 'digit-chain:chains=10,seed=1'),
    ],
)
def test_one_name_for_the_same_data(text, name):
    name = name or 'ring-transfer:distance=8,classes=3'
    assert dataset_name(text, None, None, None, None) == name
    assert datasets.find(name).name == name


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('ring-transfer:hops=3', "option of ring-transfer 'hops'"),
        ('ring-transfer:distance', 'distance must be a whole number'),
        ('ring-transfer:', "a name is missing in 'ring-transfer:'"),
        ('ring-transfer:distance=3,,classes=4', 'a name is missing'),
        ('ring-transfer:distance=1', 'from 2 to 1000 (got 1)'),
        ('ring-transfer:distance=1.5', "(got '1.5')"),
        ('ring-transfer:distance=far', "(got 'far')"),
        ('clique-path:distance=2', 'from 3 to 1000 (got 2)'),
        ('tree-neighbors-match:radius=30', 'from 1 to 10 (got 30)'),
        ('ring-transfer:distance=[', "(got '[')"),
        ('ring-transfer:distance=3,distance=4', 'distance stands twice'),
        ('digit-chain:seed=-1', 'seed must be a whole number of at least 0'),
    ],
)
def test_what_cannot_be_is_said(text, words):
    with pytest.raises(UsageError) as error:
        dataset_name(text, None, None, None, None)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ('text', 'want'),
    [
        ('ring-transfer', (150, 5, 300)),
        ('crossed-ring:distance=2,classes=3', (36, 3, 72)),
        ('crossed-ring:distance=3,classes=3', (54, 3, 144)),
        ('crossed-ring:distance=8', (240, 5, 840)),
        ('clique-path:distance=3,classes=2', (24, 2, 36)),
        ('clique-path:distance=6', (150, 5, 450)),
        ('tree-neighbors-match:radius=1', (12, 4, 20)),
        ('tree-neighbors-match:permutations=10', (1200, 16, 2320)),
        ('digit-chain:distance=3,chains=20', (80, 65, 120)),
    ],
)
def test_size_is_known_before_it_is_made(text, want):
    name, options = tasks.parse(text)
    size = tasks.TASKS[name].size(**options)
    assert (size.nodes, size.features, size.edges) == want
    data = load_dataset(text)
    assert (*data.x.shape, data.num_edges) == want


@pytest.mark.parametrize('name', ['shortest-paths', 'eccentricity'])
@pytest.mark.parametrize('graphs', [10, 200])
def test_size_of_random_graphs_at_most(name, graphs):
    data = load_dataset(f'{name}:graphs={graphs}')
    size = sizes.random_graphs(graphs, 0)
    assert 0.7 * size.nodes < data.num_nodes <= size.nodes
    assert data.num_edges <= size.edges
    assert data.num_features == size.features


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        (
            'tree-neighbors-match:radius=8',
            '13,081,600 nodes with 512 features each (26,791 MB) and '
            '26,137,600 edges (418 MB), which with a hidden state of 64 '
            'channels are 30,558 MB; at most 1,000 MB',
        ),
        ('Tree-Neighbors-Match:radius=7', '3,264,000 nodes with 256'),
        (
            'tree-neighbors-match:radius=7,permutations=24',
            '1,028 MB; at most 1,000 MB',
        ),
        ('ring-transfer:classes=1000,distance=1000', '6,000,000 nodes'),
        ('crossed-ring:classes=1000,distance=1000', '23,976,000 edges'),
        ('clique-path:classes=100,distance=1000', '299,700,000 edges'),
        ('digit-chain:chains=10000,distance=1000', '10,010,000 nodes'),
        ('tree-neighbors-match:radius=5,permutations=10000', '64 features'),
        ('diameter:graphs=100000', '3,500,000 nodes with 2 features'),
    ],
)
def test_what_is_too_large_is_refused_ahead_of_any_work(
    text, words, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(tasks, 'call', None)  # what would make it
    with pytest.raises(UsageError) as error:
        datasets.find(text)
    assert words in str(error.value)
    out = tmp_path / 'out'
    command = ['depth', '--dataset', text, '--methods', 'gcn']
    assert main([*command, '--out', str(out)]) == 2
    assert 'is too large: ' in capsys.readouterr().out
    assert not out.exists()


@pytest.mark.parametrize(
    'text',
    [
        'tree-neighbors-match:radius=6',
        'tree-neighbors-match:radius=7,permutations=23',
        'tree-neighbors-match:permutations=10000',
        'digit-chain:chains=100000',
        'digit-chain:distance=1000,chains=500',
        'ring-transfer:distance=1000',
        'crossed-ring:distance=1000',
        'clique-path:distance=1000',
        'ring-transfer:classes=1000',
        'eccentricity:graphs=50000',
    ],
)
def test_what_8_gb_can_train_on_is_let_through(text):
    assert datasets.find(text).name == text


@pytest.mark.parametrize(
    ('text', 'depth'),
    [
        ('ring-transfer', 5),
        ('clique-path:distance=9', 9),
        ('tree-neighbors-match:radius=4', 4),
        ('eccentricity:graphs=20', None),
    ],
)
def test_needed_depth(text, depth):
    found = datasets.find(text)
    assert found.exact == (depth is not None)
    if depth is None:
        data = load_dataset(text)
        assert found.needs() == data.hops.max()
        assert data.y.max() <= 1.5
    else:
        assert found.needs() == depth


@pytest.mark.parametrize(
    ('text', 'guess'),
    [
        ('ring-transfer', 1 / 5),
        ('clique-path:classes=4', 1 / 4),
        ('tree-neighbors-match', 1 / 8),
        ('tree-neighbors-match:radius=1', 1 / 2),
        ('digit-chain', 1 / 10),
    ],
)
def test_the_score_of_who_guesses(text, guess):
    assert datasets.find(text).guess == guess
    data = load_dataset(text)
    assert data.y.max() + 1 == round(1 / guess)
    share = data.y[data.y >= 0].bincount().max() / (data.y >= 0).sum()
    assert share == pytest.approx(guess, abs=0.03)  # all alike in number


@pytest.mark.parametrize('text', ['eccentricity', 'shortest-paths', 'cora'])
def test_no_score_of_who_guesses(text):
    assert datasets.find(text).guess is None


@pytest.mark.parametrize('name', tasks.TASKS)
def test_data_are_as_the_registry_says(name):
    found = datasets.find(name)
    data, again = (load_dataset(name) for _ in range(2))
    assert found.many == hasattr(data, 'graphs')
    if not found.many:
        assert torch.equal(data.x, again.x)
        data.x.zero_()
        assert load_dataset(name).x.any()  # what was read is one's own
    assert datasets.find('cora').needs is None


def test_the_page_has_all_options_with_their_limits():
    page = Path(__file__).parents[3] / 'docs/howto/depth-needed.md'
    text = ' '.join(page.read_text('utf-8').split())
    [limits] = re.findall(r'Options are whole numbers: (.*?)\. ', text)
    found = {}
    for some, least, most in re.findall(
        r'((?:`\w+`(?: and )?)+) from (\d+)(?: to (\d+))?', limits
    ):
        for name in re.findall(r'\w+', some.replace(' and ', ' ')):
            found[name] = (int(least), most and int(most))
    assert {*found} == {*tasks.KINDS}
    for name, (least, most) in found.items():
        meant = f'from {least} to {most}' if most else f'at least {least}'
        assert tasks.KINDS[name].meant.endswith(meant)
    assert '(`clique-path`: from 3)' in limits
    for name, task in tasks.TASKS.items():
        assert f'| `{name}` |' in text
        assert {*task.options} <= {*found}
