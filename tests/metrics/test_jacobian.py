import math

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv, GraphConv, SAGEConv

from pyg_ext.metrics import jacobian_by_distance
from pyg_ext.nn import GCN, RevGNN
from pyg_ext.utils import gcn_adj
from tests.metrics.oracles import hops

CHAIN = torch.tensor([[0, 1, 2], [1, 2, 3]])


@pytest.fixture
def graph():
    """Directed, with a loop, a repeated edge and an isolated node."""
    draw = torch.Generator().manual_seed(0)
    edges = torch.randint(14, (2, 22), generator=draw)
    edges = torch.cat([edges, torch.tensor([[3, 3, 5], [3, 6, 6]])], dim=1)
    x = torch.randn(16, 3, generator=draw, dtype=torch.double)
    return Data(x=x, edge_index=torch.cat([edges, edges[:, -1:]], dim=1))


def oracle(model, x, edge_index, most=None):
    """The whole Jacobian at once, [N, C, N, F]."""
    full = torch.autograd.functional.jacobian(
        lambda x: model(x, edge_index), x
    )
    norms = full.double().square().sum((1, 3)).sqrt()  # [target, source]
    away = hops(edge_index, len(x))
    last = int(away[away.isfinite()].max()) if most is None else most
    means = [norms[away == k] for k in range(last + 1)]
    return torch.stack(
        [n.mean() if len(n) else n.sum() * math.nan for n in means]
    )


def test_written_out():
    """Each node hands on a third of its features, twice."""

    def twice(x, edge_index):
        for _ in range(2):
            out = 3.0 * x
            out[edge_index[1]] = out[edge_index[1]] + x[edge_index[0]]
            x = out
        return x

    found = jacobian_by_distance(twice, torch.zeros(4, 1), CHAIN)
    assert found.tolist() == pytest.approx([9, 6, 1, 0])
    # A source that no path leads from has no distance.
    found = jacobian_by_distance(twice, torch.zeros(5, 1), CHAIN)
    assert found.tolist() == pytest.approx([9, 6, 1, 0])
    two = jacobian_by_distance(twice, torch.zeros(4, 2), CHAIN, 1)
    assert two.tolist() == pytest.approx([9 * 2**0.5, 6 * 2**0.5])
    more = jacobian_by_distance(twice, torch.zeros(4, 1), CHAIN, 5)
    assert more[:4].tolist() == pytest.approx([9, 6, 1, 0])
    assert more[4:].isnan().all()


@pytest.mark.parametrize('conv', [GCNConv, SAGEConv, GraphConv])
@pytest.mark.parametrize('most', [None, 0, 2, 9])
def test_by_the_whole_jacobian(graph, conv, most):
    torch.manual_seed(0)
    first, second = conv(3, 6).double(), conv(6, 4).double()

    def model(x, edge_index):
        return second(first(x, edge_index).tanh(), edge_index)

    found = jacobian_by_distance(model, graph.x, graph.edge_index, most)
    want = oracle(model, graph.x, graph.edge_index, most)
    torch.testing.assert_close(found, want, equal_nan=True)


@pytest.mark.parametrize('depth', [1, 8])
def test_of_a_reversible_network(graph, depth):
    torch.manual_seed(0)
    model = RevGNN(3, 8, depth, 4, dropout=0.3).double().eval()
    found = jacobian_by_distance(model, graph.x, graph.edge_index)
    want = oracle(model, graph.x, graph.edge_index)
    torch.testing.assert_close(found, want)


def test_of_edges_that_a_model_takes_otherwise(graph):
    torch.manual_seed(0)
    model = GCN(3, 8, 3, 4).double().eval()
    adj = gcn_adj(graph.edge_index, num_nodes=16, dtype=torch.double)
    found = jacobian_by_distance(
        lambda x, _: model(x, adj), graph.x, graph.edge_index
    )
    want = jacobian_by_distance(model, graph.x, graph.edge_index)
    torch.testing.assert_close(found, want)
    assert (found[4:] == 0).all()  # beyond three layers


def test_nothing_is_changed(graph):
    model = GCN(3, 8, 2, 4, norm='batch').double().eval()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    x = graph.x.clone()
    with torch.no_grad():
        jacobian_by_distance(model, graph.x, graph.edge_index, num_samples=3)
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(graph.x, x)
    assert not graph.x.requires_grad


def test_samples(graph):
    torch.manual_seed(0)
    model = GCN(3, 8, 3, 4).double().eval()

    def some(seed, **kwargs):
        draw = torch.Generator().manual_seed(seed)
        return jacobian_by_distance(
            model, graph.x, graph.edge_index, 3, generator=draw, **kwargs
        )

    whole = some(0)
    assert torch.equal(some(0, num_samples=5), some(0, num_samples=5))
    assert not torch.equal(some(0, num_samples=5), some(1, num_samples=5))
    torch.testing.assert_close(some(0, num_samples=16), whole)
    one = [some(0, targets=torch.tensor([i])) for i in range(16)]
    away = hops(graph.edge_index, 16)
    count = torch.stack([(away == k).sum(1) for k in range(4)], 1)
    mean = (torch.stack(one).nan_to_num() * count).sum(0) / count.sum(0)
    torch.testing.assert_close(mean, whole)
    # The mean of the squares has no bias, and many come near the norms.
    rough = some(0, num_projections=400)
    torch.testing.assert_close(rough, whole, rtol=0.1, atol=0.0)
    assert not torch.equal(rough, whole)


def test_dtype_and_kinds_of_edges(graph):
    torch.manual_seed(0)
    model = GCN(3, 8, 2, 4).eval()
    x = graph.x.float()
    found = jacobian_by_distance(model, x, graph.edge_index)
    assert found.dtype == torch.double
    adj_t = torch.sparse_coo_tensor(
        graph.edge_index.flip(0),
        torch.ones(26),
        (16, 16),
        check_invariants=True,
    ).coalesce()
    torch.testing.assert_close(jacobian_by_distance(model, x, adj_t), found)


def test_output_that_does_not_depend_on_features():
    bias = torch.ones(2, requires_grad=True)

    def constant(x, edge_index):
        return bias.expand(len(x), 2)

    found = jacobian_by_distance(constant, torch.ones(4, 3), CHAIN)
    assert found.tolist() == [0, 0, 0, 0]


def test_without_gradients(graph):
    """Under inference mode as ever; of a network that is, nothing is said."""
    torch.manual_seed(0)
    model, edges = GCN(graph.num_features, 4, 2, 3), graph.edge_index
    x = graph.x.float()
    expected = jacobian_by_distance(model, x, edges)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(jacobian_by_distance(model, x, edges), expected)
            made = x + 0.0
            found = jacobian_by_distance(model, made, edges)
            assert torch.equal(found, expected)
    for asleep in (
        lambda x, edges: model(x, edges).detach(),
        torch.no_grad()(model.forward),
    ):
        with pytest.raises(ValueError, match='must have a gradient'):
            jacobian_by_distance(asleep, x, edges)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_features_that_are_not_finite(graph, value):
    x = graph.x.clone()
    x[3, 0] = value
    found = jacobian_by_distance(lambda x, _: 2.0 * x, x, graph.edge_index)
    assert found.isnan().all()


def test_small_graphs():
    none = torch.empty(2, 0, dtype=torch.long)
    one = jacobian_by_distance(lambda x, _: 2 * x, torch.ones(1, 1), none)
    assert one.tolist() == [2]
    empty = jacobian_by_distance(lambda x, _: x, torch.ones(0, 1), none)
    assert empty.isnan().tolist() == [True]


def test_as_pyg_where_no_degree_counts(graph):
    """Of one channel, where all norms are one, a sum over each distance."""
    influence = pytest.importorskip(
        'torch_geometric.utils.influence', reason='PyG 2.7'
    )
    torch.manual_seed(0)
    convs = [GraphConv(1, 1).double() for _ in range(3)]

    def model(x, edge_index):
        for conv in convs:
            x = conv(x, edge_index)
        return x

    data = Data(x=graph.x[:14, :1], edge_index=graph.edge_index)
    away = hops(data.edge_index, 14)
    total = torch.zeros(5).double()
    for node in range(14):

        class Model(torch.nn.Module):
            def forward(self, x, edge_index):
                return model(x, edge_index)

        total += influence.jacobian_l1_agg_per_hop(
            Model(), data, 4, node, 'cpu'
        )
    count = torch.stack([(away == k).sum() for k in range(5)])
    found = jacobian_by_distance(model, data.x, data.edge_index, 4)
    torch.testing.assert_close(found, total / count)


def test_errors(graph):
    def call(model=lambda x, _: x, **kwargs):
        return jacobian_by_distance(model, graph.x, graph.edge_index, **kwargs)

    with pytest.raises(ValueError, match='max_distance must be at least 0'):
        call(max_distance=-1)
    with pytest.raises(ValueError, match='num_samples must be at most 16'):
        call(num_samples=17)
    with pytest.raises(ValueError, match='num_samples must be at most 2'):
        call(num_samples=3, targets=torch.tensor([4, 5]))
    with pytest.raises(ValueError, match='targets must name nodes from 0'):
        call(targets=torch.tensor([16]))
    with pytest.raises(ValueError, match='num_projections must be at least 1'):
        call(num_projections=0)
    for model in (
        lambda x, _: x[:3],
        lambda x, _: x.sum(),
        lambda x, _: (x, x),
        lambda x, _: x.argmax(1),
    ):
        with pytest.raises(ValueError, match='one for each of the 16 nodes'):
            call(model)
    with pytest.raises(ValueError, match=r'called as model\(x, edge_index\)'):
        call(None)
    with pytest.raises(ValueError, match='nodes from 0 to 3'):
        jacobian_by_distance(lambda x, _: x, graph.x[:4], graph.edge_index)


@pytest.mark.parametrize('scale', [1e-300, 1e-160, 1e160, 1e300])
def test_sizes_whose_squares_are_out_of_range(graph, scale):
    x, edges = graph.x.double(), graph.edge_index
    for projections in (None, 2):
        draw = torch.Generator().manual_seed(0)
        usual = jacobian_by_distance(
            *(lambda x, _: 2.0 * x, x, edges),
            num_projections=projections,
            generator=draw.manual_seed(0),
        )
        found = jacobian_by_distance(
            *(lambda x, _: scale * (2.0 * x), x, edges),
            num_projections=projections,
            generator=draw.manual_seed(0),
        )
        torch.testing.assert_close(found / scale, usual, rtol=1e-12, atol=0)
