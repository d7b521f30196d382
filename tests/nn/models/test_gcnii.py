import math

import pytest
import torch
from torch_geometric.nn import APPNP
from torch_geometric.utils import to_dense_adj

from pyg_ext.nn import GCNII


@pytest.mark.parametrize('shared_weights', [True, False])
def test_equals_the_formula(graph, shared_weights):
    model = GCNII(
        *(5, 8, 3, 2), alpha=0.2, theta=0.5, shared_weights=shared_weights
    ).double()
    a = to_dense_adj(graph.edge_index)[0].double()
    a = a.new_zeros(8, 8).index_put_(
        (graph.edge_index[1], graph.edge_index[0]), a.new_ones(())
    )
    a.fill_diagonal_(1.0)
    scale = a.sum(1).rsqrt()
    p = scale[:, None] * a * scale
    h = h0 = model.lin_in(graph.x).relu()
    for layer, conv in enumerate(model.convs, 1):
        beta = math.log(0.5 / layer + 1)
        smooth, initial = 0.8 * p @ h, 0.2 * h0
        if shared_weights:
            mixed = smooth + initial
            h = (1 - beta) * mixed + beta * mixed @ conv.weight1
        else:
            h = (1 - beta) * (smooth + initial) + beta * (
                smooth @ conv.weight1 + initial @ conv.weight2
            )
        h = h.relu()
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, model.lin_out(h))


def test_error():
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        GCNII(5, 8, 0, 2)


@pytest.mark.parametrize('depth', [1, 8])
def test_static_is_page_rank_between_two_layers(graph, depth):
    model = GCNII(5, 8, depth, 2, alpha=0.2, static=True).double()
    assert len([*model.parameters()]) == 4
    spread = APPNP(depth, 0.2)
    h = spread(model.lin_in(graph.x).relu(), graph.edge_index)
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, model.lin_out(h))


def test_static_is_without_weights(graph):
    """What remains of the whole network where they do not count."""
    whole = GCNII(5, 8, 4, 2, theta=0.0).double()
    model = GCNII(5, 8, 4, 2, static=True).double()
    model.load_state_dict(whole.state_dict(), strict=False)
    edges = graph.edge_index, graph.edge_weight
    assert torch.allclose(model(graph.x, *edges), whole(graph.x, *edges))


@pytest.mark.parametrize('other', [{'theta': 0.5}, {'shared_weights': False}])
def test_static_with_weights(other):
    with pytest.raises(ValueError, match='static=True has no weights'):
        GCNII(5, 8, 4, 2, static=True, **other)
