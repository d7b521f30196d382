import pytest
import torch
from torch_geometric.nn import DeepGCNLayer

from pyg_ext.nn import (
    DeeperGCN,
    PowerSumAggregation,
    SoftmaxSumAggregation,
)


def test_equals_pygs_layers(graph):
    """The same network of PyG's DeepGCNLayer, the way its example does."""
    model = DeeperGCN(5, 8, 4, 2, norm='layer').double()
    layers = [
        DeepGCNLayer(block.conv, block.norm, torch.relu, block='res+')
        for block in model.blocks
    ]
    x = model.first(model.lin_in(graph.x), graph.edge_index)
    for layer in layers:
        x = layer(x, graph.edge_index)
    out = model.lin_out(model.norm(x).relu())
    assert torch.allclose(model(graph.x, graph.edge_index), out)


def test_edge_features(graph):
    model = DeeperGCN(5, 8, 3, 2, edge_dim=1, norm=None).double()
    attr = graph.edge_weight.view(-1, 1)
    out = model(graph.x, graph.edge_index, edge_attr=attr)
    other = model(graph.x, graph.edge_index, edge_attr=attr + 1)
    assert not torch.allclose(out, other)


def test_arguments_of_the_convolution():
    model = DeeperGCN(5, 8, 3, 2, aggr='powermean', learn_p=True, p=2.0)
    powers = [n for n, _ in model.named_parameters() if n.endswith('.p')]
    assert len(powers) == 3


def test_as_many_parameters_as_the_leaderboard_states():
    """491,176 on ogbn-arxiv with 28 layers of 128 channels."""
    model = DeeperGCN(128, 128, 28, 40, mlp_layers=1, bias=True)
    assert sum(p.numel() for p in model.parameters()) == 491_176


def test_self_loops(graph):
    model = DeeperGCN(5, 8, 2, 2, add_self_loops=True).double().eval()
    plain = DeeperGCN(5, 8, 2, 2).double().eval()
    plain.load_state_dict(model.state_dict())
    loops = torch.arange(8).expand(2, 8)
    more = torch.cat([graph.edge_index, loops], dim=1)
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(plain(graph.x, more), out)


def test_errors():
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        DeeperGCN(5, 8, 0, 2)
    for norm in ('x', ''):
        with pytest.raises(ValueError, match='norm must be one of'):
            DeeperGCN(5, 8, 1, 2, norm=norm)
    with pytest.raises(ValueError, match='goes behind a convolution'):
        DeeperGCN(5, 8, 1, 2, norm='message')
    for aggr, wrong in (
        ('max', {'t': 0.1}),
        ('powermean', {'learn_t': True}),
        ('softmax', {'p': 2.0}),
        ('softmax', {'learn_p': True}),
    ):
        with pytest.raises(ValueError, match=f'need aggr=.*got .{aggr}'):
            DeeperGCN(5, 8, 2, 2, aggr=aggr, **wrong)


@pytest.mark.parametrize('batch', [[0], [0] * 7 + [-1], [0.0] * 8])
def test_graphs_that_are_none(graph, batch):
    model = DeeperGCN(5, 8, 2, 2).double()
    with pytest.raises(ValueError, match='batch must'):
        model(graph.x, graph.edge_index, batch=torch.tensor(batch))


@pytest.mark.parametrize(
    ('aggr', 'cls'),
    [
        ('softmax_sum', SoftmaxSumAggregation),
        ('power_sum', PowerSumAggregation),
    ],
)
def test_sums_by_name(graph, aggr, cls):
    torch.manual_seed(0)
    model = DeeperGCN(5, 8, 2, 2, aggr=aggr, y=0.5, learn_y=True).double()
    kinds = [conv.aggr_module for conv in (model.first, model.blocks[0].conv)]
    assert [type(kind) for kind in kinds] == [cls, cls]
    assert kinds[0].y is not kinds[1].y
    model(graph.x, graph.edge_index).sum().backward()
    assert all(kind.y.grad != 0.0 for kind in kinds)
    with pytest.raises(ValueError, match='y and learn_y need aggr'):
        DeeperGCN(5, 8, 2, 2, y=1.0)
