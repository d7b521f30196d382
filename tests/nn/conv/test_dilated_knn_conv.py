import pytest
import torch
from torch.nn import Linear
from torch_geometric.nn import EdgeConv, SAGEConv, SumAggregation

from pyg_ext.nn import DilatedKNNConv, DynamicEdgeConv, MRConv
from pyg_ext.utils import dilated_knn_graph

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
BATCH = torch.tensor([0] * 15 + [1] * 25)


@pytest.mark.parametrize('dilation', [1, 3])
@pytest.mark.parametrize('loop', [True, False])
def test_is_edge_conv_on_the_dilated_graph(dilation, loop):
    conv = DilatedKNNConv(3, 4, 5, dilation, loop=loop)
    assert isinstance(conv.conv, EdgeConv)
    edges = dilated_knn_graph(X, 5, dilation, BATCH, loop)
    pyg = EdgeConv(conv.conv.nn)
    assert torch.equal(conv(X, BATCH), pyg(X, edges))
    assert torch.equal(conv(X, BATCH, edges), pyg(X, edges))


def test_is_dynamic_edge_conv():
    conv = DilatedKNNConv(3, 4, 5)
    other = DynamicEdgeConv(conv.conv.nn, 5)
    assert torch.equal(conv(X, BATCH), other(X, BATCH))


def test_max_relative_and_any_other():
    conv = DilatedKNNConv(3, 4, 5, 2, 'mr')
    edges = dilated_knn_graph(X, 5, 2, None, True)
    assert isinstance(conv.conv, MRConv)
    assert torch.equal(conv(X), conv.conv(X, edges))
    conv = DilatedKNNConv(3, 4, 5, 2, SAGEConv)
    assert torch.equal(conv(X), conv.conv(X, edges))


def test_bipartite():
    conv = DilatedKNNConv(3, 4, 2)
    x = (X, X[[3, 30]])
    out = conv(x, (BATCH, BATCH[[3, 30]]))
    assert torch.allclose(out, conv(X, BATCH)[[3, 30]])
    alone = DilatedKNNConv(3, 4, 2, loop=False)
    with pytest.raises(ValueError, match='exclude_self needs y to be x'):
        alone(x)


def test_stochastic_in_training_alone():
    conv = DilatedKNNConv(3, 4, 3, 4, stochastic=True, epsilon=0.5)
    torch.manual_seed(0)
    first, second = conv(X), conv(X)
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(conv(X), first)
    conv.eval()
    edges = dilated_knn_graph(X, 3, 4, None, True)
    assert torch.equal(conv(X), conv(X, None, edges))


@pytest.mark.parametrize('conv', ['edge', 'mr', SAGEConv])
def test_few_points(conv):
    layer = DilatedKNNConv(3, 4, 2**30, 2, conv)
    assert layer(X[:0]).size() == (0, 4)
    assert layer((X, X[:0])).size() == (0, 4)
    edges = dilated_knn_graph(X[:3], 3, loop=True)
    assert torch.equal(layer(X[:3]), layer.conv(X[:3], edges))
    assert layer(X[:1]).size() == (1, 4)


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_half_types(dtype):
    layer = DilatedKNNConv(3, 4, 5).to(dtype)
    x = X.to(dtype)
    edges = dilated_knn_graph(x, 5, 1, BATCH, True)
    assert torch.equal(layer(x, BATCH), layer.conv(x, edges))


def test_autocast():
    layer = DilatedKNNConv(3, 4, 5)
    edges = dilated_knn_graph(X, 5, 1, BATCH, True)
    with torch.autocast('cpu', torch.bfloat16):
        out = layer(X, BATCH)
        assert torch.equal(out, layer.conv(X, edges))
    assert out.dtype == torch.bfloat16


def test_arguments_reach_the_convolution():
    layer = DilatedKNNConv(3, 4, 5, aggr='mean')
    pyg = EdgeConv(layer.conv.nn, aggr='mean')
    edges = dilated_knn_graph(X, 5, 1, BATCH, True)
    assert torch.equal(layer(X, BATCH), pyg(X, edges))
    with pytest.raises(ValueError, match=r'flow must be .*target_to_source'):
        DilatedKNNConv(3, 4, 5, flow='target_to_source')


ARGUMENTS = {
    r'x must be finite numbers .*row 0': (X * torch.nan,),
    r'batch must be of shape \[40\].*\[3\]': (X, BATCH[:3]),
    r'batch must name graphs from 0 on': (X, -BATCH),
    r'batch must hold .* as integers': (X, BATCH.float()),
    r'from 0 to 39 \(got 40\)': (X, None, torch.tensor([[0], [40]])),
    r'from 0 to 39 \(got -1\)': (X, None, torch.tensor([[-1], [0]])),
    r'from 0 to 1 \(got 2\)': (*((X, X[:2]), None, torch.tensor([[3], [2]])),),
}


@pytest.mark.parametrize('message', ARGUMENTS)
def test_arguments_that_do_not_fit(message):
    with pytest.raises(ValueError, match=message):
        DilatedKNNConv(3, 4, 5)(*ARGUMENTS[message])


def deaf(in_channels, out_channels, **kwargs):
    """A convolution that looks at none of its arguments."""
    return SAGEConv(in_channels, out_channels)


@pytest.mark.parametrize('aggr', ['max', SumAggregation()])
def test_aggregations_that_no_one_follows(aggr):
    with pytest.raises(ValueError, match=r"SAGEConv .* has aggr='mean'"):
        DilatedKNNConv(3, 4, 5, conv=deaf, aggr=aggr)
    assert DilatedKNNConv(3, 4, 5, conv=SAGEConv, aggr=aggr)(X).size(1) == 4
    with pytest.raises(ValueError, match='aggr must be'):
        DilatedKNNConv(3, 4, 5, conv='mr', aggr='mean')
    with pytest.raises(ValueError, match=r'Linear .* has aggr=None'):
        DilatedKNNConv(3, 4, 5, conv=lambda *a, aggr: Linear(3, 4), aggr=aggr)


def test_errors():
    with pytest.raises(ValueError, match=r'epsilon goes with stochastic'):
        DilatedKNNConv(3, 4, 5, epsilon=0.5)
    with pytest.raises(ValueError, match=r'epsilon must be .*got 2'):
        DilatedKNNConv(3, 4, 5, epsilon=2)
    with pytest.raises(ValueError, match=r"conv must be one of .*got 'gcn'"):
        DilatedKNNConv(3, 4, 5, conv='gcn')
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        DilatedKNNConv(3, 4, 5, 0)
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        DilatedKNNConv(3, 4, 0)
