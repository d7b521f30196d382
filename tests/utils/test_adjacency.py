import pytest
import torch
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import to_dense_adj

from pyg_ext.utils import (
    CSRTensor,
    gcn_adj,
    gcn_norm_once,
    mean_adj,
    mean_norm_once,
)


def test_written_out():
    # A path 0 - 1 - 2; with loops the degrees are 2, 3, 2.
    edge_index = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    out = gcn_adj(edge_index, dtype=torch.double)
    s = 6**-0.5
    expected = [[1 / 2, s, 0.0], [s, 1 / 3, s], [0.0, s, 1 / 2]]
    assert torch.allclose(
        out.to_dense(), torch.tensor(expected, dtype=torch.double)
    )
    assert out.is_symmetric


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('improved', [False, True])
@pytest.mark.parametrize('loops', [False, True])
def test_equals_gcn_norm(graph, weighted, improved, loops):
    # Directed on purpose: rows are targets, as PyG's layers need.
    edge_index = graph.edge_index[:, :10]
    weight = graph.edge_weight[:10] if weighted else None
    out = gcn_adj(edge_index, weight, 8, improved, loops, dtype=torch.double)
    index, value = gcn_norm(
        edge_index, weight, 8, improved, loops, dtype=torch.double
    )
    dense = to_dense_adj(index, edge_attr=value, max_num_nodes=8)[0].t()
    assert torch.allclose(out.to_dense(), dense)
    assert not out.is_symmetric


def test_weighted_undirected_graph_is_symmetric_up_to_rounding(graph):
    half = graph.edge_weight[:8]
    weight = torch.cat([half, half, graph.edge_weight[16:]])
    dense = gcn_adj(graph.edge_index, weight, 8).to_dense()
    assert torch.allclose(dense, dense.t(), rtol=1e-14)


@pytest.mark.parametrize('layout', ['coo', 'csr', 'csc'])
def test_torch_sparse_tensors(graph, layout):
    expected = gcn_adj(graph.edge_index, graph.edge_weight, 8)
    adj_t = torch.sparse_coo_tensor(
        graph.edge_index.flip(0),
        graph.edge_weight,
        (8, 8),
        check_invariants=True,
    )
    convert = {
        'coo': lambda a: a,
        'csr': lambda a: a.to_sparse_csr(),
        'csc': lambda a: a.to_sparse_csc(),
    }[layout]
    out = gcn_adj(convert(adj_t))
    assert torch.allclose(out.to_dense(), expected.to_dense())


@pytest.mark.sparse
def test_sparse_tensor(graph, torch_sparse):
    adj_t = torch_sparse.SparseTensor(
        row=graph.edge_index[1],
        col=graph.edge_index[0],
        value=graph.edge_weight,
        sparse_sizes=(8, 8),
    )
    expected = gcn_adj(graph.edge_index, graph.edge_weight, 8)
    assert torch.allclose(gcn_adj(adj_t).to_dense(), expected.to_dense())
    pattern = gcn_adj(adj_t.set_value(None), dtype=torch.double)
    plain = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    assert torch.allclose(pattern.to_dense(), plain.to_dense())


def test_graphs_at_the_edge():
    none = torch.empty(2, 0, dtype=torch.long)
    assert gcn_adj(none, num_nodes=0).size() == (0, 0)
    assert gcn_adj(none, num_nodes=2).to_dense().tolist() == [[1, 0], [0, 1]]
    alone = gcn_adj(none, num_nodes=2, add_self_loops=False)
    assert alone.to_dense().tolist() == [[0, 0], [0, 0]]


def test_errors(graph):
    with pytest.raises(ValueError, match=r'from 0 to 2 \(got 6\)'):
        gcn_adj(graph.edge_index, num_nodes=3)
    with pytest.raises(ValueError, match='must be constant'):
        gcn_adj(graph.edge_index, graph.edge_weight.clone().requires_grad_())
    adj = gcn_adj(graph.edge_index, num_nodes=8)
    with pytest.raises(ValueError, match='of gcn_adj, and must be edges'):
        gcn_adj(adj)
    with pytest.raises(ValueError, match='give no edge_weight'):
        gcn_norm_once(adj, graph.edge_weight, 8)
    with pytest.raises(
        ValueError, match=r'7 x 7, as there are nodes \(got 8 x 8\)'
    ):
        gcn_norm_once(adj, None, 7)


def test_norm_once_passes_a_shared_adjacency_through(graph):
    adj = gcn_adj(graph.edge_index, num_nodes=8)
    assert gcn_norm_once(adj, None, 8) == (adj, None)
    index, weight = gcn_norm_once(graph.edge_index, None, 8)
    assert isinstance(weight, torch.Tensor)
    assert not isinstance(index, CSRTensor)


@pytest.mark.parametrize('normalize', [gcn_adj, mean_adj])
def test_weights_whose_sums_overflow(normalize):
    edges = torch.tensor([[0, 1], [2, 2]])
    weight = torch.tensor([3e38, 3e38])
    with pytest.raises(ValueError, match='sums of 2 weights overflow'):
        normalize(edges, weight)
    assert normalize(edges, weight.double()).values().isfinite().all()


@pytest.mark.parametrize('once', [gcn_norm_once, mean_norm_once])
def test_weights_of_another_type_than_features(once):
    edges = torch.tensor([[0, 1], [2, 2]])
    for dtype in (torch.double, torch.half):
        weight = torch.tensor([1.0, 2.0], dtype=dtype)
        _, value = once(edges, weight, 3, torch.float)
        expected = once(edges, weight.float(), 3)[1]
        assert value.dtype == torch.float
        assert torch.allclose(value, expected, atol=1e-3)


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('directed', [False, True])
def test_a_second_normalization_is_seen(graph, weighted, directed):
    index = graph.edge_index[:, : 8 if directed else 16]
    weight = graph.edge_weight[: index.size(1)]
    if not weighted:
        weight = torch.ones_like(weight)
    adj_t = gcn_adj(index, weight, 8).plain()
    with pytest.warns(UserWarning, match='looks as if it were normalized'):
        gcn_adj(adj_t)


@pytest.mark.parametrize(
    'dense', [torch.eye(3), torch.ones(3, 3), torch.ones(3, 3) - torch.eye(3)]
)
def test_what_is_not_normalized(dense):
    """Of which a warning would be an error here."""
    gcn_adj(dense.to_sparse_csr())
