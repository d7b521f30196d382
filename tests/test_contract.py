"""What every exported class must hold."""

import copy
import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
import torch_geometric
from torch.nn import Linear, Module
from torch_geometric.explain.algorithm.utils import set_masks

import pyg_ext.nn
from pyg_ext.nn import (
    ADGN,
    DAGNN,
    GAT,
    GCN,
    GCNII,
    GIN,
    GPRGNN,
    SGC,
    APPNPNet,
    DeeperGCN,
    DeepGCN,
    DenseGCNII,
    DRewGCN,
    GraphSAGE,
    IncepGCN,
    MRConv,
    NodeMLP,
    NormGATConv,
    RandomWalkConv,
    RevGAT,
    RevGCNConv,
    RevGNN,
)
from pyg_ext.utils import CSRTensor, HopAdjacency, gcn_adj, mean_adj

# Send messages along edges that they compute outside of PyTorch:
SEARCHING = (DRewGCN, RandomWalkConv)


@dataclass
class Case:
    cls: type[Module]
    args: tuple
    kwargs: dict
    repr: str
    compiles: bool = True  # without a graph break, on edge_index
    out: int = 2  # channels of the output
    weighted: bool = True  # takes edge weights
    shared: Callable | None = gcn_adj  # makes what it takes as it is
    ordered: bool = False  # reads neighbors in the order of the edges

    @property
    def adds_self_loops(self):
        return self.cls is GAT or (
            self.shared is gcn_adj and self.cls is not NodeMLP
        )

    def order(self, graph):
        """Directed edges, as a sparse matrix has them if the order counts."""
        if self.ordered:
            return graph.edge_index[0, :12].argsort(stable=True)
        return torch.arange(12)

    def build(self):
        torch.manual_seed(0)
        args = [arg() if callable(arg) else arg for arg in self.args]
        return self.cls(*args, **self.kwargs).double()


CASES = {
    'GCN': Case(
        GCN, (5, 8, 3, 2), {}, 'GCN(5, 2, num_layers=3, skip=None, jk=None)'
    ),
    'GCN res jk': Case(
        GCN,
        (5, 8, 3, 2),
        {'skip': 'res', 'jk': 'cat', 'dropout': 0.5},
        'GCN(5, 2, num_layers=3, skip=res, jk=JumpingKnowledge(cat))',
    ),
    'GCN dense': Case(
        GCN,
        (5, 8, 3, 2),
        {'skip': 'dense', 'growth': 4},
        'GCN(5, 2, num_layers=3, skip=dense, jk=None)',
    ),
    'GCN initial, identity, node norm': Case(
        GCN,
        (5, 8, 3, 2),
        {'skip': 'initial', 'lin_in': True, 'theta': 0.5, 'norm': 'node'},
        'GCN(5, 2, num_layers=3, skip=initial, jk=None)',
    ),
    'GCN gate, skip node': Case(
        GCN,
        (5, 8, 3, 2),
        {'skip': 'gate', 'lin_out': True, 'skip_node': 0.5},
        'GCN(5, 2, num_layers=3, skip=gate, jk=None)',
        compiles=False,  # takes self-loops out of the edges
    ),
    'GCN hyper': Case(
        GCN,
        (5, 8, 3, 2),
        {'skip': 'hyper', 'lin_in': True, 'lin_out': True, 'streams': 2},
        'GCN(5, 2, num_layers=3, skip=hyper, jk=None)',
    ),
    'GIN': Case(
        GIN,
        (5, 8, 3, 2),
        {'skip': 'residual', 'alpha': 0.5},
        'GIN(5, 2, num_layers=3, skip=residual, jk=None)',
        weighted=False,
        shared=None,
    ),
    'NodeMLP': Case(
        NodeMLP,
        (5, 8, 3, 2),
        {'norm': 'pair'},
        'NodeMLP(5, 2, num_layers=3, skip=None, jk=None)',
    ),
    'IncepGCN': Case(
        IncepGCN,
        (5, 8, 4, 2),
        {'dropout': 0.5},
        'IncepGCN(5, 2, num_layers=4)',
    ),
    'DeeperGCN': Case(
        DeeperGCN,
        (5, 8, 3, 2),
        {'dropout': 0.5},
        'DeeperGCN(5, 2, num_layers=3)',
        weighted=False,
        shared=None,
    ),
    'GCNII': Case(
        GCNII, (5, 8, 3, 2), {'dropout': 0.5}, 'GCNII(5, 2, num_layers=3)'
    ),
    'GCNII*': Case(
        GCNII,
        (5, 8, 3, 2),
        {'shared_weights': False},
        'GCNII(5, 2, num_layers=3)',
    ),
    'GCNII static': Case(
        GCNII, (5, 8, 3, 2), {'static': True}, 'GCNII(5, 2, num_layers=3)'
    ),
    'ADGN': Case(
        ADGN,
        (5, 8, 3, 2),
        {'dropout': 0.5},
        'ADGN(5, 2, num_layers=3, shared_weights=True)',
    ),
    'ADGN unshared': Case(
        ADGN,
        (5, 8, 3, 2),
        {'shared_weights': False},
        'ADGN(5, 2, num_layers=3, shared_weights=False)',
    ),
    'DRewGCN': Case(
        DRewGCN,
        (5, 8, 3, 2),
        {'dropout': 0.5},
        'DRewGCN(5, 2, num_layers=3, nu=1)',
        compiles=False,
        weighted=False,
        shared=HopAdjacency,
    ),
    'DRewGCN without delay': Case(
        DRewGCN,
        (5, 8, 3, 2),
        {'nu': None},
        'DRewGCN(5, 2, num_layers=3, nu=None)',
        compiles=False,
        weighted=False,
        shared=HopAdjacency,
    ),
    'DenseGCNII': Case(
        DenseGCNII,
        (5, 8, 3, 2),
        {'dropout': 0.5},
        'DenseGCNII(5, 2, num_layers=3)',
    ),
    'GCN virtual node': Case(
        GCN,
        (5, 8, 3, 2),
        {'lin_in': True, 'lin_out': True, 'virtual_node': True},
        'GCN(5, 2, num_layers=3, skip=None, jk=None)',
    ),
    'APPNPNet': Case(
        APPNPNet,
        (5, 8, 3, 2),
        {'dropout': 0.5, 'edge_dropout': 0.5},
        'APPNPNet(5, 2, K=3, alpha=0.1)',
    ),
    'DAGNN': Case(
        DAGNN,
        (5, 8, 3, 2),
        {'dropout': 0.5},
        'DAGNN(5, 2, K=3)',
    ),
    'DAGNN static': Case(
        DAGNN, (5, 8, 3, 2), {'static': True}, 'DAGNN(5, 2, K=3)'
    ),
    'GPRGNN': Case(
        GPRGNN,
        (5, 8, 3, 2),
        {'dropout': 0.5, 'spread_dropout': 0.5},
        'GPRGNN(5, 2, K=3, alpha=0.1)',
    ),
    'SGC': Case(SGC, (5, 3, 2), {'dropout': 0.5}, 'SGC(5, 2, K=3)'),
    'DeepGCN': Case(
        DeepGCN,
        (5, 8, 3, 2),
        {'skip': 'res', 'conv': 'mr', 'fusion_channels': 8},
        'DeepGCN(5, 2, num_layers=3, skip=res, dilated=False)',
        weighted=False,
        shared=None,
    ),
    'GAT': Case(
        GAT,
        (5, 8, 3, 2),
        {'heads': 4, 'dropout': 0.5, 'attention_dropout': 0.5},
        'GAT(5, 2, num_layers=3, skip=None, jk=None)',
        weighted=False,
        shared=None,
    ),
    'GraphSAGE': Case(
        GraphSAGE,
        (5, 8, 3, 2),
        {'skip': 'res'},
        'GraphSAGE(5, 2, num_layers=3, skip=res, jk=None)',
        shared=mean_adj,
    ),
    'GraphSAGE pool': Case(
        GraphSAGE,
        (5, 8, 3, 2),
        {'aggr': 'max', 'project': True, 'lin_in': True},
        'GraphSAGE(5, 2, num_layers=3, skip=None, jk=None)',
        weighted=False,
        shared=None,
    ),
    'GraphSAGE lstm': Case(
        GraphSAGE,
        (5, 8, 3, 2),
        {'aggr': 'lstm', 'lin_in': True, 'norm': 'layer'},
        'GraphSAGE(5, 2, num_layers=3, skip=None, jk=None)',
        compiles=False,  # the lengths of its sequences are data
        weighted=False,
        shared=None,
        ordered=True,
    ),
    'MRConv': Case(
        MRConv,
        (partial(Linear, 10, 2),),
        {},
        'MRConv(nn=Linear(in_features=10, out_features=2, bias=True))',
        weighted=False,
        shared=None,
    ),
    'RandomWalkConv': Case(
        RandomWalkConv,
        (5, 2, 'ppr', None),
        {'similarity_kwargs': {'eps': 1e-12}},
        'RandomWalkConv(5, 2, method=ppr, k=None)',
        compiles=False,  # computes edges outside of PyTorch
        shared=None,
    ),
    'RevGCNConv': Case(
        RevGCNConv,
        (5, 3, 5),
        {'dropout': 0.5, 'norm': None},  # a layer norm of one channel is 0
        'RevGCNConv(5, num_layers=3, num_groups=5)',
        compiles=False,  # see ReversibleSequential
        out=5,
    ),
    'RevGAT': Case(
        RevGAT,
        (5, 8, 4, 2),
        {'dropout': 0.5, 'edge_dropout': 0.3, 'attention_dropout': 0.3},
        'RevGAT(5, 2, num_layers=4, num_groups=2)',
        compiles=False,
        weighted=False,
        shared=None,
    ),
    'NormGATConv': Case(
        NormGATConv,
        (5, 1),
        {'heads': 2},
        'NormGATConv(5, 1, heads=2)',
        weighted=False,
        shared=None,
    ),
    'RevGNN': Case(
        RevGNN,
        (5, 8, 3, 2),
        {'dropout': 0.5, 'shared_dropout': True},
        'RevGNN(5, 2, num_layers=3, num_groups=2)',
        compiles=False,
    ),
    'RevGNN jk': Case(
        RevGNN,
        (5, 8, 3, 2),
        {'num_groups': 4, 'jk': [0, -1], 'norm': 'batch'},
        'RevGNN(5, 2, num_layers=3, num_groups=4)',
        compiles=False,
    ),
}

# Exported classes that take no graph, or are there to be filled by others;
# each has a test file of its own:
ELSEWHERE = {
    'ConvStack',
    'DecoupledNet',
    'DenseConnection',
    'DilatedKNNConv',
    'DropEdge',
    'DropMessage',
    'DropNode',
    'DropPath',
    'Dropout',
    'DynamicEdgeConv',
    'GCN2DenseConv',
    'GCNEConv',
    'GNNBlock',
    'GradientGating',
    'GraphModel',
    'GroupAddRev',
    'HiddenState',
    'HyperConnection',
    'IdentityLinear',
    'InitialConnection',
    'LSTMAggregation',
    'NodeNorm',
    'PairNormSCS',
    'PoolNet',
    'PowerSumAggregation',
    'ResidualConnection',
    'ReversibleSequential',
    'SkipNode',
    'SoftmaxSumAggregation',
    'VirtualNode',
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_every_exported_class_is_here():
    exported = {
        name
        for name in pyg_ext.nn.__all__
        if inspect.isclass(getattr(pyg_ext.nn, name))
    }
    assert (
        exported == {case.cls.__name__ for case in CASES.values()} | ELSEWHERE
    )


def test_repr(case):
    assert str(case.build()) == case.repr


def test_shape_and_input_left_alone(case, graph):
    x, edges = graph.x.clone(), graph.edge_index.clone()
    out = case.build()(graph.x, graph.edge_index)
    assert out.size() == (8, case.out)
    assert out.dtype == torch.double
    assert torch.equal(graph.x, x)
    assert torch.equal(graph.edge_index, edges)


def test_node_permutation(case, graph):
    model = case.build().eval()
    order = torch.randperm(8)
    inverse = order.argsort()
    out = model(graph.x, graph.edge_index)
    permuted = model(graph.x[order], inverse[graph.edge_index])
    assert torch.allclose(permuted, out[order])


@pytest.mark.parametrize('weighted', [False, True])
def test_kinds_of_edges_agree(case, graph, weighted):
    """Directed weighted edges, so that a wrong direction shows."""
    model = case.build().eval()
    index = graph.edge_index[:, case.order(graph)]
    if weighted and not case.weighted:
        pytest.skip('takes no edge weights')
    weight = [graph.edge_weight[:12]] if weighted else []
    out = model(graph.x, index, *weight)
    value = weight[0] if weighted else torch.ones(12).double()
    adj_t = torch.sparse_coo_tensor(
        index.flip(0), value, (8, 8), check_invariants=True
    )
    csr = adj_t.coalesce().to_sparse_csr()
    shared = CSRTensor.from_csr(csr)
    if case.shared is not None:
        shared = case.shared(index, *weight, num_nodes=8, dtype=torch.double)
    for edges in (adj_t, csr, shared):
        assert torch.allclose(model(graph.x, edges), out)


@pytest.mark.sparse
@pytest.mark.parametrize('weighted', [False, True])
def test_sparse_tensor_agrees(case, graph, weighted, torch_sparse):
    model = case.build().eval()
    if weighted and not case.weighted:
        pytest.skip('takes no edge weights')
    weight = [graph.edge_weight[:12]] if weighted else []
    adj_t = torch_sparse.SparseTensor(
        row=graph.edge_index[1, :12],
        col=graph.edge_index[0, :12],
        value=weight[0] if weighted else None,
        sparse_sizes=(8, 8),
    )
    index = graph.edge_index[:, case.order(graph)]
    out = model(graph.x, index, *weight)
    assert torch.allclose(model(graph.x, adj_t), out)


BAD_EDGES = {
    'beyond the nodes': (torch.tensor([[0, 1], [1, 8]]), r'0 to 7 \(got 8\)'),
    'far beyond': (torch.tensor([[2**62], [1]]), f'got {2**62}'),
    'before the nodes': (torch.tensor([[0, -1], [1, 2]]), r'\(got -1\)'),
    'rows': (torch.zeros(3, 2).long(), r'\[2, E\] \(got \[3, 2\]\)'),
    'flat': (torch.zeros(2).long(), r'\[2, E\] \(got \[2\]\)'),
    'fractions': (torch.zeros(2, 3), 'integers .*float32'),
    'empty fractions': (torch.tensor([[], []]), 'integers .*float32'),
    'a mask': (torch.zeros(2, 3).bool(), 'mask'),
    'a list': ([[0, 1], [1, 2]], 'tensor .*list'),
    'a smaller matrix': (torch.eye(7).to_sparse_csr(), '8 x 8.* 7 x 7'),
    'a larger matrix': (torch.eye(9).to_sparse(), '8 x 8.* 9 x 9'),
    'more columns': (torch.ones(8, 9).to_sparse(), '8 x 8.* 8 x 9'),
    'a smaller shared one': (CSRTensor.from_dense(torch.eye(7)), '7 x 7'),
}


@pytest.mark.parametrize('kind', BAD_EDGES)
def test_edges_that_are_none(case, graph, kind):
    edges, text = BAD_EDGES[kind]
    with pytest.raises(ValueError, match=text):
        case.build()(graph.x, edges)


BAD_WEIGHTS = {
    'a column': (lambda w: w.view(-1, 1), r'edge_weight .*\[17\].*\[17, 1\]'),
    'too few': (lambda w: w[1:], r'edge_weight .*\[17\].*\[16\]'),
    'negative': (lambda w: w - 1.0, 'edge_weight .*not negative'),
    'no number': (lambda w: w.where(w > 0.6, torch.nan), 'finite'),
    'infinite': (lambda w: w.where(w > 0.6, torch.inf), 'finite'),
}


@pytest.mark.parametrize('kind', BAD_WEIGHTS)
def test_weights_that_are_none(case, graph, kind):
    if not case.weighted or case.cls is NodeMLP:
        pytest.skip('knows no weights')
    change, text = BAD_WEIGHTS[kind]
    with pytest.raises(ValueError, match=text):
        case.build()(graph.x, graph.edge_index, change(graph.edge_weight))


@pytest.mark.parametrize('dtype', [torch.int32, torch.int16, torch.uint8])
def test_other_integers(case, graph, dtype):
    model = case.build().eval()
    out = model(graph.x, graph.edge_index)
    assert torch.equal(model(graph.x, graph.edge_index.to(dtype)), out)


def test_whole_weights(case, graph):
    if not case.weighted:
        pytest.skip('knows no weights')
    model = case.build().eval()
    weight = torch.arange(17) % 3
    out = model(graph.x, graph.edge_index, weight.double())
    assert torch.allclose(model(graph.x, graph.edge_index, weight), out)


def test_edges_keep_their_order(case):
    """So that an explanation credits the edges that were given: of a chain,
    those behind a node cannot matter to it.
    """
    everywhere = case.cls is DeepGCN or 'virtual_node' in case.kwargs
    if everywhere or case.cls in (NodeMLP, *SEARCHING):
        pytest.skip('sends messages by other ways than these edges')
    chain = torch.tensor([[4, 3, 0, 2, 1], [5, 4, 1, 3, 2]])
    mask = torch.nn.Parameter(torch.ones(5, dtype=torch.double))
    model = case.build().eval()
    set_masks(model, mask, chain, apply_sigmoid=False)
    out = model(torch.rand(6, 5).double(), chain)
    (grad,) = torch.autograd.grad(out[2].square().sum(), mask)
    matters = chain[1] <= 2
    assert (grad[~matters] == 0.0).all()
    assert grad[chain[1] == 2] != 0.0


def test_weights_get_gradients(case, graph):
    if not case.weighted or case.cls in (NodeMLP, RandomWalkConv):
        pytest.skip('has none to learn')
    weight = graph.edge_weight.clone().requires_grad_()
    out = case.build().eval()(graph.x, graph.edge_index, weight)
    (grad,) = torch.autograd.grad(out.square().sum(), weight)
    assert grad.isfinite().all()
    assert (grad != 0.0).any()


# Of a reversible stack, which loses more digits than one may overlook:
@pytest.mark.filterwarnings('ignore:the backward pass of a reversible')
@pytest.mark.parametrize('half', [torch.half, torch.bfloat16])
@pytest.mark.parametrize('autocast', [False, True])
def test_half_types(case, graph, half, autocast):
    """As near as half types are."""
    if case.cls is RandomWalkConv:
        pytest.skip('finds other edges in another type')
    model = case.build().eval().float()
    out = model(graph.x.float(), graph.edge_index)
    x = graph.x.float()
    if not autocast:
        model, x = model.to(half), x.to(half)
    with torch.autocast('cpu', half, enabled=autocast):
        low = model(x, graph.edge_index)
    assert autocast or low.dtype == half
    assert (low.float() - out).abs().max() < 0.1 * out.abs().max()
    low.float().sum().backward()


def test_reset_parameters(case):
    model = case.build()
    first = copy.deepcopy(model.state_dict())
    model.reset_parameters()
    changed = model.state_dict()
    weights = [n for n, p in model.named_parameters() if p.dim() > 1]
    assert all(not torch.equal(first[n], changed[n]) for n in weights)
    torch.manual_seed(1)
    model.reset_parameters()
    second = copy.deepcopy(model.state_dict())
    torch.manual_seed(1)
    model.reset_parameters()
    for name, value in model.state_dict().items():
        assert torch.equal(value, second[name])


def test_every_parameter_gets_a_gradient(case, graph):
    model = case.build()
    model(graph.x, graph.edge_index).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_state_dict_round_trip(case, graph):
    model, other = case.build().eval(), case.build().eval()
    other.reset_parameters()
    other.load_state_dict(model.state_dict())
    out = model(graph.x, graph.edge_index)
    assert torch.equal(out, other(graph.x, graph.edge_index))


# What fullgraph=True sets by itself in later versions, for self-loops:
@torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True)
def test_compile_without_graph_break(case, graph):
    if not case.compiles:
        pytest.skip('torch.compile cannot trace what it does, and breaks')
    if case.adds_self_loops and torch_geometric.__version__ < '2.6':
        pytest.skip('self-loops of PyG 2.5 break the graph')
    torch.compiler.reset()  # the models share the code of forward
    model = case.build().eval()
    compiled = torch.compile(model, fullgraph=True, backend='eager')
    out = compiled(graph.x, graph.edge_index)
    assert torch.allclose(out, model(graph.x, graph.edge_index))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_cuda(case, graph):
    model = case.build().eval()
    out = model(graph.x, graph.edge_index)
    model.cuda()
    x, edges = graph.x.cuda(), graph.edge_index.cuda()
    assert torch.allclose(model(x, edges).cpu(), out)
    if case.shared is not None:
        adj = case.shared(edges, num_nodes=8, dtype=torch.double)
        assert torch.allclose(model(x, adj).cpu(), out)


MEET_THEM = ('test_adjacency.py', 'test_checks.py', 'test_csr.py')
BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('torch_scatter', 'torch_sparse'):
            raise ModuleNotFoundError(name + ' is blocked')
sys.meta_path.insert(0, Block())
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.skipif('PYG_EXT_BLOCKED' in os.environ, reason='is blocked now')
def test_without_torch_scatter_and_torch_sparse():
    here = Path(__file__)
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            BLOCKED,
            '-q',
            '-p',
            'no:cacheprovider',
            '-m',
            'not cuda',
            str(here),
            *(str(here.parent / 'utils' / name) for name in MEET_THEM),
        ],
        env={**os.environ, 'PYG_EXT_BLOCKED': '1'},
        cwd=here.parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'skipped' in done.stdout  # the tests of torch_sparse themselves
