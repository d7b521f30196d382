import copy

import pytest
import torch
from torch_geometric.nn import GCNConv
from torch_geometric.transforms import GDC

from pyg_ext.nn import RandomWalkConv
from pyg_ext.nn.conv import random_walk_conv
from pyg_ext.utils import similarity_graph


@pytest.mark.parametrize('method', ['ppr', 'heat', 'walk'])
def test_is_a_convolution_on_similar_nodes(graph, method):
    torch.manual_seed(0)
    options = {'seed': 0}
    conv = RandomWalkConv(5, 3, method, 3, options).double()
    other = GCNConv(5, 3, normalize=False).double()
    other.load_state_dict(conv.state_dict())
    edges = (graph.edge_index, graph.edge_weight)
    new = similarity_graph(*edges, 8, method, 3, seed=0)
    assert torch.allclose(conv(graph.x, *edges), other(graph.x, *new))


def test_one_line_instead_of_gdc(graph):
    """An exact diffusion, then a convolution without normalization."""
    options = {'exact': True, 'symmetric': False}
    conv = RandomWalkConv(5, 3, 'ppr', 4, options).double()
    other = GCNConv(5, 3, normalize=False).double()
    other.load_state_dict(conv.state_dict())
    graph.edge_attr = graph.pop('edge_weight')
    edges = (graph.edge_index, graph.edge_attr)
    sparse = {'method': 'topk', 'k': 4, 'dim': 0}
    gdc = GDC(sparsification_kwargs=sparse)(graph)
    want = other(graph.x, gdc.edge_index, gdc.edge_attr)
    assert torch.allclose(conv(graph.x, *edges), want)


def test_computes_once_for_a_graph(graph, monkeypatch):
    calls = []

    def count(*args, **kwargs):
        calls.append(args)
        return similarity_graph(*args, **kwargs)

    monkeypatch.setattr(random_walk_conv, 'similarity_graph', count)
    conv = RandomWalkConv(5, 3, k=2).double()
    first = conv(graph.x, graph.edge_index)
    assert torch.equal(conv(graph.x, graph.edge_index.clone()), first)
    assert len(calls) == 1
    other = graph.edge_index[:, :8]
    changed = conv(graph.x, other)  # not silently the old edges
    assert not torch.allclose(changed, first)
    fresh = RandomWalkConv(5, 3, k=2).double()
    fresh.load_state_dict(conv.state_dict())
    assert torch.equal(fresh(graph.x, other), changed)
    assert len(calls) == 3
    other[1, 0] = 5  # in place
    conv(graph.x, other)
    conv(graph.x[:7], other)
    assert len(calls) == 5
    conv.reset_parameters()
    conv(graph.x[:7], other)
    assert len(calls) == 6


def test_types_of_features(graph):
    """A kept matrix is one of the type of the features."""
    edges = (graph.edge_index, graph.edge_weight)
    conv = RandomWalkConv(5, 3, k=3)
    single = conv(graph.x.float(), *edges)
    twin = copy.deepcopy(conv)
    assert torch.equal(twin(graph.x.float(), *edges), single)
    fresh = RandomWalkConv(5, 3, k=3).double()
    fresh.load_state_dict(conv.state_dict())
    want = fresh(graph.x, *edges)
    assert torch.equal(conv.double()(graph.x, *edges), want)
    assert torch.allclose(single.double(), want, atol=1e-6)
    for dtype in (torch.bfloat16, torch.float16):
        found = conv.to(dtype)(graph.x.to(dtype), *edges)
        assert found.dtype == dtype
        assert torch.allclose(found.double(), want, atol=0.02)
        with torch.autocast('cpu', dtype):
            found = twin(graph.x.float(), *edges)
        assert torch.allclose(found.double(), want, atol=0.02)
    again = conv.float()(graph.x.float(), *edges)
    assert again.dtype == torch.float


@pytest.mark.parametrize('aggr', ['add', 'mean', 'max'])
def test_more_dimensions(graph, aggr):
    torch.manual_seed(0)
    x = torch.rand(2, 3, 8, 5).double()
    conv = RandomWalkConv(5, 3, k=3, aggr=aggr).double()
    found = conv(x, graph.edge_index)
    assert found.size() == (2, 3, 8, 3)
    for i, j in ((0, 0), (1, 2)):
        assert torch.allclose(found[i, j], conv(x[i, j], graph.edge_index))
    other = RandomWalkConv(5, 3, k=3, aggr=aggr, node_dim=0).double()
    other.load_state_dict(conv.state_dict())
    first = other(x.movedim(2, 0), graph.edge_index)
    assert torch.allclose(first.movedim(0, 2), found)
    plain = GCNConv(5, 3, normalize=False, aggr=aggr).double()
    plain.load_state_dict(conv.state_dict())
    new = similarity_graph(graph.edge_index, torch.ones(17).double(), 8, k=3)
    assert torch.allclose(plain(x[0, 0], *new), found[0, 0])


def test_errors(graph):
    conv = RandomWalkConv(5, 3, 'katz').double()
    with pytest.raises(ValueError, match='method must be one of'):
        conv(graph.x, graph.edge_index)
    conv = RandomWalkConv(5, 3).double()
    for x, text in (
        (graph.x[:, 0], r'got .*\[8\]\)'),
        ((graph.x, graph.x), 'got .*tuple'),
        (graph.x.long(), 'floating point'),
    ):
        with pytest.raises(ValueError, match=f'x must .*{text}'):
            conv(x, graph.edge_index)
    with pytest.raises(ValueError, match='edge_weight must be of shape'):
        conv(graph.x, graph.edge_index, torch.ones(17, 1))
    conv.explain = True
    with pytest.raises(ValueError, match='edges cannot be explained'):
        conv(graph.x, graph.edge_index)
    conv.explain = None
    weight = graph.edge_weight.requires_grad_()
    with pytest.raises(ValueError, match='must be constant'):
        conv(graph.x, graph.edge_index, weight)
