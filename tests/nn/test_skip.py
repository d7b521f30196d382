import pytest
import torch
from torch.autograd import gradcheck
from torch_geometric.nn import GCNConv

from pyg_ext.nn import (
    DenseConnection,
    GradientGating,
    InitialConnection,
    ResidualConnection,
    SkipNode,
)
from pyg_ext.utils import gcn_adj


@pytest.fixture
def pair():
    torch.manual_seed(0)
    draw = torch.rand(2, 8, 5, dtype=torch.double, requires_grad=True)
    return draw[0], draw[1]


def test_by_hand():
    out, x = torch.tensor([[4.0, 8.0]]), torch.tensor([[2.0, 0.0]])
    assert ResidualConnection()(out, x).tolist() == [[6.0, 8.0]]
    assert ResidualConnection(0.25)(out, x).tolist() == [[3.5, 6.0]]
    assert InitialConnection(0.5)(out, x).tolist() == [[3.0, 4.0]]
    assert DenseConnection()(out, x).tolist() == [[2.0, 0.0, 4.0, 8.0]]


@pytest.mark.parametrize(
    'skip',
    [
        ResidualConnection(),
        ResidualConnection(0.3),
        InitialConnection(0.3),
        DenseConnection(),
    ],
    ids=str,
)
def test_gradients(skip, pair):
    assert gradcheck(skip, pair)


def test_skip_node(pair):
    skip = SkipNode(0.4)
    torch.manual_seed(0)
    out, x = torch.zeros(20000, 2), torch.ones(20000, 2)
    skipped = skip(out, x)
    assert torch.equal(skipped[:, 0], skipped[:, 1])  # whole nodes
    assert abs(skipped.mean().item() - 0.4) < 0.02
    assert skip.eval()(out, x) is out
    torch.manual_seed(0)
    mask = torch.rand(8, 1) < 0.4
    torch.manual_seed(0)
    skip.train()(*pair).sum().backward()
    assert 0 < mask.sum() < 8


def test_skip_node_gradients_follow_the_choice():
    out = torch.rand(50, 3, requires_grad=True)
    x = torch.rand(50, 3, requires_grad=True)
    result = SkipNode(0.5)(out, x)
    result.sum().backward()
    took = (result == x).float()
    assert torch.equal(x.grad, took)
    assert torch.equal(out.grad, 1 - took)


def gate_by_hand(gating, out, x, edges):
    gate = gating.conv(x, edges).relu()
    rows = []
    for i in range(len(x)):
        sources = [s for s, t in edges.t().tolist() if t == i and s != i]
        if sources:
            apart = (gate[sources] - gate[i]).abs() ** gating.p
            rows.append(apart.mean(0).tanh())
        else:
            rows.append(torch.zeros_like(gate[i]))
    rate = torch.stack(rows)
    return (1 - rate) * x + rate * out


@pytest.mark.parametrize('p', [1.0, 2.0, 2.5])
def test_gradient_gating(graph, pair, p):
    gating = GradientGating(GCNConv(5, 5), p).double()
    out = gating(*pair, graph.edge_index)
    by_hand = gate_by_hand(gating, *pair, graph.edge_index)
    assert torch.allclose(out, by_hand)


def test_gradient_gating_gradients(graph, pair):
    gating = GradientGating(GCNConv(5, 5), 2.0).double()
    assert gradcheck(lambda *pair: gating(*pair, graph.edge_index), pair)


def test_gradient_gating_on_a_shared_adjacency(graph, pair):
    gating = GradientGating(GCNConv(5, 5, normalize=False)).double()
    stock = GradientGating(GCNConv(5, 5)).double()
    stock.load_state_dict(gating.state_dict())
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    assert torch.allclose(gating(*pair, adj), stock(*pair, graph.edge_index))


def test_nodes_like_their_neighbors_stay(graph):
    """The rate is zero where all nodes agree: no step, no smoothing."""
    gating = GradientGating(GCNConv(5, 5, bias=False)).double()
    x = torch.zeros(8, 5, dtype=torch.double)
    assert torch.equal(gating(x + 1, x, graph.edge_index), x)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: ResidualConnection(1.5), r'in \[0, 1\] \(got 1.5\)'),
        (lambda: InitialConnection(-0.1), r'in \[0, 1\] \(got -0.1\)'),
        (lambda: SkipNode(float('nan')), r'in \[0, 1\] \(got nan\)'),
        (lambda: GradientGating(GCNConv(5, 5), float('nan')), 'negative'),
        (lambda: SkipNode(2.0), r'probability in \[0, 1\] \(got 2.0\)'),
        (lambda: GradientGating(GCNConv(5, 5), -1.0), 'not be negative'),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_repr():
    assert str(ResidualConnection(0.1)) == 'ResidualConnection(alpha=0.1)'
    assert str(InitialConnection()) == 'InitialConnection(alpha=0.1)'
    assert str(SkipNode()) == 'SkipNode(p=0.5)'
    assert (
        str(GradientGating(GCNConv(5, 5)))
        == 'GradientGating(GCNConv(5, 5), p=2.0)'
    )


@pytest.mark.parametrize(
    'skip',
    [
        ResidualConnection(),
        ResidualConnection(0.5),
        InitialConnection(),
        SkipNode(),
        lambda out, x: GradientGating(GCNConv(5, 5))(
            out, x, torch.zeros(2, 0).long()
        ),
    ],
)
@pytest.mark.parametrize('size', [(1, 5), (8, 1), (5,)])
def test_nothing_is_stretched(skip, size, pair):
    out = torch.rand(8, 5)
    for given in ((out, torch.rand(size)), (torch.rand(size), out)):
        with pytest.raises(ValueError, match='must be of one shape'):
            skip(*given)


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_autocast(graph, dtype):
    """A state in float32 meets the output of a layer in a half type."""
    x = graph.x.float()
    gating = GradientGating(GCNConv(5, 5))
    for skip in (
        ResidualConnection(),
        ResidualConnection(0.3),
        InitialConnection(0.3),
        lambda out, x: gating(out, x, graph.edge_index),
    ):
        expected = skip(x.to(dtype).float(), x)
        with torch.autocast('cpu', dtype):
            out = skip(x.to(dtype), x)
        assert out.dtype == torch.float
        assert torch.allclose(out, expected, atol=0.02)


@pytest.mark.parametrize('p', [0.5, 1.0, 1.5])
def test_gradient_gating_where_neighbors_are_equal(p):
    gating = GradientGating(GCNConv(2, 2), p)
    x = torch.ones(3, 2, requires_grad=True)
    edges = torch.tensor([[0, 1, 2], [1, 2, 0]])
    gating(2 * x, x, edges).sum().backward()
    assert x.grad.isfinite().all()
    with torch.no_grad():
        x[0, 0] = torch.nan
    assert gating(2 * x, x, edges)[1].isnan().any()


def test_gradient_gating_of_no_edges():
    gating = GradientGating(GCNConv(5, 5))
    x = torch.rand(8, 5)
    for edges, got in (([[0], [8]], 8), ([[-1], [0]], -1)):
        with pytest.raises(ValueError, match=rf'0 to 7 \(got {got}\)'):
            gating(x, x, torch.tensor(edges))
