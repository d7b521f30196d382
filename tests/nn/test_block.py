import pytest
import torch
from torch_geometric.nn import GATConv, GCNConv

from pyg_ext.nn import GNNBlock


@pytest.mark.parametrize('norm', ['layer', 'batch', None])
def test_order_of_the_parts(graph, norm):
    block = GNNBlock(GCNConv(5, 3), 5, norm).double()
    x = graph.x - 0.5
    h = x if norm is None else block.norm(x)
    expected = block.conv(h.relu(), graph.edge_index, graph.edge_weight)
    out = block(x, graph.edge_index, graph.edge_weight)
    assert torch.allclose(out, expected)


def test_dropout_and_mask(graph):
    block = GNNBlock(GATConv(5, 3), 5, dropout=0.5).double()
    torch.manual_seed(0)
    first = block(graph.x, graph.edge_index)
    assert not torch.allclose(first, block(graph.x, graph.edge_index))
    mask = torch.ones(8, 5).double()
    block.eval()
    expected = block(graph.x, graph.edge_index)
    block.train()
    out = block(graph.x, graph.edge_index, mask=mask)
    assert torch.allclose(out, expected)


def test_reset_parameters():
    block = GNNBlock(GCNConv(5, 3), 5)
    before = block.conv.lin.weight.clone()
    with torch.no_grad():
        block.norm.weight.fill_(7)
    block.reset_parameters()
    assert not torch.equal(block.conv.lin.weight, before)
    assert block.norm.weight.tolist() == [1] * 5


def test_error():
    with pytest.raises(
        ValueError, match=r"norm must be one of .*\(got 'l2'\)"
    ):
        GNNBlock(GCNConv(5, 3), 5, norm='l2')
