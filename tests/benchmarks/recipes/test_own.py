import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.nn import GraphSAGE

from benchmarks.data import datasets
from benchmarks.data import own as own_data
from benchmarks.errors import UsageError
from benchmarks.methods import own as own_methods
from benchmarks.methods import spec
from benchmarks.recipes import presets


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch):
    monkeypatch.setattr(datasets, 'REGISTERED', {})
    monkeypatch.setattr(own_data, 'REGISTERED', datasets.REGISTERED)
    monkeypatch.setattr(own_methods, 'REGISTERED', {})
    monkeypatch.setattr(presets, 'REGISTERED', {})


@pytest.fixture
def mine():
    """A graph and a network that no preset names."""
    data = Data(
        x=torch.eye(3),
        edge_index=torch.tensor([[0, 1], [1, 0]]),
        y=torch.tensor([0, 1, 0]),
    )
    own_methods.register('mine', GraphSAGE)
    return own_data.register(data, 'ring')


def configure(preset, dataset, method, **overrides):
    return presets.configure(preset, dataset, spec.parse(method), overrides)


def test_borrowed_recipes(mine):
    like = configure('classic', 'digits', 'gcn')
    assert configure('classic', mine, 'gcn') == like
    assert configure('classic', mine, 'mine') == like
    assert configure('classic', mine, 'appnp')['alpha'] == 0.1
    assert configure('gcnii', mine, 'gcnii') == configure(
        'gcnii', 'cora', 'gcnii'
    )

    def whose(preset, dataset, method):
        return presets.borrowed(preset, dataset, spec.parse(method))

    assert whose('classic', mine, 'gcn') == 'gcn on digits'
    assert whose('classic', 'cora', 'mine') == 'gcn on cora'
    assert whose('gcnii', mine, 'gcnii') == 'gcnii on cora'
    assert whose('classic', 'cora', 'gcn+res') is None
    with pytest.raises(UsageError, match='has no recipe'):
        whose('sgc', mine, 'gcn')


def test_what_a_borrower_does_not_take_is_left_out(mine):
    def small(a, b, depth, c):
        return torch.nn.Linear(a, c)

    own_methods.register('small', small)
    config = configure('classic', 'cora', 'small')
    assert 'dropout' not in config
    assert config['epochs'] == 200
    with pytest.raises(UsageError, match="of small 'dropout'"):
        configure('classic', 'cora', 'small', dropout=0.1)


@pytest.mark.parametrize(
    'text',
    [
        'lr: 0.5\n',
        'source: me\nrecipes: {"*": {"*": {lr: 0.5}}}\n',
        'source: me\nrecipes: {ring: {gcn: {lr: 0.5}, mine: {lr: 0.5}}}\n',
    ],
)
def test_files(mine, tmp_path, text):
    (tmp_path / 'my.yaml').write_text(text, 'utf-8')
    name = presets.register(tmp_path / 'my.yaml')
    assert name == 'my'
    for method in ('gcn', 'mine'):
        assert configure(name, mine, method)['lr'] == 0.5
    assert presets.borrowed(name, mine, spec.parse('gcn')) is None


def test_keys_and_values(mine):
    name = presets.register({'lr': 0.5, 'hidden_channels': 8})
    assert configure(name, mine, 'gcn')['hidden_channels'] == 8
    name = presets.register({'lr': 0.5, 'nonsense': 8})
    with pytest.raises(UsageError, match="of gcn 'nonsense'"):
        configure(name, mine, 'gcn')


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('classic', 'lr: 0.5\n', 'has the name of a built-in preset'),
        ('my', 'source: me\nrecipes: 3\n', 'recipes must be keys'),
        ('my', 'recipes: {}\n', 'must hold source and recipes'),
        ('my', '- 1\n', 'must hold keys with values'),
    ],
)
def test_files_that_are_no_presets(tmp_path, name, text, message):
    (tmp_path / f'{name}.yaml').write_text(text, 'utf-8')
    with pytest.raises(UsageError, match=message):
        presets.register(tmp_path / f'{name}.yaml')


def test_names_that_are_no_presets():
    with pytest.raises(UsageError, match="did you mean 'classic'"):
        presets.register('clasic')
    with pytest.raises(UsageError, match=r'no\.yaml cannot be read'):
        presets.register('no.yaml')
