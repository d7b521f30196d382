import copy
import inspect

import pytest
import torch
import torch_geometric.nn
import torch_geometric.typing
from torch.nn import Linear, ReLU, Sequential
from torch_geometric.nn import EdgeConv

from pyg_ext.nn import DynamicEdgeConv
from pyg_ext.utils import knn, knn_graph

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
BATCH = torch.tensor([0] * 15 + [1] * 25)


def network():
    torch.manual_seed(0)
    return Sequential(Linear(6, 8), ReLU(), Linear(8, 4))


def test_signature_and_keys_of_pyg():
    pyg = torch_geometric.nn.DynamicEdgeConv
    for method in ('__init__', 'forward'):
        ours, theirs = (
            [
                (p.name, p.default, p.kind)
                for p in inspect.signature(
                    getattr(c, method)
                ).parameters.values()
            ]
            for c in (DynamicEdgeConv, pyg)
        )
        assert ours == theirs
    assert [*DynamicEdgeConv(network(), 5).state_dict()] == [
        *('nn.0.weight', 'nn.0.bias', 'nn.2.weight', 'nn.2.bias')
    ]


@pytest.mark.parametrize('aggr', ['max', 'mean', 'add', 'softmax'])
@pytest.mark.parametrize('k', [1, 5, 100])
def test_is_edge_conv_on_the_nearest(aggr, k):
    conv = DynamicEdgeConv(network(), k, aggr)
    pyg = EdgeConv(conv.nn, aggr)
    edges = knn_graph(X, k, BATCH, loop=True)
    assert torch.equal(conv(X, BATCH), pyg(X, edges))
    edges = knn_graph(X, k, loop=True)
    assert torch.equal(conv(X), pyg(X, edges))


@pytest.mark.skipif(
    not getattr(torch_geometric.typing, 'WITH_KNN', False),
    reason='PyG has no k-NN here',
)
def test_is_that_of_pyg():
    conv = DynamicEdgeConv(network(), 5)
    pyg = torch_geometric.nn.DynamicEdgeConv(conv.nn, 5)
    assert torch.allclose(conv(X, BATCH), pyg(X, BATCH))


def test_bipartite():
    conv = DynamicEdgeConv(network(), 3)
    pyg = EdgeConv(conv.nn)  # draws the parameters anew
    y, batch_y = X[::4] + 0.1, BATCH[::4]
    edges = knn(X, y, 3, BATCH, batch_y).flip(0)
    out = pyg((X, y), edges)
    assert torch.equal(conv((X, y), (BATCH, batch_y)), out)
    edges = knn(X, y, 3).flip(0)
    assert torch.equal(conv((X, y)), pyg((X, y), edges))


def test_gradients_reach_points_and_network():
    conv = DynamicEdgeConv(network(), 5)
    x = X.clone().requires_grad_()
    conv(x, BATCH).sum().backward()
    assert bool(x.grad.abs().sum() > 0)
    assert all(p.grad is not None for p in conv.parameters())


def test_few_points():
    conv = DynamicEdgeConv(network(), 5)
    assert conv(X[:0]).size() == (0, 4)
    assert conv(X[:1]).size() == (1, 4)
    assert conv((X, X[:0])).size() == (0, 4)


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_half_types(dtype):
    conv, x = DynamicEdgeConv(network(), 5).to(dtype), X.to(dtype)
    pyg = EdgeConv(conv.nn)
    edges = knn_graph(x, 5, BATCH, loop=True)
    assert torch.equal(conv(x, BATCH), pyg(x, edges))


def test_copy_reset_and_repr():
    conv = DynamicEdgeConv(network(), 5)
    other = copy.deepcopy(conv)
    assert torch.equal(other(X, BATCH), conv(X, BATCH))
    for module in (conv, other):
        torch.manual_seed(0)
        module.reset_parameters()
    assert torch.equal(other.nn[0].weight, conv.nn[0].weight)
    small = DynamicEdgeConv(Linear(6, 4), 5)
    assert repr(small) == (
        'DynamicEdgeConv(nn=Linear(in_features=6, out_features=4, bias=True), '
        'k=5)'
    )


ERRORS = {
    r'k must be at least 1 \(got 0\)': {'k': 0},
    r'k must be an integer \(got 1.5\)': {'k': 1.5},
    r'num_workers must be 1, .*\(got 4\)': {'num_workers': 4},
    r'flow must be .*target_to_source': {'flow': 'target_to_source'},
}


@pytest.mark.parametrize('message', ERRORS)
def test_errors(message):
    with pytest.raises(ValueError, match=message):
        DynamicEdgeConv(**{'nn': network(), 'k': 5} | ERRORS[message])


INPUTS = {
    r'x must be finite numbers .*row 0': (X * torch.nan,),
    r'x must be floating point .*\[2, 20, 3\]': (X.view(2, 20, 3),),
    r'batch must be of shape \[40\].*\[3\]': (X, BATCH[:3]),
    r'batch must name graphs from 0 on': (X, -BATCH),
}


@pytest.mark.parametrize('message', INPUTS)
def test_inputs_that_do_not_fit(message):
    with pytest.raises(ValueError, match=message):
        DynamicEdgeConv(network(), 5)(*INPUTS[message])
