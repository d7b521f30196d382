import inspect

import pytest
import torch
from torch_geometric.data import Data

from benchmarks.errors import UsageError
from benchmarks.methods import adjacency, backbones, remedies
from benchmarks.methods import spec as methods
from benchmarks.methods.edges import DROPS, EDGES, REWIRINGS, SIMILARITIES
from benchmarks.methods.network import Network
from pyg_ext.nn import NORMS, PoolNet
from pyg_ext.utils import CSRTensor, HopAdjacency

# Remedies that a GCN does not know:
OTHERS = ('dilated', 'unshared', 'static', 'pool', 'lstm', 'v2')
SPECS = [
    *(n for n, b in backbones.BACKBONES.items() if not b.transductive),
    *methods.aliases(),
    'gcn+res+jump',
    'resgcn+ppr',
    *(f'gcn+{remedy}' for remedy in remedies.REMEDIES if remedy not in OTHERS),
    'sage+pool',
    'sage+lstm+res',
    'mlp+initial+pair',
    'revgcn+jump',
    'gat+gate+skipnode',
]


def test_names_are_those_of_the_package():
    assert (*NORMS,) == remedies.NORMS
    assert remedies.READOUTS == PoolNet.READOUTS
    assert (*PoolNet.READOUTS, *PoolNet.POOLINGS) == remedies.POOLS


@pytest.mark.parametrize('name', backbones.BACKBONES)
def test_what_remedies_may_say_is_what_models_take(name):
    backbone = backbones.BACKBONES[name]
    assert inspect.isclass(backbone.model)
    said = {k for r in remedies.REMEDIES.values() for k in r.fixed | r.default}
    assert {*backbone.takes} == said & {*backbone.parameters()}


@pytest.mark.parametrize('spec', SPECS)
@pytest.mark.parametrize('depth', [2, 5])
def test_build(spec, depth):
    method = methods.parse(spec)
    options = {'hidden_channels': 16}
    if 'hidden_channels' not in method.options():
        options = {}
    model = Network(method, depth, options).build(4, 3)
    edges = torch.tensor([[0, 1, 2], [1, 2, 0]])
    rows = 1 if 'pool' in method.keywords else 3
    assert model(torch.rand(3, 4), edges).size() == (rows, 3)
    assert getattr(model, method.backbone.depth) == depth


def test_aliases_are_one_method():
    assert methods.parse('resgcn').name == 'resgcn'
    assert methods.parse('gcn+res').name == 'resgcn'
    assert methods.parse('gcn+jump').name == 'jknet'
    assert methods.parse('gcn+jump+res').name == 'resgcn+jump'
    for alias, spec in methods.aliases().items():
        assert methods.parse(alias) == methods.parse(spec)


@pytest.mark.parametrize(
    ('spec', 'name'),
    [
        ('GCN', 'gcn'),
        ('GCNII+Unshared', 'gcnii*'),
        ('ResGCN + PPR', 'resgcn+ppr'),
        ('gcn+NONE', 'gcn'),
    ],
)
def test_names_in_any_case(spec, name):
    assert methods.parse(spec).name == name


def test_depth_counts_graph_convolutions():
    network = Network(methods.parse('jknet'), 6, {'hidden_channels': 8})
    model = network.build(4, 3)
    assert len(model.convs) == 6


@pytest.mark.parametrize(
    ('spec', 'message'),
    [
        ('gccn', "unknown method 'gccn': did you mean 'gcn'"),
        ('gcn+rse', "unknown remedy 'rse': did you mean 'res'"),
        ('gcn+res+dense', "'dense' excludes another"),
        ('gcn+res+res', "'res' stands twice"),
        ('appnp+res', "appnp has no remedy 'res'"),
        ('gcn+pair+batch', "'batch' excludes another in .* both set norm"),
        ('appnp+skipnode', "appnp has no remedy 'skipnode'"),
        ('sage+pool+lstm', "'lstm' excludes another in .* set aggr, project"),
        ('deepergcn+pool', "deepergcn has no remedy 'pool'"),
        ('node2vec+unsupervised', "node2vec has no remedy 'unsupervised'"),
        ('deepgcn+unsupervised', "deepgcn has no remedy 'unsupervised'"),
        ('node2vec+dropedge', "'dropedge' has no effect in .*walks on all"),
        ('mlp+gate', "mlp has no remedy 'gate'"),
        ('mlp+identity', "mlp has no remedy 'identity'"),
        ('mlp+dropmessage', "mlp has no remedy 'dropmessage'"),
        ('mlp+fosr', "'fosr' has no effect in .*: mlp takes no edges"),
        ('gcn+dropmessage+ppr', "edges without weights, and 'ppr' gives"),
        ('', "a part of the method '' is missing"),
        ('gcn+', r"a part of the method 'gcn\+' is missing"),
        ('+res', r"a part of the method '\+res' is missing"),
        ('gcn++res', 'is missing: a backbone and perhaps remedies are meant'),
        ('gcn+ppr+ppr', "'ppr' stands twice"),
        ('gcn+ppr+heat', "'heat' cannot change the edges in .*: ppr does"),
        ('deepgcn+ppr', "'ppr' cannot change the edges in .*: deepgcn does"),
    ],
)
def test_errors(spec, message):
    with pytest.raises(UsageError, match=message):
        methods.parse(spec)


def test_edges_are_a_part_of_the_name():
    method = methods.parse('gcn+walk+res')
    assert method.name == 'resgcn+walk'
    assert method.base == 'resgcn'
    assert method.edges == 'walk'
    assert methods.parse('resgcn').edges is None


@pytest.fixture
def ring():
    nodes = torch.arange(20)
    one_way = torch.stack([nodes, (nodes + 1) % 20])
    edges = torch.cat([one_way, one_way.flip(0)], dim=1)
    return Data(x=torch.rand(20, 4), edge_index=edges)


@pytest.mark.parametrize(
    'backbone', ['gcn', 'gat', 'sage', 'sage+pool', 'sage+lstm', 'appnp']
)
@pytest.mark.parametrize('edges', EDGES)
def test_edges(ring, backbone, edges):
    """Each model gets the other edges in the form that it takes best."""
    method = methods.parse(f'{backbone}+{edges}')
    augment = {**EDGES[edges]}
    if edges in SIMILARITIES:
        augment['k'] = 5
    elif edges in REWIRINGS:
        augment['num_iterations'] = 30
    network = Network(method, 2, {'hidden_channels': 8}, augment)
    data = network.prepare(ring, seed=0)
    adj = network.adjacency(data)
    model = network.build(4, 3).eval()
    out = model(data.x, adj)
    plain = model(data.x, ring.edge_index)
    redraw = network.redraw(model, data)
    if edges in DROPS:
        assert torch.allclose(out, plain, atol=1e-6)  # tested on all edges
        torch.manual_seed(0)
        first, second = (model(data.x, redraw()[0]) for _ in range(2))
        assert not torch.allclose(first, plain)
        assert not torch.allclose(first, second)
    else:
        assert redraw is None
        assert data.num_edges == 20 * 5
        assert not torch.allclose(out, plain, atol=1e-4)


def test_data_are_left_alone(ring):
    network = Network(methods.parse('deepgcn'), 2, {})
    assert network.prepare(ring, 0).edge_index is None
    assert ring.num_edges == 40


def test_walks_go_by_the_seed(ring):
    method = methods.parse('gcn+walk')
    network = Network(method, 2, {}, {'k': 3, 'num_walks': 2})
    one, same, other = (network.prepare(ring, seed) for seed in (1, 1, 2))
    assert torch.equal(one.edge_weight, same.edge_weight)
    assert not torch.equal(one.edge_index, other.edge_index)


def test_no_other_edges_for_what_is_kept(ring):
    method = methods.parse('sgc+dropedge')
    network = Network(method, 2, {'cached': True}, {'p': 0.5})
    with pytest.raises(ValueError, match='no other edges can be drawn'):
        network.redraw(network.build(4, 3), ring)


def test_remedies_that_say_the_same_go_together():
    method = methods.parse('gcn+initial+identity+message+none')
    assert method.name == 'gcn+initial+identity+message'
    assert method.keywords['lin_in'] is True
    assert method.defaults == {'hidden_channels': 64, 'theta': 0.5}
    assert 'theta' in method.options()
    assert 'skip' not in method.options()


def test_methods_without_labels():
    assert methods.parse('node2vec').unsupervised
    assert methods.parse('sage+unsupervised+pool').unsupervised
    assert not methods.parse('sage+pool').unsupervised
    name = methods.parse('resgcn+unsupervised+ppr').name
    assert name == 'resgcn+unsupervised+ppr'


def test_a_default_of_a_remedy_may_be_set():
    method = methods.parse('gcn+skipnode')
    sizes = {'hidden_channels': 8}
    assert Network(method, 3, sizes).build(4, 3).skip_node.p == 0.5
    sizes['skip_node'] = 0.9
    assert Network(method, 3, sizes).build(4, 3).skip_node.p == 0.9


@pytest.mark.parametrize(
    ('text', 'specs'),
    [
        ('gcn, resgcn,', ['gcn', 'resgcn']),
        ('gcn+{none,res},mlp', ['gcn+none', 'gcn+res', 'mlp']),
        ('{gcn,gat}+{a,b}', ['gcn+a', 'gcn+b', 'gat+a', 'gat+b']),
    ],
)
def test_expand(text, specs):
    assert methods.expand(text) == specs


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('gcn+{res', 'braces do not match'),
        ('gcn}', 'braces do not match'),
        ('gcn+{a,{b,c}}', 'braces do not match'),
        ('', "a name is missing in ''"),
        (',', "a name is missing in ','"),
        ('gcn,,mlp', "a name is missing in 'gcn,,mlp'"),
        (',gcn', 'a name is missing'),
        ('gcn mlp', "commas must separate names .got 'gcn mlp'"),
        ('gcn;mlp', 'commas must separate names'),
    ],
)
def test_expand_errors(text, message):
    with pytest.raises(UsageError, match=message):
        methods.expand(text)


def test_broken_file_of_aliases(monkeypatch):
    """A file of the package that was changed by hand is named."""
    methods.aliases.cache_clear()
    monkeypatch.setattr(backbones, 'read_file', lambda path: {'a': 'gccn'})
    with pytest.raises(UsageError, match=r"methods.yaml: a .*got 'gccn'"):
        methods.aliases()
    methods.aliases.cache_clear()


@pytest.mark.parametrize('edges', REWIRINGS)
def test_rewired_edges(ring, edges):
    """Once, by the seed of the run; options reach the transform."""
    method = methods.parse(f'gcn+{edges}')
    augment = {**EDGES[edges], 'num_iterations': 3}
    network = Network(method, 2, {'hidden_channels': 8}, augment)
    first, again, other = (network.prepare(ring, s) for s in (0, 0, 1))
    assert first.num_edges == ring.num_edges + 6
    assert torch.equal(first.edge_index, again.edge_index)
    assert not torch.equal(first.edge_index, other.edge_index)
    assert network.redraw(network.build(4, 3), first) is None


@pytest.mark.parametrize('edges', DROPS)
def test_dropped_edges(ring, edges):
    method = methods.parse(f'gcn+{edges}')
    augment = EDGES[edges]
    network = Network(method, 2, {'hidden_channels': 8}, augment)
    redraw = network.redraw(network.build(4, 3), network.prepare(ring, 0))
    torch.manual_seed(0)
    first, _ = redraw()
    torch.manual_seed(0)
    assert torch.equal(redraw()[0].to_dense(), first.to_dense())
    loops_only = torch.eye(20)
    full = network.adjacency(ring).to_dense()
    assert 20 < (first.to_dense() > 0).sum() < (full > 0).sum()
    assert torch.equal(loops_only, loops_only * (first.to_dense() > 0))


@pytest.mark.parametrize('edges', DROPS)
@pytest.mark.parametrize('spec', ['sage', 'gat'])
def test_dropped_edges_leave_the_others_their_data(ring, spec, edges):
    """Also where an edge weighs something else than the one back."""
    row, col = ring.edge_index
    ring.edge_weight = 1.0 + row + 20 * col
    ring.edge_attr = ring.edge_weight.view(-1, 1)
    method = methods.parse(f'{spec}+{edges}')
    network = Network(method, 2, {}, EDGES[edges])
    model = network.build(4, 3, 1)
    adj, given = network.redraw(model, ring)()
    if spec == 'gat':
        row, col = adj
        assert 0 < len(row) < 40
        assert given.keys() == {'edge_attr'}
        assert torch.equal(given['edge_attr'].view(-1), 1.0 + row + 20 * col)
        return
    assert not given
    whole = network.adjacency(ring).to_dense()
    left = adj.to_dense() > 0
    assert 0 < left.sum() < 40
    whole = whole * left  # the mean is of those that are left
    whole = whole / whole.sum(1, keepdim=True).clamp(min=1e-12)
    assert torch.allclose(adj.to_dense(), whole)


@pytest.mark.parametrize('spec', ['gat', 'gcn', 'drew'])
@pytest.mark.parametrize('name', ['edge_weight', 'edge_attr'])
def test_both_ways_of_an_edge_are_dropped_if_they_are_alike(ring, spec, name):
    """Whatever else differs that the method does not look at."""
    ring[name] = torch.arange(40.0).view(40, *[1] * (name == 'edge_attr'))
    network = Network(methods.parse(f'{spec}+dropedge'), 2, {}, {'p': 0.5})
    adj, _ = network.redraw(network.build(4, 3, 1), ring)()
    alike = name not in network.looks_at(ring)
    assert alike == (spec == 'drew' or (spec, name) == ('gat', 'edge_weight'))
    if isinstance(adj, CSRTensor):
        kept = adj.to_dense() > 0
    elif isinstance(adj, HopAdjacency):
        kept = adj.up_to(1)[0].to_dense() > 0
    else:
        kept = torch.zeros(20, 20, dtype=torch.bool)
        kept[adj[0], adj[1]] = True
    assert torch.equal(kept, kept.T) == alike


def test_what_methods_look_at(ring):
    ring.edge_weight, ring.edge_attr = torch.ones(40), torch.ones(40, 1)
    for spec, seen in {
        'gcn': {'edge_attr'},
        'sage': {'edge_weight'},
        'gcn+unsupervised': {'edge_weight', 'edge_attr'},
        'gat+ppr': {'edge_weight', 'edge_attr'},
        'gat': {'edge_attr'},
        'drew': set(),
        'sage+pool': set(),
        'mlp': {'edge_weight', 'edge_attr'},
    }.items():
        network = Network(methods.parse(spec), 2, {})
        assert network.looks_at(ring) == seen, spec


def test_sums_over_neighbors(ring):
    adj = adjacency.sum_adj(ring.edge_index, None, 20)
    assert torch.equal(adj.to_dense().sum(1), torch.full((20,), 2.0))


@pytest.mark.parametrize('spec', ['gcn+dropmessage', 'gcn+dropedge'])
def test_messages_are_dropped_on_edge_indices(ring, spec):
    """Whether a remedy says so or an option does."""
    sizes = {'hidden_channels': 8, 'message_dropout': 0.3}
    network = Network(methods.parse(spec), 2, sizes, {})
    model = network.build(4, 3)
    assert torch.equal(network.adjacency(ring), ring.edge_index)
    first, second = (model(ring.x, network.adjacency(ring)) for _ in range(2))
    assert not torch.allclose(first, second)
