import math

import pytest
import torch
from torch.autograd import gradcheck
from torch_geometric.data import Batch, Data

from pyg_ext.nn import GCN, HyperConnection


def draw(streams, channels=5, nodes=8):
    """A connection with parameters far from the first ones, and inputs."""
    torch.manual_seed(0)
    connection = HyperConnection(channels, streams).double()
    with torch.no_grad():
        for parameter in connection.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    out = torch.randn(nodes, channels, dtype=torch.double)
    states = torch.randn(streams, nodes, channels, dtype=torch.double)
    return connection, out.requires_grad_(), states.requires_grad_()


@torch.no_grad()
def written_out(connection, out, states):
    """The formula, number by number, for each node by itself."""
    n, (nodes, channels) = connection.streams, out.shape
    mixing = connection.mixing.tolist()
    matrix = [
        [math.exp(mixing[s][t] / 0.1) for t in range(n)] for s in range(n)
    ]
    for _ in range(10):
        matrix = [[m / sum(row) for m in row] for row in matrix]
        sums = [sum(column) for column in zip(*matrix, strict=True)]
        matrix = [
            [m / total for m, total in zip(row, sums, strict=True)]
            for row in matrix
        ]
    rows = []
    for s in range(n):
        rows.append([])
        for i in range(nodes):
            cosines = []
            for t in range(n):
                along = sum(
                    states[t, i, c] * connection.weight[c]
                    for c in range(channels)
                )
                square = sum(states[t, i, c] ** 2 for c in range(channels))
                cosines.append(along / square.sqrt())
            own = connection.scale * (sum(cosines) / n).tanh()
            gate = connection.bias[s] + own
            rows[-1].append(
                [
                    sum(matrix[s][t] * states[t, i, c] for t in range(n))
                    + gate * out[i, c]
                    for c in range(channels)
                ]
            )
    return torch.tensor(rows, dtype=torch.double)


@pytest.mark.parametrize('streams', [1, 2, 4])
def test_written_out(streams):
    given = draw(streams)
    assert torch.allclose(given[0](*given[1:]), written_out(*given))


@pytest.mark.parametrize('streams', [1, 2, 4])
def test_gradients(streams):
    connection, out, states = draw(streams)
    assert gradcheck(connection, (out, states))

    def of_parameters(*values):
        named = dict(zip(names, values, strict=True))
        return torch.func.functional_call(connection, named, (out, states))

    names, values = zip(*connection.named_parameters(), strict=True)
    assert gradcheck(of_parameters, values)


@pytest.mark.parametrize('size', [0.0, 0.01, 10.0])
def test_doubly_stochastic(size):
    connection = HyperConnection(5, 4, temperature=1.0, iterations=200)
    torch.manual_seed(0)
    with torch.no_grad():
        connection.mixing.copy_(size * torch.rand(4, 4))
    matrix = connection.doubly_stochastic()
    assert (matrix >= 0.0).all()
    assert torch.allclose(matrix.sum(0), torch.ones(4))
    assert torch.allclose(matrix.sum(1), torch.ones(4), atol=1e-3)


def test_a_state_of_zero_in_half_types():
    for dtype in (torch.half, torch.bfloat16, torch.float):
        layer = HyperConnection(4, 2).to(dtype)
        out = torch.ones(3, 4, dtype=dtype)
        streams = torch.zeros(2, 3, 4, dtype=dtype)
        assert layer(out, streams).isfinite().all()


def test_states_of_zeros():
    """As of a node without features: no number that is none."""
    connection, out, states = draw(2)
    states = torch.zeros_like(states, requires_grad=True)
    connection(out, states).square().sum().backward()
    assert states.grad.isfinite().all()


def network(streams, **kwargs):
    torch.manual_seed(0)
    return GCN(
        *(5, 6, 3, 2),
        skip='hyper',
        streams=streams,
        lin_in=True,
        lin_out=True,
        **kwargs,
    ).double()


@pytest.mark.parametrize('streams', [1, 2, 4])
def test_network_written_out(graph, streams):
    """With dropout of the activation, which eval leaves out."""
    model = network(streams, dropout=0.5, dropout_last=True).eval()
    x = model.lin_in(graph.x).view(8, streams, 6).transpose(0, 1)
    for conv, connection in zip(model.convs, model.connection, strict=True):
        edges = model.prepare(graph.edge_index, None, graph.x)
        x = connection(conv(x.mean(0), *edges).relu(), x)
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, model.lin(x.mean(0)))


def test_mean_of_the_streams_is_a_residual_network(graph):
    """Of any mixing, where the gates of nodes are shut."""
    model = network(4, norm='batch')
    with torch.no_grad():
        for connection in model.connection:
            connection.mixing += torch.randn(4, 4)
            connection.bias += torch.randn(4)
            connection.scale.zero_()
    edges = model.prepare(graph.edge_index, None, graph.x)
    x = model.lin_in(graph.x).view(8, 4, 6).mean(1)
    layers = zip(model.convs, model.norms, model.connection, strict=True)
    for conv, norm, connection in layers:
        x = x + connection.bias.mean() * norm(conv(x, *edges)).relu()
    assert torch.allclose(model(graph.x, graph.edge_index), model.lin(x))


def test_batch(graph):
    """Each graph of a batch as if it were alone."""
    model = network(2, norm='layer').eval()
    one = Data(x=graph.x, edge_index=graph.edge_index)
    two = Data(x=graph.x[:3] + 1, edge_index=graph.edge_index[:, :2])
    both = Batch.from_data_list([one, two])
    out = model(both.x, both.edge_index, batch=both.batch)
    alone = [model(d.x, d.edge_index) for d in (one, two)]
    assert torch.allclose(out, torch.cat(alone))


def test_any_depth(graph):
    model = GCN(
        *(5, 4, 200, 2), skip='hyper', streams=2, lin_in=True, lin_out=True
    ).double()
    model(graph.x, graph.edge_index).square().sum().backward()
    grad = model.convs[0].lin.weight.grad
    assert grad.isfinite().all()
    assert grad.any()


def test_where_dropout_is(graph):
    """Of the activation: a layer without one keeps what it reads."""
    torch.manual_seed(0)
    model = GCN(
        *(5, 6, 2, 2), dropout=0.999, input_dropout=0.0, dropout_last=True
    ).double()
    out = model(graph.x, graph.edge_index)
    model.eval()
    for conv in model.convs:
        torch.nn.init.zeros_(conv.bias)
    none = model.convs[1](torch.zeros(8, 6).double(), graph.edge_index)
    assert torch.allclose(out, none)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'streams': 0}, 'streams must be'),
        ({'iterations': 0}, 'iterations must be'),
        ({'temperature': 0.0}, r'temperature must be positive \(got 0.0\)'),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        HyperConnection(5, **options)


def test_shapes_that_do_not_fit():
    connection, out, states = draw(2)
    for wrong in (states[:1], states[:, 1:], states[..., 1:], states[0]):
        with pytest.raises(ValueError, match='streams must be 2 of the shape'):
            connection(out, wrong)
    assert str(connection) == 'HyperConnection(5, streams=2)'


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'lin_in': True},
        {'lin_out': True},
        {'lin_in': True, 'lin_out': True, 'skip_node': 0.5},
    ],
)
def test_what_streams_need(options):
    with pytest.raises(ValueError, match='"hyper" needs lin_in=True'):
        GCN(5, 6, 3, 2, skip='hyper', **options)


def test_streams_of_nothing():
    with pytest.raises(ValueError, match='streams needs skip="hyper"'):
        GCN(5, 6, 3, 2, streams=2)
    with pytest.raises(ValueError, match='streams must be'):
        network(0)
    with pytest.raises(ValueError, match='no dense or hyper'):
        network(2, virtual_node=True)
