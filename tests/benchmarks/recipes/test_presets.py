import inspect

import pytest
import torch

from benchmarks import values, words
from benchmarks.errors import UsageError
from benchmarks.methods import backbones
from benchmarks.methods import spec as methods
from benchmarks.methods.edges import EDGES
from benchmarks.recipes import presets
from benchmarks.recipes.recipe import OBJECTIVE, SPARSE

ALL = [
    (preset, dataset, method)
    for preset in presets.names()
    for dataset, recipes in presets.read(preset).recipes.items()
    for method in recipes
]


@pytest.mark.parametrize(('preset', 'dataset', 'method'), ALL)
def test_every_recipe_fits_its_method(preset, dataset, method):
    parsed = methods.parse(method)
    given = presets.read(preset).recipes[dataset][method]
    if given.get('batch') in SPARSE:
        pytest.importorskip('torch_sparse')
    config = presets.configure(preset, dataset, parsed, {})
    network, recipe = presets.split(config, parsed, 4)
    assert set(network.options) <= parsed.options()
    with torch.device('meta'):
        network.build(10, 3)
    assert recipe.epochs >= 20


@pytest.mark.parametrize('preset', presets.names())
def test_every_preset_names_a_paper(preset):
    assert 'arXiv' in presets.read(preset).source


def test_command_line_beats_preset_beats_defaults():
    gcn = methods.parse('gcn')
    config = presets.configure('classic', 'cora', gcn, {'lr': 0.5})
    assert config['lr'] == 0.5
    assert config['weight_decay'] == 5e-4
    assert config['patience'] == 0


def test_edges_beside_the_recipe_of_the_method():
    """Options of the command line, the preset and the defaults are merged."""
    ppr = methods.parse('gcn+ppr')
    config = presets.configure('classic', 'cora', ppr, {'augment': {'k': 9}})
    assert config['augment'] == {**EDGES['ppr'], 'k': 9}
    plain = presets.configure('classic', 'cora', methods.parse('gcn'), {})
    assert config == {**plain, 'augment': config['augment']}
    config = presets.configure('gdc', 'cora', ppr, {})
    assert config['augment'] == {
        **EDGES['ppr'],
        'k': 128,
        'alpha': 0.05,
    }
    assert config['weight_decay']['convs.0'] > 0.09  # its own recipe
    with pytest.raises(UsageError, match="unknown key of gcn 'augment'"):
        presets.configure(
            'classic', 'cora', methods.parse('gcn'), {'augment': {}}
        )
    for spec, change in (
        ('gcn+ppr', {'alpha': 3}),
        ('gcn+ppr', {'alhpa': 0.1}),
        ('gcn+walk', {'num_walks': 0}),
        ('gcn+dropedge', {'p': 2.0}),
        ('gcn+dropedge', {'k': 2}),
    ):
        with pytest.raises(UsageError, match=f'gcn.{spec[4:]}: '):
            presets.configure(
                'classic', 'cora', methods.parse(spec), {'augment': change}
            )


def test_values_of_the_command_line():
    assert words.read_value('lr=5e-4') == ('lr', 5e-4)
    assert words.read_value('lr=1e-2')[1] == 0.01
    assert words.read_value('epochs=7') == ('epochs', 7)
    assert words.read_value('select=metric') == ('select', 'metric')
    assert words.read_value('row_normalize=false')[1] is False
    decay = words.read_value('weight_decay={convs: 1e-2, lin: 0}')[1]
    assert decay == {'convs': 0.01, 'lin': 0}


@pytest.mark.parametrize(
    ('overrides', 'message'),
    [
        ({'dropuot': 0.1}, "key of gcn 'dropuot': did you mean 'dropout'"),
        ({'alpha': 0.1}, 'alpha needs skip'),
        ({'num_layers': 3}, "unknown key of gcn 'num_layers'"),
        ({'skip': 'res'}, None),
        ({'skip': 'rse'}, 'skip must be one of'),
        ({'dropout': 1.5}, r'in \[0, 1\]'),
        ({'lr': 'fast'}, "lr must be a positive number .got 'fast'"),
        ({'lr': -1.0}, 'lr must be a positive number'),
        ({'epochs': 0}, 'epochs must be a whole number of at least 1'),
        ({'epochs': 1.5}, 'epochs must be a whole number'),
        ({'patience': -1}, 'patience must be a whole number'),
        ({'select': 'acc'}, "select must be 'loss', 'metric' or 'last'"),
        ({'row_normalize': 'yes'}, 'row_normalize must be true or false'),
        ({'weight_decay': -1}, 'weight_decay must be a number'),
        ({'weight_decay': {'convs': 1, 'lin_in': 0}}, "'lin_in' fits nothing"),
        ({'weight_decay': {'lin_in': 0}}, 'no prefix of weight_decay fits'),
    ],
)
def test_overrides(overrides, message):
    gcn = methods.parse('gcn')
    if message is None:
        presets.configure('classic', 'cora', gcn, overrides)
        return
    with pytest.raises(UsageError, match=message):
        presets.configure('classic', 'cora', gcn, overrides)


@pytest.mark.parametrize(
    ('spec', 'overrides', 'depth', 'message'),
    [
        ('incepgcn', {}, 1, r'num_layers must be at least 2 \(got 1\)'),
        ('revgat', {}, 1, r'num_layers must be at least 2 \(got 1\)'),
        ('gcn+group', {'norm_kwargs': {'groups': 'x'}}, 2, 'gcn.group: '),
        ('revgcn', {'conv_kwargs': {'haeds': 2}}, 2, "argument 'haeds'"),
        ('revgcn', {'hidden_channels': 2**70}, 2, 'hidden_channels must be'),
        ('deepergcn', {'aggr': 'meen'}, 2, "'meen'"),
        ('deepergcn', {'t': 0}, 2, 't must be a positive number'),
    ],
)
def test_what_a_network_refuses(spec, overrides, depth, message):
    """Whatever a constructor raises is an error in words."""
    method = methods.parse(spec)
    with pytest.raises(UsageError, match=message):
        presets.configure('classic', 'cora', method, overrides, depth)


@pytest.mark.parametrize('name', backbones.BACKBONES)
def test_options_have_kinds(name):
    """Defaults are of the kind that is asked for."""
    method = methods.parse(name)
    model = method.backbone.model
    defaults = {
        key: parameter.default
        for key, parameter in inspect.signature(model).parameters.items()
        if key in method.kinds() and parameter.default is not parameter.empty
    }
    values.check(defaults, method.kinds())


@pytest.mark.parametrize('edges', EDGES)
def test_options_of_edges_have_kinds(edges):
    kinds = methods.parse(f'gcn+{edges}').edge_kinds()
    values.check(EDGES[edges], kinds)
    assert not {'edge_index', 'num_nodes', 'training'} & {*kinds}


def test_pairs_beside_the_recipe_of_the_method():
    sage = methods.parse('sage+unsupervised')
    config = presets.configure(
        'graphsage', 'cora', sage, {'objective': {'window': 2}}
    )
    assert config['objective'] == {
        **OBJECTIVE,
        'walk_length': 5,
        'num_walks': 2,
        'window': 2,
        'negatives': 1,
    }
    table = methods.parse('node2vec')
    config = presets.configure('graphsage', 'cora', table, {}, 10)
    assert 'window' not in config['objective']  # which is its depth
    plain = presets.configure('graphsage', 'cora', methods.parse('sage'), {})
    assert 'objective' not in plain


@pytest.mark.parametrize(
    ('spec', 'given', 'depth', 'message'),
    [
        ('sage', {'objective': {}}, 2, "unknown key of sage 'objective'"),
        (
            'sage+unsupervised',
            {'objective': {'widnow': 2}},
            2,
            "key of objective 'widnow': did you mean 'window'",
        ),
        (
            'node2vec',
            {'objective': {'window': 2}},
            2,
            "unknown key of objective 'window'",
        ),
        ('node2vec', {'objective': {'p': 0.0}}, 2, 'p must be a number in'),
        ('node2vec', {}, 21, 'a walk of 20 steps are 21 apart: set a walk_l'),
        ('node2vec', {'batch': 'random'}, 2, 'node2vec learns from pairs of'),
        ('sage+unsupervised', {'loss': 'log'}, 2, 'knows no loss'),
    ],
)
def test_pairs_that_cannot_be_drawn(spec, given, depth, message):
    method = methods.parse(spec)
    with pytest.raises(UsageError, match=message):
        presets.configure('graphsage', 'cora', method, given, depth)


def test_what_many_graphs_do_not_use():
    gin = methods.parse('gin')
    with pytest.raises(UsageError, match='label_rate is for one graph, and'):
        presets.configure('ogb', 'ogbg-molhiv', gin, {'label_rate': 0.5})
    free = methods.parse('gin+unsupervised')
    with pytest.raises(UsageError, match='unsupervised is for one graph'):
        presets.configure('ogb', 'ogbg-molhiv', free, {})


def test_unknown_names():
    gcn = methods.parse('gcn')
    with pytest.raises(UsageError, match="did you mean 'classic'"):
        presets.configure('clasic', 'cora', gcn, {})
    with pytest.raises(UsageError, match="no recipe for 'gcn' on cora"):
        presets.configure('gcnii', 'cora', gcn, {})
    with pytest.raises(
        UsageError, match='it is for cora, citeseer, pubmed; for digits there'
    ):
        presets.configure('gcnii', 'digits', gcn, {})
    with pytest.raises(UsageError, match='--set needs key=value'):
        words.read_value('lr')
    with pytest.raises(UsageError, match='no valid YAML'):
        words.read_value('weight_decay={convs: 1')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            'source: x\nrecipes: {}\nsuorce: y\n',
            'must hold source and recipes',
        ),
        ('source: x\nrecipes: {crao: {}}\n', "did you mean 'cora'"),
        ('source: x\nrecipes: {cora: {gccn: {}}}\n', "did you mean 'gcn'"),
        ('source: x\nsource: y\nrecipes: {}\n', "'source' stands twice"),
        ('source: x\nrecipes: {cora\n', r'strict\d+.yaml cannot be read: '),
        ('', r'strict\d+.yaml must hold keys with values'),
        ('- source\n- recipes\n', 'must hold keys with values'),
        ('source: 1\nrecipes: {}\n', 'source must be a text'),
        ('source: x\nrecipes: 3\n', 'recipes must be keys with values'),
        (
            'source: x\nrecipes: {cora: [gcn, sgc]}\n',
            r'yaml: recipes: cora must be',
        ),
        ('source: xyz\nrecipes: {cora: {gcn: 64}}\n', 'gcn must be keys with'),
    ],
)
def test_strict_files(tmp_path, monkeypatch, text, message):
    monkeypatch.setattr(presets, 'FOLDER', tmp_path)
    name = f'strict{len(text)}'
    (tmp_path / f'{name}.yaml').write_text(text)
    with pytest.raises(UsageError, match=message):
        presets.read(name)


def test_the_recipe_with_most_parts_counts():
    """What a preset does not mention takes the recipe of the rest."""

    def config(spec):
        return presets.configure('tricks', 'cora', methods.parse(spec), {})

    plain = config('gcn')
    assert config('gcn+pair') == plain
    assert config('gcn+initial+pair') == config('gcn+initial')
    assert config('gcn+initial')['lin_out'] is True
    assert 'lin_out' not in plain
    assert config('gcn+dropedge')['augment'] == {'p': 0.2}
    with pytest.raises(UsageError, match="no recipe for 'appnp' on cora"):
        config('appnp')
