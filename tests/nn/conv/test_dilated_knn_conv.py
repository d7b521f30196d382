import pytest
import torch
import torch_geometric.typing
from torch_geometric.nn import DynamicEdgeConv, EdgeConv, SAGEConv

from pyg_ext.nn import DilatedKNNConv, MRConv
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


@pytest.mark.skipif(
    not torch_geometric.typing.WITH_KNN, reason='PyG has no k-NN here'
)
def test_is_dynamic_edge_conv():
    conv = DilatedKNNConv(3, 4, 5)
    pyg = DynamicEdgeConv(conv.conv.nn, 5)
    assert torch.allclose(conv(X, BATCH), pyg(X, BATCH))


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


def test_errors():
    with pytest.raises(ValueError, match=r"conv must be one of .*got 'gcn'"):
        DilatedKNNConv(3, 4, 5, conv='gcn')
    with pytest.raises(ValueError, match=r'at least 1 \(got 5 and 0\)'):
        DilatedKNNConv(3, 4, 5, 0)
    with pytest.raises(ValueError, match=r'at least 1 \(got 0 and 1\)'):
        DilatedKNNConv(3, 4, 0)
