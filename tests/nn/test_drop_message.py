import copy

import pytest
import torch
from torch.autograd import gradcheck
from torch_geometric.nn import GATConv, GCNConv, GINConv, SAGEConv

from pyg_ext.nn import DropMessage, MRConv, RevGCNConv
from pyg_ext.utils import gcn_adj

CONVS = [
    GCNConv(5, 4),
    SAGEConv(5, 4),
    GATConv(5, 2, heads=2),
    GINConv(torch.nn.Linear(5, 4)),
    MRConv(torch.nn.Linear(10, 4)),
]


@pytest.mark.parametrize('conv', CONVS, ids=lambda conv: type(conv).__name__)
def test_any_convolution(graph, conv):
    dropping = DropMessage(copy.deepcopy(conv), 0.5).double()
    plain = copy.deepcopy(conv).double()
    out = plain(graph.x, graph.edge_index)
    torch.manual_seed(0)
    first = dropping(graph.x, graph.edge_index)
    second = dropping(graph.x, graph.edge_index)
    assert not torch.allclose(first, second)
    torch.manual_seed(0)
    assert torch.equal(dropping(graph.x, graph.edge_index), first)
    assert torch.allclose(dropping.eval()(graph.x, graph.edge_index), out)


def test_messages_and_not_features_are_dropped():
    """One source, many targets: each target has a mask of its own."""
    conv = GCNConv(1, 1, add_self_loops=False, normalize=False, bias=False)
    torch.nn.init.ones_(conv.lin.weight)
    targets = torch.arange(1, 10001)
    edges = torch.stack([torch.zeros_like(targets), targets])
    x = torch.zeros(10001, 1)
    x[0] = 1.0
    out = DropMessage(conv, 0.25)(x, edges)[1:]
    dropped = (out == 0.0).double().mean().item()
    assert abs(dropped - 0.25) < 0.02
    assert torch.allclose(out[out != 0.0], torch.tensor(4 / 3), atol=1e-4)


def test_gradients(graph):
    conv = DropMessage(GCNConv(5, 4), 0.5).double()
    x = graph.x.clone().requires_grad_()

    def dropped(x):
        torch.manual_seed(0)  # the same mask
        return conv(x, graph.edge_index)

    assert gradcheck(dropped, (x,))


def test_a_copy_drops_by_itself(graph):
    one = DropMessage(GCNConv(5, 4), 0.5).double()
    other = copy.deepcopy(one).eval()
    assert torch.equal(
        other(graph.x, graph.edge_index), other(graph.x, graph.edge_index)
    )
    assert not torch.equal(
        one(graph.x, graph.edge_index), one(graph.x, graph.edge_index)
    )


def test_errors(graph):
    conv = DropMessage(GCNConv(5, 4, normalize=False)).double()
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    with pytest.raises(ValueError, match='DropMessage needs edge indices'):
        conv(graph.x, adj)
    with pytest.raises(ValueError, match='p must be a probability'):
        DropMessage(GCNConv(5, 4), 1.5)
    with pytest.raises(ValueError, match=r'MessagePassing layer \(got Linear'):
        DropMessage(torch.nn.Linear(5, 4))


def test_compile(graph):
    conv = DropMessage(SAGEConv(5, 4)).double()
    compiled = torch.compile(conv, backend='eager')
    out = compiled(graph.x, graph.edge_index)
    assert not torch.equal(out, compiled(graph.x, graph.edge_index))
    compiled = torch.compile(conv.eval(), fullgraph=True, backend='eager')
    out = compiled(graph.x, graph.edge_index)
    assert torch.equal(out, conv(graph.x, graph.edge_index))


def test_a_layer_of_layers_makes_no_messages(graph):
    conv = DropMessage(RevGCNConv(4)).double()
    with pytest.raises(ValueError, match='makes its own messages'):
        conv(graph.x[:, :4], graph.edge_index)


def test_repr():
    assert (
        str(DropMessage(GCNConv(5, 4))) == 'DropMessage(GCNConv(5, 4), p=0.5)'
    )
