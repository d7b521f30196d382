import pytest

from benchmarks.errors import UsageError
from benchmarks.methods import spec
from benchmarks.recipes import presets, spaces
from benchmarks.runs import search, tuning


@pytest.mark.parametrize('name', spaces.names())
def test_built_in(name):
    space = spaces.find(name)
    assert 'arXiv' in space.source
    assert space.published is None or presets.read(space.published)
    for method in ('gcn', 'gcn+dropedge', 'appnp'):
        domains, _ = tuning.domains(space, method, {})
        for change in search.ends(domains):
            presets.configure('classic', 'cora', spec.parse(method), change)


def test_dropedge():
    space = spaces.find('DropEdge')
    assert space.domains['lr'] == spaces.Range(low=0.001, high=0.01)
    assert space.domains['norm'] == [None, 'batch']
    edges, left = tuning.domains(space, 'gcn+dropedge', {'epochs': 3})
    assert left == []
    assert {*edges} == {*space.domains} - {'epochs'}
    _, left = tuning.domains(space, 'appnp', {})
    assert left == [
        'appnp: norm, augment.p, input_dropout left out, which it does not '
        'know'
    ]
    edges, _ = tuning.domains(space, 'gcn+dropedge', {'augment': {'p': 0.5}})
    assert 'augment.p' not in edges
    with pytest.raises(UsageError, match='has nothing to try of appnp'):
        tuning.domains(spaces.find({'norm': [None]}), 'appnp', {})


def test_files(tmp_path):
    file = tmp_path / 'mine.yaml'
    file.write_text(
        'source: me\n'
        'space:\n'
        '  lr: {low: 1e-3, high: 0.1, log: true}\n'
        '  gcnii:alpha: [0.1, 0.5]\n'
        '  patience: {low: 10, high: 100, step: 10}\n',
        'utf-8',
    )
    space = spaces.find(file)
    assert (space.name, space.source) == ('mine', 'me')
    assert space.domains['patience'].whole
    mine, left = tuning.domains(space, 'gcn', {})
    assert ({*mine}, left) == ({'lr', 'patience'}, [])
    assert {*tuning.domains(space, 'gcnii', {})[0]} >= {'alpha'}


@pytest.mark.parametrize(
    ('space', 'message'),
    [
        ({}, 'has nothing to try'),
        ({'lrr': [1.0]}, "unknown key of space 'lrr': did you mean 'lr'"),
        ({'gcn:augment.p': [0.5]}, r"unknown key of gcn 'augment\.p'"),
        ({'gccn:lr': [0.5]}, "unknown method 'gccn'"),
        ({'lr': 0.1}, r'space: lr must be a list of values, or \{low'),
        ({'lr': []}, 'lr must be a list of values'),
        ({'lr': {'low': 1.0}}, 'high: Field required'),
        ({'lr': {'low': 1, 'hgih': 2}}, r'high: Field required'),
        ({'lr': {'low': 0.2, 'high': 0.1}}, 'low must be less than high'),
        ({'lr': {'low': 0, 'high': 1, 'log': True}}, 'log is for positive'),
        ({'lr': {'low': 0, 'high': 1, 'step': -1}}, 'must be positive'),
        ({'lr': {'low': 0, 'high': 1, 'step': 0.5}}, 'whole numbers must be'),
        ({'lr': {'low': 'a', 'high': 1}}, 'low: Input should be a valid'),
    ],
)
def test_what_is_no_space(space, message):
    with pytest.raises(UsageError, match=message):
        spaces.find(space)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('lr: [0.1]\n', 'must hold source, space and perhaps published'),
        ('source: me\nspace: 3\n', 'space: Input should be a valid dict'),
        ('source: me\nspace: {lr: [1]}\npublished: x\n', "unknown preset 'x'"),
        ('- 1\n', 'must hold keys with values'),
    ],
)
def test_files_that_are_no_spaces(tmp_path, text, message):
    (tmp_path / 'mine.yaml').write_text(text, 'utf-8')
    with pytest.raises(UsageError, match=message):
        spaces.find(tmp_path / 'mine.yaml')


def test_names_that_are_no_spaces():
    with pytest.raises(UsageError, match="did you mean 'dropedge'"):
        spaces.find('dropedg')
    with pytest.raises(UsageError, match=r'no\.yaml cannot be read'):
        spaces.find('no.yaml')


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A preset with a recipe for each depth."""
    monkeypatch.setattr(presets, 'REGISTERED', {})
    keys = {'lr': 0.5, 'weight_decay': {'lin_in': 0.1, 'lin_out': 0}}
    of_appnp = {2: {**keys, 'dropout': 0.5}, 8: {**keys, 'dropout': 0.1}}
    recipes = {'gcn': {'epochs': 7}, 'appnp': {'depths': of_appnp}}
    preset = presets.Preset('by', 'me', {'cora': recipes}, None, 'classic')
    presets.write(preset, tmp_path / 'by.yaml')
    return tmp_path / 'by.yaml'


def test_recipes_by_depth(file):
    name = presets.register(file)
    assert presets.read(name).published == 'classic'
    assert file.read_text('utf-8').count('lr:') == 1  # what all depths share
    appnp, gcn = map(spec.parse, ('appnp', 'gcn'))
    for depth, dropout in ((2, 0.5), (8, 0.1)):
        config = presets.configure(name, 'cora', appnp, {}, depth)
        assert (config['dropout'], config['lr']) == (dropout, 0.5)
        assert config['weight_decay'] == {'lin_in': 0.1, 'lin_out': 0}
        assert config == presets.unchanged(name, 'cora', 'appnp', depth)
    assert presets.configure(name, 'cora', gcn, {}, 3)['epochs'] == 7
    assert not presets.by_depth(name, 'cora', gcn)
    assert presets.by_depth(name, 'cora', appnp)
    with pytest.raises(UsageError, match='at depth 4: it has depths 2, 8'):
        presets.configure(name, 'cora', appnp, {}, 4)


@pytest.mark.parametrize('depths', [3, {'a': {}}, {2: 3}, {0: {}}, [1]])
def test_depths_that_are_none(depths, monkeypatch):
    monkeypatch.setattr(presets, 'REGISTERED', {})
    with pytest.raises(UsageError, match='depths must be keys with values'):
        presets.register({'lr': 0.1, 'depths': depths})
