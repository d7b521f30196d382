import copy

import pytest
import torch
from torch.nn import LayerNorm
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch, Data
from torch_geometric.nn import MedianAggregation
from torch_geometric.utils import to_undirected

from pyg_ext.nn import GAT, GCN, GIN, DeeperGCN, GraphSAGE, PoolNet
from pyg_ext.utils import gcn_adj

POOLS = ('mean', 'sum', 'max', 'attention', 'set2set', 'topk', 'sag')
ALL = (*POOLS, 'diffpool')


def graphs() -> list[Data]:
    draw = torch.Generator().manual_seed(0)
    out = []
    for size in (9, 2, 14):
        edges = torch.randint(size, (2, 2 * size), generator=draw)
        x = torch.randn(size, 5, generator=draw).double()
        out.append(Data(x=x, edge_index=to_undirected(edges, num_nodes=size)))
    return out


def build(pool, model=GCN, num_layers=6, **kwargs):
    torch.manual_seed(0)
    net = PoolNet(model, 5, 8, num_layers, 2, pool=pool, **kwargs)
    return net.double()


@pytest.mark.parametrize('pool', ALL)
@pytest.mark.parametrize('num_layers', [2, 3, 6])
def test_a_batch_is_its_graphs_one_by_one(pool, num_layers):
    model, some = build(pool, num_layers=num_layers).eval(), graphs()
    batch = Batch.from_data_list(some)
    out, losses = model(
        batch.x, batch.edge_index, batch=batch.batch, return_losses=True
    )
    single = [model(g.x, g.edge_index, return_losses=True) for g in some]
    assert out.shape == (3, 2)
    assert torch.allclose(out, torch.cat([s[0] for s in single]))
    assert torch.allclose(losses, sum(s[1] for s in single) / 3)
    assert bool(losses > 0) == (pool == 'diffpool')


@pytest.mark.parametrize('pool', ALL)
def test_order_of_nodes_does_not_count(pool):
    model, data = build(pool).eval(), graphs()[0]
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    out = model(data.x, data.edge_index)
    moved = model(data.x[order], order.argsort()[data.edge_index])
    assert torch.allclose(out, moved)
    other = model(data.x, data.edge_index[:, 4:])
    assert not torch.allclose(out, other)


@pytest.mark.parametrize('pool', ALL)
def test_gradients_and_parameters_drawn_anew(pool):
    model, data = build(pool), graphs()[2]
    out, losses = model(data.x, data.edge_index, return_losses=True)
    (out.sum() + losses).backward()
    assert all(p.grad is not None for p in model.parameters())
    before = copy.deepcopy(model.state_dict())
    other = copy.deepcopy(model)
    for each in (model, other):
        torch.manual_seed(1)
        each.reset_parameters()
    for key, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])
    weights = [k for k in before if before[k].dim() > 1]
    assert not any(
        torch.equal(before[k], model.state_dict()[k]) for k in weights
    )


@pytest.mark.parametrize('num_layers', [2, 3, 5, 8, 32])
def test_layers_fall_into_stages(num_layers):
    net = build('sag', num_layers=num_layers, num_pools=3)
    depths = [stage.num_layers for stage in net.stages]
    assert sum(depths) == num_layers
    assert len(depths) == min(4, num_layers)
    assert depths == sorted(depths, reverse=True)
    assert depths[0] - depths[-1] <= 1


@pytest.mark.parametrize('option', [{'norm': 'layer'}, {'skip': 'res'}])
@pytest.mark.parametrize('pool', ['mean', 'sag', 'diffpool'])
def test_no_option_is_without_effect(option, pool):
    """Also where a stage is short: all its convolutions are hidden ones."""
    data, outs = graphs()[0], []
    for options in ({}, option):
        torch.manual_seed(0)
        how = {} if pool == 'mean' else {'num_pools': 1}
        net = PoolNet(GCN, 5, 8, 4, 2, pool=pool, **how, **options)
        net = net.double().eval()
        outs.append(net(data.x, data.edge_index))
    assert not torch.allclose(*outs)


def test_a_norm_for_each_convolution():
    net = PoolNet(GCN, 5, 8, 2, 2, pool='sag', norm='layer')
    assert sum(isinstance(m, LayerNorm) for m in net.modules()) == 2


def test_clusters():
    net = build('diffpool', num_pools=2, clusters=10, ratio=0.25)
    assert [pool.model.out_channels for pool in net.pools] == [10, 3]


@pytest.mark.parametrize('model', [GCN, GAT, GraphSAGE, GIN])
@pytest.mark.parametrize('pool', ALL)
def test_models(model, pool):
    if pool == 'diffpool' and model in (GAT, GIN):
        with pytest.raises(ValueError, match=r'which .* does not know'):
            build(pool, model)
        return
    net = build(pool, model, skip='res', norm='batch').eval()
    assert net(graphs()[0].x, graphs()[0].edge_index).shape == (1, 2)


@pytest.mark.parametrize('pool', ['sum', 'topk'])
def test_features_and_weights_of_edges(pool):
    data = graphs()[2]
    attr = torch.rand(data.num_edges, 3).double()
    net = build(pool, DeeperGCN, edge_dim=3).eval()
    out = net(data.x, data.edge_index, edge_attr=attr)
    assert not torch.allclose(
        out, net(data.x, data.edge_index, edge_attr=attr.flip(0))
    )
    net = build(pool).eval()
    weight = torch.rand(data.num_edges).double()
    assert not torch.allclose(
        net(data.x, data.edge_index, weight), net(data.x, data.edge_index)
    )


def test_matrix_and_aggregation_of_ones_own():
    data = graphs()[2]
    adj = gcn_adj(data.edge_index, num_nodes=14, dtype=torch.double)
    for pool in ('sum', MedianAggregation()):
        net = build(pool).eval()
        assert torch.allclose(net(data.x, data.edge_index), net(data.x, adj))
    with pytest.raises(ValueError, match=r"'sag' needs edge_index, \[2, E\]"):
        build('sag')(data.x, adj)


def test_graphs_without_nodes():
    data = graphs()[0]
    batch = torch.ones(9, dtype=torch.long)
    for pool in ALL:
        net = build(pool).eval()
        out = net(data.x, data.edge_index, batch=batch, batch_size=3)
        assert out.shape == (3, 2)
        assert bool(out.isfinite().all()), pool


def test_errors():
    with pytest.raises(ValueError, match=r"must be one of mean, sum, .* 'x'"):
        build('x')
    with pytest.raises(ValueError, match='at least 2'):
        build('topk', num_layers=1)
    with pytest.raises(ValueError, match=r'ratio must be in \(0, 1\]'):
        build('topk', ratio=0.0)
    for pool, option in (
        ('mean', {'num_pools': 1}),
        ('sum', {'ratio': 0.5}),
        ('sag', {'clusters': 3}),
    ):
        with pytest.raises(ValueError, match=r'has no effect with pool='):
            build(pool, **option)
    data = graphs()[0]
    wrong = {'batch': torch.arange(9).flip(0)}, {'batch_size': 0}
    for pool in ('mean', 'diffpool'):
        for given in wrong:
            with pytest.raises(ValueError, match=r'batch'):
                build(pool)(data.x, data.edge_index, **given)


@pytest.mark.parametrize('pool', ALL)
def test_kinds_of_edges_and_no_nodes(pool):
    net, data = build(pool).eval(), graphs()[2]
    out = net(data.x, data.edge_index)
    assert torch.equal(out, net(data.x, data.edge_index.int()))
    edges = EdgeIndex(data.edge_index, sparse_size=(14, 14))
    assert torch.allclose(out, net(data.x, edges))
    nothing = net(data.x[:0], data.edge_index[:, :0], batch_size=2)
    assert nothing.shape == (2, 2)
    assert bool(nothing.isfinite().all())


def test_out_channels_of_the_hidden_ones():
    assert PoolNet(GCN, 5, 8, 3).out_channels == 8


@pytest.mark.parametrize(
    ('pool', 'expected'),
    [
        ('mean', [[2.0, 3.0]]),
        ('sum', [[4.0, 6.0]]),
        ('max', [[3.0, 5.0]]),
    ],
)
def test_readouts(pool, expected):
    net = build(pool)
    assert len(net.pools) == 0
    x = torch.tensor([[1.0, 1.0], [3.0, 5.0]])
    out = net.readout(x, torch.tensor([0, 0]), dim_size=1)
    assert out.tolist() == expected


def test_repr():
    expected = 'PoolNet(GCN, 5, 2, num_layers=6, pool=sag)'
    assert str(build('sag')) == expected
