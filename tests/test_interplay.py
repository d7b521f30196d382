"""What PyG's and PyTorch's tools do with every exported class: it works, or an
error says in words why not. The page `docs/contract.md` has the table.
"""

import copy
import inspect
import pickle

import pytest
import torch
import torch_geometric
from torch.func import functional_call
from torch_geometric import EdgeIndex
from torch_geometric import nn as pyg
from torch_geometric.data import Batch, Data
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.loader import NeighborLoader
from torch_geometric.nn.conv.gcn_conv import gcn_norm

import pyg_ext.nn as ours
from pyg_ext import utils
from pyg_ext.nn import (
    DilatedKNNConv,
    DropEdge,
    DropNode,
    DropPath,
    DynamicEdgeConv,
    GraphModel,
    MRConv,
    NodeMLP,
    ReversibleSequential,
)
from pyg_ext.utils import gcn_adj, mean_adj
from tests.test_contract import CASES, SEARCHING

MODELS = {
    name: case
    for name, case in CASES.items()
    if issubclass(case.cls, GraphModel)
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(params=MODELS)
def model_case(request):
    return MODELS[request.param]


def options(model, data):
    """The graph of each node, for those that take it."""
    takes = inspect.signature(model.forward).parameters
    return {'batch': data.batch} if 'batch' in takes else {}


def test_output_depends_on_the_graph(case, graph):
    model = case.build().eval()
    out = model(graph.x, graph.edge_index)
    apart = model(graph.x, graph.edge_index[:, :0])
    assert torch.allclose(out, apart) == (case.cls is NodeMLP)


def test_batch_equals_one_by_one(case, graph):
    model = case.build().eval()
    one = Data(x=graph.x, edge_index=graph.edge_index)
    two = Data(x=graph.x[2:7] * 3.0, edge_index=graph.edge_index[:, [1, 9]])
    both = Batch.from_data_list([one, two])
    out = model(both.x, both.edge_index, **options(model, both))
    alone = [model(data.x, data.edge_index) for data in (one, two)]
    assert torch.allclose(out, torch.cat(alone))


def test_edge_index_of_pyg(case, graph):
    model = case.build().eval()
    edges = EdgeIndex(graph.edge_index, sparse_size=(8, 8))
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(model(graph.x, edges), out)


@pytest.mark.parametrize('adj', [gcn_adj, mean_adj])
def test_a_matrix_normalized_for_another_model(case, graph, adj):
    if adj is case.shared or case.cls is NodeMLP:
        pytest.skip('takes it')
    model = case.build()
    with pytest.raises(ValueError, match=f'is a matrix of {adj.__name__}'):
        model(graph.x, adj(graph.edge_index, num_nodes=8, dtype=torch.double))


def test_copies_compute_the_same(case, graph):
    model = case.build().eval()
    out = model(graph.x, graph.edge_index)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(graph.x, graph.edge_index), out)


def test_functional_gradients(case, graph):
    if case.cls in SEARCHING:
        pytest.skip('its edges come from outside of PyTorch')
    model = case.build().eval()

    def total(parameters):
        given = (graph.x, graph.edge_index)
        return functional_call(model, parameters, given).square().sum()

    found = torch.func.grad(total)(dict(model.named_parameters()))
    total(dict(model.named_parameters())).backward()
    for name, parameter in model.named_parameters():
        assert torch.allclose(found[name], parameter.grad), name


def graph_of(size):
    generator = torch.Generator().manual_seed(size)
    x = torch.rand(size, 5, generator=generator).double()
    return x, torch.randint(size, (2, 3 * size), generator=generator)


@torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True)
def test_compiled_once_for_graphs_of_all_sizes(case):
    """Once for the first size, and once for all others."""
    if not case.compiles:
        pytest.skip('is compiled in pieces')
    if case.adds_self_loops and torch_geometric.__version__ < '2.6':
        pytest.skip('self-loops of PyG 2.5 break the graph')
    torch.compiler.reset()
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph

    model = case.build().eval()
    compiled = torch.compile(model, backend=count, fullgraph=True)
    for size in range(6, 18):
        given = graph_of(size)
        assert torch.allclose(compiled(*given), model(*given))
    assert len(graphs) <= 2


no_export = pytest.mark.skipif(
    torch.__version__ < '2.5', reason='PyTorch 2.4 exports what it compiles'
)
OUTSIDE = 'is computed outside of PyTorch and cannot be traced'


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
@pytest.mark.filterwarnings('ignore:`torch.jit.trace:DeprecationWarning')
@pytest.mark.filterwarnings('ignore:`torch.jit.trace:FutureWarning')
def test_jit_trace(case):
    """What is traced computes the same for other features."""
    model, given = case.build().eval(), graph_of(8)
    if case.cls in SEARCHING:
        with pytest.raises(RuntimeError, match=OUTSIDE):
            torch.jit.trace(model, given, check_trace=False)
        return
    traced = torch.jit.trace(model, given, check_trace=False)
    given = (given[0].flip(0) + 1.0, given[1])
    assert torch.allclose(traced(*given), model(*given))


@no_export
def test_export(case):
    model, given = case.build().eval(), graph_of(8)
    if case.cls in SEARCHING or case.ordered:
        with pytest.raises(RuntimeError):
            torch.export.export(model, given, strict=False)
        return
    exported = torch.export.export(model, given, strict=False).module()
    given = (given[0].flip(0) + 1.0, given[1])
    assert torch.allclose(exported(*given), model(*given))


X = torch.rand(9, 3, generator=torch.Generator().manual_seed(0))
RING = torch.stack([torch.arange(9), (torch.arange(9) + 1) % 9])
OUTSIDE_OF_PYTORCH = {
    'DilatedKNNConv': (DilatedKNNConv(3, 4, 2), X),
    'DynamicEdgeConv': (DynamicEdgeConv(torch.nn.Linear(6, 4), 2), X),
    'knn_graph': (lambda x: utils.knn_graph(x, 2), X),
    'radius_graph': (lambda x: utils.radius_graph(x, 0.5), X),
    'fps': (lambda x: utils.fps(x, random_start=False), X),
    'ppr_topk': (lambda e: utils.ppr_topk(e, num_nodes=9, k=3)[0], RING),
    'heat_kernel_topk': (
        lambda e: utils.heat_kernel_topk(e, num_nodes=9, k=3)[0],
        RING,
    ),
    'walk_topk': (lambda e: utils.walk_topk(e, num_nodes=9, k=3)[0], RING),
    'similarity_graph': (
        lambda e: utils.similarity_graph(e, num_nodes=9, k=3)[0],
        RING,
    ),
    'HopAdjacency': (
        lambda e: utils.HopAdjacency(e, 9).up_to(1)[0].to_dense(),
        RING,
    ),
    'random_walk': (
        lambda e: utils.random_walk(e, torch.arange(9), 2, num_nodes=9)[0],
        RING,
    ),
    'dropout_path': (lambda e: utils.dropout_path(e, num_nodes=9)[0], RING),
    'add_random_walk_edge': (
        lambda e: utils.add_random_walk_edge(e, num_nodes=9)[0],
        RING,
    ),
}


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
@pytest.mark.filterwarnings('ignore:`torch.jit.trace:DeprecationWarning')
@pytest.mark.filterwarnings('ignore:`torch.jit.trace:FutureWarning')
@pytest.mark.parametrize('name', OUTSIDE_OF_PYTORCH)
def test_what_is_computed_outside_is_not_traced(name):
    call, given = OUTSIDE_OF_PYTORCH[name]
    with pytest.raises(RuntimeError, match=OUTSIDE):
        torch.jit.trace(call, given, check_trace=False)


def test_to_hetero_refuses_models(model_case, graph):
    metadata = (['a'], [('a', 'to', 'a')])
    with pytest.raises(ValueError, match='HeteroConv with layers'):
        pyg.to_hetero(model_case.build(), metadata)


def test_layers_in_heterogeneous_networks(graph):
    x = {'a': graph.x.float(), 'b': graph.x[:4].float()}
    kinds = [('a', 'to', 'b'), ('b', 'to', 'a')]
    down = torch.stack([graph.edge_index[0], graph.edge_index[1] % 4])
    edges = {kinds[0]: down, kinds[1]: down.flip(0)}
    convs = {kind: MRConv(torch.nn.Linear(10, 3)) for kind in kinds}
    out = pyg.HeteroConv(convs)(x, edges)
    for source, _, target in kinds:
        expected = convs[source, 'to', target](
            (x[source], x[target]), edges[source, 'to', target]
        )
        assert torch.equal(out[target], expected)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = MRConv(torch.nn.Linear(10, 3))

        def forward(self, x, edge_index):
            return self.conv(x, edge_index).relu()

    out = pyg.to_hetero(Net(), (['a', 'b'], kinds))(x, edges)
    assert {kind: y.size() for kind, y in out.items()} == {
        'a': (8, 3),
        'b': (4, 3),
    }


def test_sequential_of_pyg(case, graph):
    model = case.build().eval()
    net = pyg.Sequential(
        'x, edge_index', [(model, 'x, edge_index -> x'), torch.nn.Tanh()]
    )
    out = net(graph.x, graph.edge_index)
    assert torch.equal(out, model(graph.x, graph.edge_index).tanh())


def test_explainer(case, graph):
    """Edges far from the explained node get no credit."""
    if case.cls in (NodeMLP, *SEARCHING):
        pytest.skip('sends no messages along the edges')
    torch.manual_seed(0)
    explainer = Explainer(
        case.build().eval(),
        GNNExplainer(epochs=3),
        explanation_type='model',
        edge_mask_type='object',
        model_config={
            'mode': 'multiclass_classification',
            'task_level': 'node',
            'return_type': 'raw',
        },
    )
    found = explainer(graph.x, graph.edge_index, index=0)
    assert found.edge_mask.size() == (17,)
    assert (found.edge_mask > 0.0).any()


@pytest.mark.sparse
@pytest.mark.usefixtures('torch_sparse')
@pytest.mark.filterwarnings('ignore:Using .NeighborSampler. without')
def test_neighbor_loader(model_case, graph):
    """All neighbors of all hops: the seeds are as in the whole graph."""
    everywhere = model_case.cls in (ours.DeepGCN, ours.DRewGCN)
    if everywhere or 'virtual_node' in model_case.kwargs:
        pytest.skip('looks at all nodes of a graph')
    if model_case.ordered:
        pytest.skip('a loader has edges in another order')
    if model_case.kwargs.get('norm') == 'pair':
        pytest.skip('looks at all nodes of a graph')
    model = model_case.build().eval()
    data = Data(x=graph.x, edge_index=graph.edge_index)
    loader = NeighborLoader(data, [-1] * 8, torch.tensor([0, 7]), batch_size=1)
    whole = model(graph.x, graph.edge_index)
    for part, seed in zip(loader, (0, 7), strict=True):
        out = model(part.x, part.edge_index)[0]
        assert torch.allclose(out, whole[seed])


def test_width_from_the_first_input(model_case, graph):
    _, *sizes = model_case.args
    torch.manual_seed(0)
    lazy = model_case.cls(-1, *sizes, **model_case.kwargs).double()
    out = lazy(graph.x, graph.edge_index)
    assert out.size() == (8, model_case.out)
    model = model_case.build().eval()
    model.load_state_dict(lazy.state_dict())
    lazy.eval()
    given = graph.x, graph.edge_index
    assert torch.allclose(lazy(*given), model(*given))


def test_hidden_channels_out(model_case, graph):
    if model_case.cls is ours.SGC:
        pytest.skip('has none')
    model = model_case.cls(*model_case.args[:3], **model_case.kwargs)
    assert model.out_channels == 8
    assert model.double()(graph.x, graph.edge_index).size() == (8, 8)


def test_unknown_weights_and_features_of_edges(model_case, graph):
    model = model_case.build()
    attr = graph.edge_weight.view(-1, 1)
    with pytest.raises(ValueError, match='edge_attr'):
        model(graph.x, graph.edge_index, edge_attr=attr)
    if not model_case.weighted:
        with pytest.raises(ValueError, match='edge_weight'):
            model(graph.x, graph.edge_index, graph.edge_weight)


def test_order_of_arguments(model_case):
    """As PyG's models: sizes, depth, size of the output, dropout."""
    names = [*inspect.signature(model_case.cls).parameters]
    meant = ['in_channels', 'hidden_channels', 'num_layers', 'out_channels']
    if model_case.cls is ours.SGC:
        meant.remove('hidden_channels')
    depth = names[len(meant) - 2]
    assert depth in ('num_layers', 'K')
    assert [n.replace('K', 'num_layers') for n in names[: len(meant)]] == meant
    assert names[len(meant)] == 'dropout'
    forward = [*inspect.signature(model_case.cls.forward).parameters][1:6]
    edges = ['edge_index', 'edge_weight', 'edge_attr']
    assert forward == ['x', *edges, 'batch']


NORMALIZING = {
    name: case for name, case in MODELS.items() if case.shared is gcn_adj
}


@pytest.mark.parametrize('name', NORMALIZING)
def test_weights_as_they_are(name, graph):
    case = NORMALIZING[name]
    if case.cls is NodeMLP:
        pytest.skip('knows no weights')
    model, given = case.build().eval(), case.build().eval()
    given.normalize = False
    index, weight = gcn_norm(graph.edge_index, graph.edge_weight, 8)
    out = model(graph.x, graph.edge_index, graph.edge_weight)
    assert torch.allclose(given(graph.x, index, weight), out)
    plain = gcn_adj(graph.edge_index, graph.edge_weight, 8).plain()
    for adj in (plain, plain.to_sparse_coo()):
        assert torch.allclose(given(graph.x, adj), out)
        assert not torch.allclose(model(graph.x, adj), out)  # twice
    ones = torch.ones(17).double()
    out = given(graph.x, graph.edge_index)
    assert torch.allclose(given(graph.x, graph.edge_index, ones), out)


PAIRS = {
    'GCN': (ours.GCN, pyg.models.GCN, {}, {}),
    'GCN jk': (*(ours.GCN, pyg.models.GCN), {'jk': 'cat'}, {}),
    'GCN last': (*(ours.GCN, pyg.models.GCN), {'jk': 'last'}, {}),
    'GCN hidden': (
        *(ours.GCN, pyg.models.GCN),
        {'out_channels': None, 'improved': True, 'bias': False},
        {},
    ),
    'GCN norm': (
        *(ours.GCN, pyg.models.GCN),
        {'norm': 'GraphNorm', 'act': 'elu', 'act_first': True},
        {},
    ),
    'GAT': (ours.GAT, pyg.models.GAT, {'heads': 4}, {}),
    'GAT v2': (*(ours.GAT, pyg.models.GAT), {'heads': 2, 'v2': True}, {}),
    'GIN': (
        *(ours.GIN, pyg.models.GIN),
        {'train_eps': False},
        {'mlp_norm': None},
    ),
    'GIN act': (
        *(ours.GIN, pyg.models.GIN),
        {'train_eps': False, 'act': 'elu', 'act_first': True},
        {'mlp_norm': None},
    ),
    'GraphSAGE': (ours.GraphSAGE, pyg.models.GraphSAGE, {}, {}),
}


@pytest.mark.parametrize('name', PAIRS)
def test_equals_the_model_of_pyg(name, graph):
    cls, theirs, both, own = PAIRS[name]
    sizes = {'out_channels': 2, **both}
    torch.manual_seed(0)
    expected = theirs(5, 8, 3, **sizes).double().eval()
    model = cls(5, 8, 3, **sizes, **own).double().eval()
    words = {'.lin_l.': '.lin_rel.', '.lin_r.': '.lin_root.'}  # of GraphConv
    state = expected.state_dict()
    if cls is ours.GraphSAGE:
        for old, new in words.items():
            state = {k.replace(old, new): v for k, v in state.items()}
    kept = {k: v for k, v in state.items() if k in model.state_dict()}
    model.load_state_dict(kept)
    out = expected(graph.x, graph.edge_index)
    assert torch.allclose(model(graph.x, graph.edge_index), out)


@pytest.mark.parametrize(
    ('act', 'function'),
    [
        ('elu', torch.nn.functional.elu),
        (torch.nn.ELU, torch.nn.functional.elu),
        (torch.nn.ELU(), torch.nn.functional.elu),
        (torch.tanh, torch.tanh),
        (None, lambda x: x),
    ],
)
def test_activations(graph, act, function):
    torch.manual_seed(0)
    model = ours.GCN(5, 8, 2, 2, act=act).double()
    index, weight = gcn_norm(graph.edge_index, num_nodes=8, dtype=torch.double)
    first, last = model.convs
    hidden = function(first(graph.x, index, weight))
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, last(hidden, index, weight))


NO_EFFECT = {
    'improved with edge_dim': (ours.GCN, {'edge_dim': 3, 'improved': True}),
    'normalize with edge_dim': (ours.GCN, {'edge_dim': 3, 'normalize': False}),
    'GCN': (ours.GCN, {'normalize': False, 'improved': True}),
    'GCNII': (ours.GCNII, {'normalize': False, 'add_self_loops': False}),
    'RevGNN': (ours.RevGNN, {'normalize': False, 'improved': True}),
    'RevGNN gen': (ours.RevGNN, {'conv': 'gen', 'normalize': False}),
    'act_kwargs': (ours.GCN, {'act': torch.tanh, 'act_kwargs': {'a': 1}}),
    'no act': (ours.GCN, {'act': None, 'act_kwargs': {'a': 1}}),
    'norm_kwargs': (
        ours.GCN,
        {'norm': pyg.GraphNorm(8), 'norm_kwargs': {'eps': 1.0}},
    ),
    'flow': (ours.GCN, {'flow': 'target_to_source'}),
    'cached': (ours.GCN, {'cached': True}),
}


@pytest.mark.parametrize('name', NO_EFFECT)
def test_what_has_no_effect_is_an_error(name):
    cls, given = NO_EFFECT[name]
    with pytest.raises(ValueError, match=r'no effect|need|must be one of'):
        cls(5, 8, 3, 2, **given)


def test_normalization_of_a_layer_has_no_idle_options():
    with pytest.raises(ValueError, match=r'no effect with normalize=False'):
        ours.RevGCNConv(8, normalize=False, improved=True)


@pytest.mark.parametrize('drop', [DropEdge, DropNode, DropPath])
def test_dropped_edges(graph, drop):
    torch.manual_seed(0)
    model = ours.GCN(5, 8, 2, 2, drop_edges=drop(0.5)).double()
    given = graph.x, graph.edge_index, graph.edge_weight
    whole = model.eval()(*given)
    model.train()
    outs = [model(*given) for _ in range(5)]
    assert not any(torch.allclose(out, whole) for out in outs)
    model.drop_edges.p = 0.0
    assert torch.equal(model(*given), whole)
    model.drop_edges.p = 0.5
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    with pytest.raises(ValueError, match='needs edge indices'):
        model(graph.x, adj)


@no_export
def test_reversible_stack_in_a_trace(graph):
    """A trace holds the plain layers, whose gradients are PyTorch's."""
    blocks = [torch.nn.Linear(3, 3) for _ in range(2)]
    stack = ReversibleSequential(blocks)
    x = torch.rand(4, 6)
    exported = torch.export.export(stack, (x,), strict=False).module()
    assert torch.allclose(exported(x + 1.0), stack(x + 1.0))
