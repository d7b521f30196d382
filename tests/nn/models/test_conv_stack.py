import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GATConv, GCNConv

import pyg_ext.nn
from pyg_ext.nn import (
    GCN,
    GIN,
    ConvStack,
    DeeperGCN,
    GradientGating,
    RevGNN,
)
from pyg_ext.utils import CSRTensor, gcn_adj


class GAT(ConvStack):
    def init_conv(self, in_channels, out_channels, last):
        return GATConv(in_channels, out_channels)


def stock(model):
    """PyG's layers with the weights of ours."""
    convs = []
    for conv in model.convs:
        out = GCNConv(conv.in_channels, conv.out_channels).double()
        out.load_state_dict(conv.state_dict())
        convs.append(out)
    return convs


def test_plain_equals_pyg(graph):
    model = GCN(5, 16, 4, 3).double()
    x = graph.x
    for i, conv in enumerate(stock(model)):
        x = conv(x, graph.edge_index, graph.edge_weight)
        x = x.relu() if i < 3 else x
    out = model(graph.x, graph.edge_index, graph.edge_weight)
    assert torch.allclose(out, x)


def test_residual(graph):
    model = GCN(5, 16, 4, 3, skip='res').double()
    first, second, third, last = stock(model)
    edges = graph.edge_index
    h = first(graph.x, edges).relu()
    h = second(h, edges).relu() + h
    h = third(h, edges).relu() + h
    assert torch.allclose(model(graph.x, edges), last(h, edges))


def test_dense(graph):
    model = GCN(5, 16, 4, 3, skip='dense', growth=6).double()
    widths = [(c.in_channels, c.out_channels) for c in model.convs]
    assert widths == [(5, 16), (16, 6), (22, 6), (28, 3)]
    first, second, third, last = stock(model)
    edges = graph.edge_index
    h = first(graph.x, edges).relu()
    h = torch.cat([h, second(h, edges).relu()], dim=-1)
    h = torch.cat([h, third(h, edges).relu()], dim=-1)
    assert torch.allclose(model(graph.x, edges), last(h, edges))


@pytest.mark.parametrize('jk', ['cat', 'max', 'lstm'])
@pytest.mark.parametrize('skip', [None, 'res'])
def test_jumping_knowledge(graph, jk, skip):
    model = GCN(5, 16, 3, 3, jk=jk, skip=skip).double()
    states = []
    h = graph.x
    for i, conv in enumerate(stock(model)):
        out = conv(h, graph.edge_index).relu()
        h = out + h if skip and i > 0 else out
        states.append(h)
    joined = {
        'cat': lambda: torch.cat(states, dim=-1),
        'max': lambda: torch.stack(states).amax(0),
        'lstm': lambda: model.jk(states),
    }[jk]()
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, model.lin(joined))


@pytest.mark.parametrize('num_layers', [1, 2])
@pytest.mark.parametrize('skip', [None, 'res', 'dense'])
def test_shallow(graph, num_layers, skip):
    model = GCN(5, 16, num_layers, 3, skip=skip).double()
    assert model(graph.x, graph.edge_index).size() == (8, 3)
    assert len(model.convs) == num_layers


def test_any_convolution(graph):
    model = GAT(5, 16, 3, 2, skip='res', dropout=0.5).double()
    assert model(graph.x, graph.edge_index).size() == (8, 2)


def test_sparse_features_and_shared_adjacency_give_the_same(graph):
    x = graph.x * (graph.x > 0.6)
    model = GCN(5, 16, 8, 3, skip='res').double()
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    results = []
    for inputs in (
        (x, graph.edge_index),
        (CSRTensor.from_dense(x), adj),
    ):
        model.zero_grad()
        out = model(*inputs)
        out.square().sum().backward()
        results.append([out, *(p.grad.clone() for p in model.parameters())])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10)


def test_errors(graph):
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        GCN(5, 16, 0, 3)
    with pytest.raises(
        ValueError, match=r"skip must be one of .* \(got 'sum'"
    ):
        GCN(5, 16, 2, 3, skip='sum')
    with pytest.raises(ValueError, match=r'DropEdge\(0.5\) \(got 0.5\)'):
        GCN(5, 8, 2, 3, drop_edges=0.5)
    with pytest.raises(ValueError, match='growth needs skip="dense"'):
        GCN(5, 16, 2, 3, growth=4)
    with pytest.raises(ValueError, match='hand all layers'):
        GCN(5, 16, 2, 3, skip='dense', jk='cat')
    with pytest.raises(TypeError, match='ConvStack must define init_conv'):
        ConvStack(5, 16, 2, 3)
    adj = gcn_adj(graph.edge_index, num_nodes=8)
    with pytest.raises(ValueError, match='give no edge_weight'):
        GCN(5, 16, 2, 3)(graph.x, adj, graph.edge_weight)


def layers(model, graph):
    """PyG's layers of the model, each as a function of the features."""
    return [
        lambda x, conv=conv: conv(x, graph.edge_index).relu()
        for conv in stock(model)
    ]


def test_mixed_residual(graph):
    model = GCN(5, 16, 3, 3, skip='residual', alpha=0.3, lin_out=True).double()
    first, second, third = layers(model, graph)
    h = first(graph.x)
    h = 0.7 * second(h) + 0.3 * h
    h = 0.7 * third(h) + 0.3 * h
    assert torch.allclose(model(graph.x, graph.edge_index), model.lin(h))


def test_initial_connection(graph):
    options = {'skip': 'initial', 'alpha': 0.3, 'lin_in': True}
    model = GCN(5, 16, 3, 3, **options).double()
    first, second, _ = layers(model, graph)
    start = model.lin_in(graph.x).relu()
    h = 0.7 * first(start) + 0.3 * start
    h = 0.7 * second(h) + 0.3 * start
    last = stock(model)[-1](h, graph.edge_index)
    assert torch.allclose(model(graph.x, graph.edge_index), last)


def test_linear_ends_with_jumping_knowledge(graph):
    model = GCN(5, 16, 2, 3, jk='cat', lin_in=True).double()
    first, second = layers(model, graph)
    start = model.lin_in(graph.x).relu()
    states = [start, first(start), second(first(start))]
    out = model.lin(torch.cat(states, dim=-1))
    assert torch.allclose(model(graph.x, graph.edge_index), out)


def test_dense_connections_with_linear_ends(graph):
    options = {'skip': 'dense', 'growth': 4, 'lin_in': True, 'lin_out': True}
    model = GCN(5, 16, 3, 3, **options).double()
    widths = [(c.in_channels, c.out_channels) for c in model.convs]
    assert widths == [(16, 4), (20, 4), (24, 4)]
    assert model.lin.in_features == 28
    assert model(graph.x, graph.edge_index).size() == (8, 3)


def test_gating(graph):
    model = GCN(5, 16, 3, 3, skip='gate').double()
    first, second, _ = layers(model, graph)
    gate = GradientGating(GCNConv(16, 16)).double()
    gate.load_state_dict(model.connection.state_dict())
    h = first(graph.x)
    h = gate(second(h), h, graph.edge_index)
    last = stock(model)[-1](h, graph.edge_index)
    assert torch.allclose(model(graph.x, graph.edge_index), last)


def test_norm_comes_before_the_activation(graph):
    model = GCN(5, 16, 3, 3, norm='pair', norm_kwargs={'scale': 2.0}).double()
    h = graph.x
    *hidden, last = stock(model)
    for conv, norm in zip(hidden, model.norms, strict=True):
        h = norm(conv(h, graph.edge_index)).relu()
    out = last(h, graph.edge_index)
    assert torch.allclose(model(graph.x, graph.edge_index), out)
    assert model.norms[0].scale == 2.0


def test_message_norm_sees_the_input(graph):
    options = {'norm': 'message', 'lin_in': True, 'lin_out': True}
    model = GCN(5, 16, 1, 3, **options).double()
    start = model.lin_in(graph.x).relu()
    h = model.norms[0](start, stock(model)[0](start, graph.edge_index))
    out = model.lin(h.relu())
    assert torch.allclose(model(graph.x, graph.edge_index), out)


def test_all_nodes_skip_all_layers(graph):
    options = {'skip_node': 1.0, 'lin_in': True, 'lin_out': True}
    model = GCN(5, 16, 6, 3, **options).double()
    start = model.lin_in(graph.x).relu()
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, model.lin(start))
    again = model.eval()(graph.x, graph.edge_index)
    assert not torch.allclose(again, out)


def test_dropout_of_the_input_alone(graph):
    model = GCN(5, 16, 2, 3, dropout=0.0, input_dropout=1.0).double()
    empty = model(torch.zeros_like(graph.x), graph.edge_index)
    assert torch.allclose(model(graph.x, graph.edge_index), empty)
    model = GCN(5, 16, 2, 3, dropout=1.0, input_dropout=0.0).double()
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, model.convs[1].bias.expand(8, -1))


def test_message_dropout_needs_messages(graph):
    model = GCN(5, 16, 2, 3, message_dropout=0.5).double()
    first, second = (model(graph.x, graph.edge_index) for _ in range(2))
    assert not torch.allclose(first, second)
    with pytest.raises(ValueError, match='DropMessage needs edge indices'):
        model(graph.x, gcn_adj(graph.edge_index, num_nodes=8))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'skip': 'initial'}, r"need lin_in=True.*skip='initial'"),
        ({'norm': 'message'}, r"need lin_in=True.*norm='message'"),
        ({'norm': 'x'}, "norm must be one of.*'x'"),
        ({'alpha': 0.5}, r'alpha needs skip="residual" or "initial"'),
        ({'norm_kwargs': {'p': 2}}, 'norm_kwargs needs a norm'),
        ({'skip': 'dense', 'skip_node': 0.5}, 'cannot skip a layer of dense'),
    ],
)
def test_errors_of_remedies(options, message):
    with pytest.raises(ValueError, match=message):
        GCN(5, 16, 3, 3, **options)


@pytest.mark.parametrize('model', [GCN, GIN, pyg_ext.nn.GAT])
def test_edge_features(graph, model):
    net = model(5, 8, 3, 2, edge_dim=3, skip='res').double().eval()
    attr = torch.rand(17, 3).double()
    out = net(graph.x, graph.edge_index, edge_attr=attr)
    other = net(graph.x, graph.edge_index, edge_attr=attr + 1)
    assert not torch.allclose(out, other)
    out.sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    with pytest.raises(ValueError, match=r'edge_dim, which is 3 \(got edge'):
        net(graph.x, graph.edge_index)
    net = model(5, 8, 3, 2).double()
    with pytest.raises(ValueError, match=r'is None .* shape \(17, 3\)'):
        net(graph.x, graph.edge_index, edge_attr=attr)


@pytest.mark.parametrize(
    'model',
    [
        GCN(5, 8, 2, 2, edge_dim=3),
        DeeperGCN(5, 8, 2, 2, edge_dim=3),
        RevGNN(5, 8, 2, 2, edge_dim=3, conv='gen'),
    ],
)
def test_edge_features_need_their_order(graph, model):
    adj = gcn_adj(graph.edge_index, num_nodes=8)
    with pytest.raises(ValueError, match='edges in another order'):
        model(graph.x.float(), adj, edge_attr=torch.rand(17, 3))


@pytest.mark.parametrize('norm', ['pair', 'pair-si', 'pair-scs', 'mean'])
def test_norms_of_many_graphs_see_one_at_a_time(graph, norm):
    net = GCN(5, 8, 3, 2, norm=norm).double()
    other = Data(x=graph.x[:3] + 1, edge_index=graph.edge_index[:, :2])
    one = Data(x=graph.x, edge_index=graph.edge_index)
    two = Batch.from_data_list([one, other])
    alone = net(graph.x, graph.edge_index)
    out = net(two.x, two.edge_index, batch=two.batch)
    assert torch.allclose(out[:8], alone)
