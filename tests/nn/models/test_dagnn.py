import torch

from pyg_ext.nn import DAGNN
from pyg_ext.utils import gcn_adj


def test_by_hand(graph):
    """Each node weighs its own hops."""
    model = DAGNN(5, 8, 3, 2).double()
    z = model.lin_out(model.lin_in(graph.x).relu())
    step = gcn_adj(graph.edge_index, graph.edge_weight, num_nodes=8).to_dense()
    want = torch.zeros(8, 2).double()
    for node in range(8):
        for k in range(4):
            h = (torch.linalg.matrix_power(step, k) @ z)[node]
            score = torch.sigmoid(
                model.lin_score.weight[0] @ h + model.lin_score.bias[0]
            )
            want[node] += score * h
    out = model(graph.x, graph.edge_index, graph.edge_weight)
    assert torch.allclose(out, want)


def test_no_step(graph):
    model = DAGNN(5, 8, 0, 2).double()
    z = model.lin_out(model.lin_in(graph.x).relu())
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, model.lin_score(z).sigmoid() * z)


def test_static(graph):
    """The sum of the powers, written out."""
    model = DAGNN(5, 8, 3, 2, static=True).double()
    assert len([*model.parameters()]) == 4
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    adj = adj.to_dense()
    z = model.lin_out(model.lin_in(graph.x).relu())
    wanted = z + adj @ z + adj @ adj @ z + adj @ adj @ adj @ z
    assert torch.allclose(model(graph.x, graph.edge_index), wanted)
