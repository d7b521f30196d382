import math

import pytest
import torch
from torch_geometric.nn import GATConv, GATv2Conv

from pyg_ext.metrics import attention_entropy
from pyg_ext.nn import GAT

# Into node 0 from three, into 1 from two, into 2 from one, into 3 from none.
EDGES = torch.tensor([[0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 2]])
ALPHA = torch.tensor(
    [
        [0.5, 1 / 3],
        [0.25, 1 / 3],
        [0.25, 1 / 3],
        [0.0, 0.5],
        [1.0, 0.5],
        [1.0, 1.0],
    ],
    dtype=torch.double,
)
LN2, LN3 = math.log(2), math.log(3)
NAN = math.nan
ENTROPY = torch.tensor(
    [[1.5 * LN2, LN3], [0, LN2], [0, 0], [NAN, NAN]], dtype=torch.double
)


def oracle(edges, alpha, size):
    """The sums written out, node by node: [N, H], and how many neighbors."""
    out = torch.full((size, alpha.size(1)), NAN, dtype=torch.double)
    degree = [0] * size
    for node in range(size):
        mine = [e for e in range(edges.size(1)) if edges[1, e] == node]
        degree[node] = len(mine)
        for head in range(alpha.size(1) if mine else 0):
            shares = [alpha[e, head].item() for e in mine]
            out[node, head] = -sum(a * math.log(a) for a in shares if a > 0)
    return out, torch.tensor(degree)


def same(found, want):
    torch.testing.assert_close(
        found, want, rtol=1e-6, atol=1e-7, equal_nan=True
    )


def test_written_out():
    found = attention_entropy(EDGES, ALPHA, 4, reduction='none')
    same(found, ENTROPY)
    mean = attention_entropy(EDGES, ALPHA, 4)
    same(mean, torch.tensor([1.5 * LN2 / 3, (LN3 + LN2) / 3]).double())
    relative = attention_entropy(EDGES, ALPHA, 4, True, 'none')
    want = [[1.5 * LN2 / LN3, 1], [0, 1], [NAN, NAN], [NAN, NAN]]
    same(relative, torch.tensor(want).double())
    mean = attention_entropy(EDGES, ALPHA, 4, relative=True)
    same(mean, torch.tensor([0.75 * LN2 / LN3, 1]).double())
    assert len(attention_entropy(EDGES, ALPHA, reduction='none')) == 3


@pytest.mark.parametrize('relative', [False, True])
@pytest.mark.parametrize('reduction', ['mean', 'none'])
def test_one_head(relative, reduction):
    many = attention_entropy(EDGES, ALPHA, 4, relative, reduction)
    one = attention_entropy(EDGES, ALPHA[:, 0], 4, relative, reduction)
    same(one, many[..., 0])


@pytest.mark.parametrize('layer', [GATConv, GATv2Conv])
@pytest.mark.parametrize(
    'dtype', [torch.double, torch.float, torch.half, torch.bfloat16]
)
def test_of_the_layers_of_pyg(graph, layer, dtype):
    conv = layer(5, 3, heads=4).double()
    _, (edges, alpha) = conv(
        graph.x, graph.edge_index, return_attention_weights=True
    )
    alpha = alpha.to(dtype)
    found = attention_entropy(edges, alpha, 8, reduction='none')
    want, degree = oracle(edges, alpha, 8)
    assert found.dtype == torch.double
    same(found, want)
    some = degree > 1
    assert some.sum() == 7  # the isolated node sees itself alone
    relative = (want[some] / degree[some].log().view(-1, 1)).mean(dim=0)
    same(attention_entropy(edges, alpha, 8, relative=True), relative)
    assert (relative < 1.0 + 1e-2).all()
    same(attention_entropy(edges, alpha, 8), want.mean(dim=0))


def test_of_each_layer_of_a_network(graph):
    model = GAT(5, 8, 3, 2, heads=4).double()
    model.convs[1].att_src.data.zero_()  # all neighbors score the same
    _, weights = model(
        graph.x, graph.edge_index, return_attention_weights=True
    )
    first, second, last = (
        attention_entropy(edges, alpha, 8, relative=True)
        for edges, alpha in weights
    )
    same(second, torch.ones(4).double())
    assert first.size() == last.size() == (4,)
    assert (first < 1.0).all()
    assert (last < 1.0).all()


def test_each_graph_of_a_batch():
    """Nodes and edges in any order; no graph has number 1, and the last ones
    are empty; in the third no node has a relative entropy.
    """
    batch = torch.tensor([0, 0, 0, 0, 2, 2, 3])
    edges = torch.cat([EDGES, torch.tensor([[4, 5, 6], [5, 5, 6]])], dim=1)
    more = torch.tensor([[0.25, 0.5], [0.75, 0.5], [1.0, 1.0]]).double()
    alpha = torch.cat([ALPHA, more])
    quarter = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    want = torch.full((6, 2), NAN).double()
    want[0] = attention_entropy(EDGES, ALPHA, 4)
    want[2] = torch.tensor([quarter, LN2])
    want[3] = 0.0
    draw = torch.Generator().manual_seed(0)
    nodes = torch.randperm(7, generator=draw)
    order = torch.randperm(9, generator=draw)
    given = nodes.argsort()[edges[:, order]], alpha[order], None
    for relative in (False, True):
        if relative:
            want[0] = attention_entropy(EDGES, ALPHA, 4, relative=True)
            want[2] /= LN2
            want[3] = NAN
        found = attention_entropy(
            *given, relative, batch=batch[nodes], batch_size=6
        )
        same(found, want)
        short = attention_entropy(*given, relative, batch=batch[nodes])
        same(short, want[:4])
        one = attention_entropy(
            given[0], given[1][:, 1], None, relative, batch=batch[nodes]
        )
        same(one, want[:4, 1])


def test_nothing_has_no_number():
    none = torch.empty(2, 0).long()
    assert attention_entropy(none, torch.empty(0, 3)).isnan().all()
    assert attention_entropy(none, torch.empty(0, 3), 5).size() == (3,)
    assert attention_entropy(none, torch.empty(0), 5).isnan()
    found = attention_entropy(none, torch.empty(0, 3), 5, reduction='none')
    assert found.isnan().all()
    assert found.size() == (5, 3)
    batch = torch.empty(0).long()
    empty = attention_entropy(none, torch.empty(0, 3), batch=batch)
    assert empty.size() == (0, 3)


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_not_finite(value):
    """In one head of one graph."""
    alpha = ALPHA.clone()
    alpha[5, 1] = value
    found = attention_entropy(EDGES, alpha, batch=torch.tensor([0, 0, 0]))
    assert found.isnan().tolist() == [[False, True]]
    found = attention_entropy(EDGES, alpha, reduction='none')
    assert found.isnan().sum() == 1
    assert found[2, 1].isnan()


@pytest.mark.parametrize('relative', [False, True])
def test_gradients(relative):
    """Those of nodes with one neighbor are numbers, too."""
    score = torch.rand(6, 2, dtype=torch.double, requires_grad=True)

    def entropy(score):
        weight = score.exp()
        total = weight.new_zeros(3, 2).index_add(0, EDGES[1], weight)
        alpha = weight / total[EDGES[1]]
        return attention_entropy(EDGES, alpha, 4, relative)

    assert torch.autograd.gradcheck(entropy, score)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'alpha': ALPHA[:5]}, r'\[6, H\] or \[6\], .*of shape \[5, 2\]'),
        ({'alpha': ALPHA.long()}, 'floating point attention .*int64'),
        ({'alpha': [1.0]}, 'got list of shape'),
        ({'alpha': -ALPHA}, r'must not be negative \(got -1\)'),
        ({'alpha': ALPHA / 2}, r'sum to one .*\(got 0.5 at node 0\)'),
        ({'edge_index': EDGES.flip(0)}, 'must sum to one'),
        ({'num_nodes': 2}, 'nodes from 0 to 1'),
        ({'reduction': 'sum'}, "one of mean, none .*'sum'"),
        ({'batch_size': 2}, 'batch_size needs batch'),
        (
            {'reduction': 'none', 'batch': torch.zeros(3).long()},
            'no effect with reduction="none"',
        ),
        ({'batch': torch.zeros(2).long()}, 'nodes from 0 to 1'),
        ({'batch': torch.tensor([0, 0, 1])}, 'nodes of one graph'),
    ],
)
def test_errors(change, message):
    given = {'edge_index': EDGES, 'alpha': ALPHA, **change}
    with pytest.raises(ValueError, match=message):
        attention_entropy(**given)


def test_dropout_leaves_no_distribution(graph):
    model = GAT(5, 8, 1, 2, attention_dropout=0.5).double()
    _, weights = model(
        graph.x, graph.edge_index, return_attention_weights=True
    )
    with pytest.raises(ValueError, match='a model in evaluation'):
        attention_entropy(*weights[0])
