import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.explain.algorithm.utils import set_masks

from benchmarks.methods import spec
from benchmarks.methods.network import Network
from benchmarks.recipes import presets
from pyg_ext.metrics import OverSmoothingProbe
from pyg_ext.nn import DRewGCN, PoolNet
from pyg_ext.utils import CSRTensor, HopAdjacency, gcn_adj

NUS = [1, 2, 3, None]


def distances(edges, size):
    """The least number of edges from row to column, by way of each node."""
    hops = torch.full((size, size), torch.inf).double()
    hops[edges[0], edges[1]] = 1.0
    hops.fill_diagonal_(0.0)
    for via in range(size):
        hops = torch.minimum(hops, hops[:, via, None] + hops[via])
    return hops


def by_the_formula(model, x, edges):
    hops = distances(edges, len(x))
    states = [model.lin_in(x)]
    for t in range(model.num_layers):
        total = torch.zeros_like(states[0])
        for k in range(1, t + 2):
            joined = (hops.t() == k).double()
            if not joined.any():
                continue
            joined += torch.eye(len(x)).double()
            scale = joined.sum(dim=1).rsqrt()
            joined = scale[:, None] * joined * scale
            nu = k if model.nu is None else model.nu
            late = k - nu if k > nu else 0
            conv = model.convs[t][k - 1]
            total += joined @ states[t - late] @ conv.lin.weight.t()
            total += conv.bias
        states.append(states[-1] + total.clamp(min=0.0))
    return model.lin_out(states[-1])


def build(num_layers, nu, in_channels=5):
    """With biases that are not zero."""
    torch.manual_seed(0)
    model = DRewGCN(in_channels, 8, num_layers, 2, nu=nu).double()
    for convs in model.convs:
        for conv in convs:
            torch.nn.init.normal_(conv.bias)
    return model


def line(size):
    """A path, one way."""
    return torch.stack([torch.arange(size - 1), torch.arange(1, size)])


@pytest.mark.parametrize('nu', NUS)
@pytest.mark.parametrize('num_edges', [12, 30, 100])
def test_equals_the_formula(nu, num_edges):
    """In 100 edges no pair is as far apart as the layers would reach."""
    torch.manual_seed(num_edges)
    edges, x = torch.randint(20, (2, num_edges)), torch.rand(20, 5).double()
    model = build(6, nu)
    expected = by_the_formula(model, x, edges)
    assert torch.allclose(model(x, edges), expected)
    hops = HopAdjacency(edges, 20, torch.double)
    assert torch.allclose(model(x, hops), expected)
    assert torch.allclose(model(x, hops), expected)  # which it kept


@pytest.mark.parametrize('nu', NUS)
def test_equals_the_formula_both_ways(graph, nu):
    model = build(5, nu)
    expected = by_the_formula(model, graph.x, graph.edge_index)
    assert torch.allclose(model(graph.x, graph.edge_index), expected)


def test_delay_makes_a_difference():
    """From the second layer on, for what comes from two hops away."""
    x = torch.rand(9, 5).double()
    outs = [build(4, nu)(x, line(9)) for nu in NUS]
    for i, out in enumerate(outs[:-1]):
        for other in outs[i + 1 :]:
            assert not torch.allclose(out, other)
    assert torch.equal(build(3, 3)(x, line(9)), build(3, None)(x, line(9)))


def reached(num_layers, nu):
    """The distances of the nodes that an output knows of."""
    known = [{0}]
    for t in range(num_layers):
        now = {*known[-1]}
        for k in range(1, t + 2):
            before = known[t - (max(k - nu, 0) if nu else 0)]
            now |= before | {k + d for d in before}
        known.append(now)
    return known[-1]


@pytest.mark.parametrize(
    ('num_layers', 'nu', 'farthest'),
    [
        *((1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 1, 4), (5, 1, 5)),
        *((1, 2, 1), (2, 2, 3), (3, 2, 5), (4, 2, 7), (5, 2, 9)),
        *((1, None, 1), (2, None, 3), (3, None, 6), (4, None, 10)),
        (5, None, 15),
    ],
)
def test_reach(num_layers, nu, farthest):
    """With weights above zero, which ReLU lets pass."""
    model = build(num_layers, nu)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    x = torch.rand(20, 5).double().requires_grad_()
    model(x, line(20))[-1].sum().backward()
    seen = x.grad.abs().sum(dim=1).flip(0).nonzero().flatten().tolist()
    assert seen == sorted(reached(num_layers, nu)) == [*range(farthest + 1)]


def test_number_of_convolutions():
    model = DRewGCN(5, 8, 6, 2)
    assert [len(convs) for convs in model.convs] == [1, 2, 3, 4, 5, 6]


def test_farther_than_any_pair():
    """Convolutions for distances that the graph does not have are left out
    wholly, bias and self-loop.
    """
    x = torch.rand(3, 5).double()
    model = build(5, 1)
    model(x, line(3)).sum().backward()
    for convs in model.convs:
        for k, conv in enumerate(convs, start=1):
            assert (conv.bias.grad is None) == (k > 2)


@pytest.mark.parametrize('nu', NUS)
@pytest.mark.parametrize('shared', [False, True])
def test_batch_equals_one_by_one(nu, shared):
    """Graphs of unequal size and diameter, one without edges."""
    sizes = (3, 1, 9, 5)
    graphs = [Data(x=torch.rand(n, 5).double()) for n in sizes]
    for graph in graphs:
        graph.edge_index = line(graph.num_nodes)
    model, both = build(6, nu), Batch.from_data_list(graphs)
    alone = torch.cat([model(graph.x, graph.edge_index) for graph in graphs])
    edges = both.edge_index
    if shared:
        edges = HopAdjacency(edges, both.num_nodes, torch.double)
    out = model(both.x, edges, batch=both.batch)
    assert torch.allclose(out, alone)
    one = model(both.x, edges)  # a graph that has all those distances
    assert torch.allclose(one, by_the_formula(model, both.x, both.edge_index))
    assert not torch.allclose(one, alone)
    net = PoolNet(DRewGCN, 5, 8, 6, 2, nu=nu).double()
    rows = [net(g.x, g.edge_index, batch=None) for g in graphs]
    out = net(both.x, edges, batch=both.batch)
    assert torch.allclose(out, torch.cat(rows))


@pytest.mark.parametrize('nu', NUS)
def test_permutation(nu):
    torch.manual_seed(0)
    edges, x = torch.randint(20, (2, 30)), torch.rand(20, 5).double()
    order, model = torch.randperm(20), build(6, nu)
    out = model(x[order], order.argsort()[edges])
    assert torch.allclose(out, model(x, edges)[order])


@pytest.mark.parametrize('nu', [1, None])
def test_gradients(nu):
    model = build(3, nu, in_channels=2)
    hops = HopAdjacency(line(5), 5, torch.double)
    x = torch.rand(5, 2).double().requires_grad_()
    weight = model.convs[2][2].lin.weight

    def function(x, weight):
        given = {'convs.2.2.lin.weight': weight}
        return torch.func.functional_call(model, given, (x, hops))

    assert torch.autograd.gradcheck(function, (x, weight))
    assert torch.autograd.gradgradcheck(function, (x, weight))


@pytest.mark.parametrize('size', [0, 1, 4])
def test_without_edges(size):
    x, nothing = torch.rand(size, 5).double(), line(1)[:, :0]
    model = build(3, 1)
    expected = model.lin_out(model.lin_in(x))
    assert torch.equal(model(x, nothing), expected)
    loops = torch.arange(size).expand(2, -1)
    assert torch.equal(model(x, loops), expected)


def test_repeated_edges_and_loops():
    x, model = torch.rand(7, 5).double(), build(4, 1)
    edges = line(7)
    more = torch.cat([edges, edges[:, 2:4], torch.full((2, 2), 3)], dim=1)
    assert torch.equal(model(x, more), model(x, edges))


def test_sparse_features():
    x, model = torch.rand(7, 5).double(), build(4, 1)
    x = x * (x > 0.5)
    out = model(CSRTensor.from_dense(x), line(7))
    assert torch.allclose(out, model(x, line(7)))


def test_hidden_states(graph):
    model = build(5, 1)
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        model(graph.x, graph.edge_index)
    assert len(probe.step()) == 6


# PyTorch's compiler looks at it where a graph is broken:
@pytest.mark.filterwarnings('ignore:The .grad attribute of a Tensor')
def test_in_pieces():
    """Compiled between what is searched for outside of PyTorch."""
    x, model = torch.rand(7, 5).double(), build(4, 1)
    torch.compiler.reset()
    compiled = torch.compile(model, backend='eager')
    for edges in (line(7), HopAdjacency(line(7), 7, torch.double)):
        out = compiled(x, edges)
        assert torch.allclose(out, model(x, edges))
        out.sum().backward()


def test_specification():
    method = spec.parse('drew')
    assert method.backbone.model is DRewGCN
    assert 'nu' in method.options()
    for given, nu in (({}, 1), ({'nu': 2}, 2), ({'nu': None}, None)):
        config = presets.configure(
            'long-range', 'ring-transfer', method, given
        )
        network, _ = presets.split(config, method, 4)
        assert network.build(5, 2).nu == nu


def test_other_edges():
    """A rewired graph has other distances."""
    method = spec.parse('drew+fosr')
    network = Network(method, 3, {}, {'num_iterations': 2})
    data = Data(x=torch.rand(9, 5), edge_index=line(9))
    data.edge_index = torch.cat([line(9), line(9).flip(0)], dim=1)
    data = network.prepare(data, seed=0)
    hops = network.adjacency(data)
    assert isinstance(hops, HopAdjacency)
    assert len(hops.up_to(9)) < 8
    model = network.build(5, 2)
    out = model(data.x, hops)
    assert torch.allclose(out, model(data.x, data.edge_index))


def test_errors():
    for nu in (0, -1, 1.5, True, 'x'):
        with pytest.raises(ValueError, match='nu must be'):
            DRewGCN(5, 8, 2, 2, nu=nu)
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        DRewGCN(5, 8, 0, 2)
    model, x = DRewGCN(5, 8, 2, 2), torch.rand(7, 5)
    with pytest.raises(ValueError, match=r'of 7 nodes.*\(got one of 6\)'):
        model(x, HopAdjacency(line(6), 6))
    with pytest.raises(ValueError, match='edge_weight has no effect'):
        model(x, line(7), torch.ones(6))
    with pytest.raises(ValueError, match='is a matrix of gcn_adj'):
        model(x, gcn_adj(line(7)))
    set_masks(model, torch.nn.Parameter(torch.ones(6)), line(7))
    with pytest.raises(ValueError, match='explain the nodes only'):
        model(x, line(7))
