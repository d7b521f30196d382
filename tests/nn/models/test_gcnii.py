import math

import pytest
import torch
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
