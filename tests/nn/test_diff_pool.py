import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.nn.dense import dense_diff_pool
from torch_geometric.utils import to_dense_adj, to_undirected

from pyg_ext.nn import diff_pool


def graph(size: int, seed: int) -> Data:
    draw = torch.Generator().manual_seed(seed)
    edges = torch.randint(size, (2, 3 * size), generator=draw)
    edges = to_undirected(edges)
    return Data(
        x=torch.randn(size, 6, generator=draw).double(),
        s=torch.randn(size, 4, generator=draw).double(),
        edge_index=edges,
        edge_weight=torch.rand(edges.size(1), generator=draw).double(),
    )


GRAPHS = [graph(size, size) for size in (7, 1, 12)]


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('data', GRAPHS)
def test_equals_pyg_on_one_graph(data, weighted):
    weight = data.edge_weight if weighted else None
    found = diff_pool(data.x, data.s, data.edge_index, weight)
    adj = to_dense_adj(
        data.edge_index, edge_attr=weight, max_num_nodes=len(data.x)
    )
    expected = dense_diff_pool(data.x, adj.double(), data.s)
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, atol=1e-9)


def test_gradients():
    data = GRAPHS[0]
    given = [
        t.clone().requires_grad_() for t in (data.x, data.s, data.edge_weight)
    ]

    def pool(x, s, weight):
        return diff_pool(x, s, data.edge_index, weight)

    assert torch.autograd.gradcheck(pool, given)


def test_gradients_of_certain_assignments():
    data = GRAPHS[0]
    s = (1e4 * data.s).float().requires_grad_()
    x = data.x.float()
    *_, link, entropy = diff_pool(x, s, data.edge_index)
    (link + entropy).backward()
    assert bool(s.grad.isfinite().all())


def test_no_trace_of_padding():
    """A batch gives what its graphs give one by one, and the means of their
    losses; PyG's losses change with the largest graph beside a small one.
    """
    batch = Batch.from_data_list(GRAPHS)
    x, adj, link, entropy = diff_pool(
        batch.x, batch.s, batch.edge_index, batch.edge_weight, batch.batch
    )
    single = [diff_pool(g.x, g.s, g.edge_index, g.edge_weight) for g in GRAPHS]
    assert torch.allclose(x, torch.cat([s[0] for s in single]))
    assert torch.allclose(adj, torch.cat([s[1] for s in single]))
    assert torch.allclose(link, sum(s[2] for s in single) / 3)
    assert torch.allclose(entropy, sum(s[3] for s in single) / 3)

    small, mask = GRAPHS[0], torch.arange(30).unsqueeze(0) < 7
    dense = to_dense_adj(small.edge_index, max_num_nodes=7).double()
    padded = torch.zeros(1, 30, 30).double()
    padded[:, :7, :7] = dense
    features, s = (torch.zeros(1, 30, n).double() for n in (6, 4))
    features[:, :7], s[:, :7] = small.x, small.s
    alone = dense_diff_pool(small.x, dense, small.s)
    beside = dense_diff_pool(features, padded, s, mask)
    assert not torch.allclose(alone[3], beside[3], rtol=0.5)


def test_empty_graph_at_the_end():
    data = GRAPHS[0]
    batch = torch.zeros(7, dtype=torch.long)
    x, adj, link, entropy = diff_pool(
        data.x, data.s, data.edge_index, None, batch, batch_size=2
    )
    assert x.shape == (2, 4, 6)
    assert adj[1].abs().sum() == 0.0
    alone = diff_pool(data.x, data.s, data.edge_index)
    assert torch.allclose(link, alone[2])
    assert torch.allclose(entropy, alone[3])


@pytest.mark.parametrize('dtype', [torch.half, torch.float])
def test_losses_of_large_graphs_and_near_zero(dtype):
    """Four cliques that are nearly four clusters: large sums, a small rest."""
    kind = torch.arange(800) // 200
    edges = (kind[:, None] == kind).nonzero().t()
    s = 6.0 * torch.eye(4, dtype=dtype)[kind]
    *_, link, entropy = diff_pool(s, s, edges)
    _, _, expected, more = diff_pool(s.double(), s.double(), edges)
    assert expected > 0
    assert torch.allclose(link.double(), expected, rtol=0.05)
    assert torch.allclose(entropy.double(), more, rtol=0.05)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'s': torch.rand(3, 4)}, 'a row for each of 7 nodes'),
        ({'batch': torch.tensor([1, 0, 0, 0, 0, 0, 0])}, 'must ascend'),
        ({'edge_index': torch.tensor([[0], [9]])}, 'from 0 to 6'),
        ({'s': torch.rand(7, 0)}, 'a column for each cluster'),
        ({'batch_size': 0}, 'batch_size'),
    ],
)
def test_errors(change, message):
    data = GRAPHS[0]
    given = {'x': data.x, 's': data.s, 'edge_index': data.edge_index}
    with pytest.raises(ValueError, match=message):
        diff_pool(**{**given, **change})
