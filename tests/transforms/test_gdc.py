"""``AddRandomWalkEdges.gdc`` beside PyG's ``GDC``."""

import inspect

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import GDC
from torch_geometric.utils import erdos_renyi_graph

from benchmarks.data import datasets
from pyg_ext.transforms import AddRandomWalkEdges
from pyg_ext.utils import diffusion_topk, ppr_topk

gdc = AddRandomWalkEdges.gdc
DIFFUSIONS = {
    'ppr': {'method': 'ppr', 'alpha': 0.15},
    'heat': {'method': 'heat', 't': 5.0},
}
SPARSIFICATIONS = {
    'topk': {'method': 'topk', 'k': 64, 'dim': 0},
    'few': {'method': 'topk', 'k': 8, 'dim': 0},
    'eps': {'method': 'threshold', 'eps': 0.01},
    'avg_degree': {'method': 'threshold', 'avg_degree': 6},
}

COEFF = {'method': 'coeff', 'coeffs': [0.5, 0.3, 0.2]}


@pytest.fixture(params=['directed', 'undirected'])
def weighted(request):
    """Of 32 nodes, of which all have edges both ways."""
    generator = torch.Generator().manual_seed(0)
    edges = torch.rand(32, 32, generator=generator) < 0.1
    edges |= torch.eye(32).roll(1, dims=1).bool()
    weight = torch.rand(32, 32, generator=generator).double() + 0.1
    if request.param == 'undirected':
        edges, weight = edges | edges.t(), weight + weight.t()
    edge_index = edges.nonzero().t()
    return Data(
        edge_index=edge_index,
        edge_attr=weight[edge_index[0], edge_index[1]],
        num_nodes=32,
    )


def with_isolated_nodes(data):
    """Three more nodes without an edge, in between; one edge is repeated."""
    edges = data.edge_index + 2 * (data.edge_index > 9)
    data.edge_index = torch.cat([edges, edges[:, :1]], dim=1)
    data.edge_attr = torch.cat([data.edge_attr, data.edge_attr[:1]])
    data.num_nodes = 35
    return data


def dense(data):
    out = torch.zeros(data.num_nodes, data.num_nodes).double()
    index = (data.edge_index[0], data.edge_index[1])
    return out.index_put(index, data.edge_attr.double(), accumulate=True)


def assert_same(ours, theirs):
    """Up to entries that tie with the smallest of a column."""
    ours, theirs = dense(ours), dense(theirs)
    row, col = ((ours - theirs).abs() > 1e-5).nonzero().t()
    kept = torch.where(theirs > 1e-5, theirs, torch.inf)
    least = kept.amin(0)  # [N]
    value = torch.maximum(ours, theirs)[row, col]
    assert torch.allclose(value, least[col], rtol=0.0, atol=1e-5)
    for one in (ours, theirs):  # as many, of the same weights
        assert torch.equal((one > 1e-5).sum(0), (ours > 1e-5).sum(0))
    assert torch.allclose(ours.sum(0), theirs.sum(0), atol=1e-5)


@pytest.mark.parametrize('diffusion', DIFFUSIONS)
@pytest.mark.parametrize('sparsification', ['few', 'eps', 'avg_degree'])
@pytest.mark.parametrize('norm_in', ['sym', 'col', 'row'])
@pytest.mark.parametrize('norm_out', ['sym', 'col', 'row', None])
@pytest.mark.parametrize('loop', [1.0, 0.5, 0, None])
def test_equals_gdc(
    weighted, diffusion, sparsification, norm_in, norm_out, loop
):
    if loop:
        weighted = with_isolated_nodes(weighted)
    given = (
        loop,
        norm_in,
        norm_out,
        dict(DIFFUSIONS[diffusion]),
        dict(SPARSIFICATIONS[sparsification]),
    )
    ours, theirs = gdc(*given)(weighted), GDC(*given)(weighted)
    assert torch.allclose(dense(ours), dense(theirs), rtol=0.0, atol=1e-5)
    mine, yours = (  # the inverse of GDC leaves some dust
        data.edge_index[:, data.edge_attr.abs() > 1e-10]
        for data in (ours, theirs)
    )
    assert torch.equal(mine, yours)
    assert ours.edge_attr.dtype == torch.double


@pytest.mark.parametrize(
    ('diffusion', 'sparsification'),
    [
        ('ppr', 'topk'),
        ('ppr', 'eps'),
        ('ppr', None),
        ('heat', 'topk'),
        ('heat', None),
    ],
)
def test_equals_gdc_on_cora(diffusion, sparsification, root):
    """In float32, of no weights; without a name, by 64 edges on average."""
    edges = datasets.load('cora', root).edge_index
    data = Data(edge_index=edges, num_nodes=2708)
    how = {'diffusion_kwargs': DIFFUSIONS[diffusion]}
    if sparsification is not None:
        how['sparsification_kwargs'] = SPARSIFICATIONS[sparsification]
    ours = gdc(**how)(data)
    assert ours.edge_attr.dtype == torch.float
    assert_same(ours, GDC(**how)(data))


def test_arguments_and_defaults():
    """Names, order and values of PyG's (dicts in 2.5, None since then)."""
    ours, theirs = (inspect.signature(door) for door in (gdc, GDC))
    for one, other in zip(
        ours.parameters.values(), theirs.parameters.values(), strict=True
    ):
        default = other.default
        default = None if isinstance(default, dict) else default
        assert (one.name, one.default) == (other.name, default)


def test_where_weights_stand(weighted):
    """There is nothing to say where edges had neither weights nor times."""
    weighted.edge_time = torch.arange(weighted.num_edges) + 1
    before = weighted.clone()
    ours = gdc(sparsification_kwargs=SPARSIFICATIONS['few'])(weighted)
    assert set(ours.keys()) == {*before.keys()}
    assert ours.edge_attr.size() == ours.edge_time.size()
    assert torch.equal(weighted.edge_index, before.edge_index)
    assert torch.equal(weighted.edge_attr, before.edge_attr)
    del weighted.edge_attr
    ours = gdc(sparsification_kwargs=SPARSIFICATIONS['few'])(weighted)
    assert ours.edge_attr.size() == ours.edge_time.size()
    assert 'edge_weight' not in ours
    weighted.edge_attr = before.edge_attr.mul(9).long()
    whole = gdc(sparsification_kwargs=SPARSIFICATIONS['few'])(weighted)
    weighted.edge_attr = weighted.edge_attr.float()
    real = gdc(sparsification_kwargs=SPARSIFICATIONS['few'])(weighted)
    assert torch.equal(whole.edge_attr, real.edge_attr)


@pytest.mark.parametrize('diffusion', DIFFUSIONS)
@pytest.mark.parametrize('sparsification', ['few', 'eps', 'avg_degree'])
@pytest.mark.parametrize('norm_in', ['sym', 'col'])
def test_approximation(weighted, diffusion, sparsification, norm_in):
    """Of what is exact, for what PyG has no approximation, too."""
    how = {
        'self_loop_weight': 0.5,
        'normalization_in': norm_in,
        'sparsification_kwargs': SPARSIFICATIONS[sparsification],
    }
    exact = gdc(**how, diffusion_kwargs=DIFFUSIONS[diffusion])(weighted)
    close = gdc(
        **how,
        diffusion_kwargs={**DIFFUSIONS[diffusion], 'eps': 1e-10},
        exact=False,
    )(weighted)
    assert_same(close, exact)


@pytest.mark.parametrize('norm_in', ['sym', 'col', 'row'])
def test_beside_the_approximation_of_gdc(norm_in):
    """On undirected graphs without weights, which is all that it takes."""
    torch.manual_seed(0)
    data = Data(edge_index=erdos_renyi_graph(40, 0.1), num_nodes=40)
    given = (
        1.0,
        norm_in,
        'col',
        {'method': 'ppr', 'alpha': 0.15, 'eps': 1e-5},
        {'method': 'threshold', 'eps': 1e-12},
        False,
    )
    ours, theirs = gdc(*given)(data), GDC(*given)(data)
    assert torch.allclose(dense(ours), dense(theirs), rtol=0.0, atol=3e-4)


@pytest.mark.parametrize('diffusion', DIFFUSIONS)
def test_a_walk_stays_where_gdc_loses_it(diffusion):
    """At a node without edges: GDC leaves it alpha or exp(-t)."""
    data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=3)
    given = (None, 'sym', None, DIFFUSIONS[diffusion])
    few = {'method': 'topk', 'k': 2, 'dim': 0}
    ours, theirs = dense(gdc(*given, few)(data)), dense(GDC(*given, few)(data))
    left = 0.15 if diffusion == 'ppr' else torch.tensor(-5.0).exp()
    assert float(ours[2, 2]) == 1.0
    assert float(theirs[2, 2]) == pytest.approx(float(left))
    ours[2, 2] = theirs[2, 2]
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_where_gdc_fails():
    """On one node, and on as many as ``avg_degree``."""
    one = Data(edge_index=torch.tensor([[0], [0]]), num_nodes=1)
    assert gdc()(one).edge_attr.tolist() == [1.0]
    with pytest.raises(RuntimeError, match='at least 2 dimensions'):
        GDC()(one)
    ring = torch.stack([torch.arange(64), (torch.arange(64) + 1) % 64])
    ring = Data(edge_index=ring, num_nodes=64)
    assert gdc()(ring).num_edges == 64 * 64
    with pytest.raises(IndexError):
        GDC()(ring)


def test_batch(weighted):
    """Each graph by itself; GDC takes the mean degree over all of them."""
    transform = gdc(sparsification_kwargs=SPARSIFICATIONS['avg_degree'])
    other = with_isolated_nodes(weighted.clone())
    found = transform(Batch.from_data_list([weighted, other]))
    for one, alone in zip(
        found.to_data_list(), map(transform, [weighted, other]), strict=True
    ):
        assert torch.equal(one.edge_index, alone.edge_index)
        assert torch.equal(one.edge_attr, alone.edge_attr)


@pytest.mark.parametrize('diffusion', ['ppr', 'coeff'])
def test_what_errors_refer_to(weighted, diffusion):
    """Functions whose seeds are the sources, with rows that sum to one."""
    weighted.edge_attr = weighted.edge_attr.float()  # all it takes
    given = DIFFUSIONS.get(diffusion, COEFF)
    sparse = {'method': 'topk', 'k': 4, 'dim': 1}
    theirs = GDC(None, 'row', None, given, sparse)(weighted)
    edges, weight = weighted.edge_index, weighted.edge_attr
    options = {'eps': 1e-10, 'k': 4, 'edge_weight': weight}
    if diffusion == 'ppr':
        edges, weight = ppr_topk(edges, 0.15, **options)
    else:
        edges, weight = diffusion_topk(edges, COEFF['coeffs'], **options)
    ours = Data(edge_index=edges, edge_attr=weight, num_nodes=32)
    assert torch.allclose(dense(ours), dense(theirs), rtol=0.0, atol=1e-6)


@pytest.mark.parametrize(
    ('diffusion', 'text'),
    [
        (COEFF, 'take diffusion_topk or diffusion_matrix of'),
        ({'method': 'katz'}, "'ppr' with alpha, or method='heat' with t "),
        ({'alpha': 0.1}, r"must hold .* \(got {'alpha': 0.1}\)"),
        ({'method': 'ppr'}, "method='ppr' with alpha"),
        ({'method': 'heat', 'alpha': 0.1}, "method='heat' with t"),
        ({'method': 'ppr', 'alpha': 0.1, 'eps': 1e-4}, "'eps': 0.0001"),
        ({'method': 'ppr', 'alpha': 2.0}, 'alpha must be in'),
    ],
)
def test_diffusions_without_a_translation(diffusion, text):
    with pytest.raises(ValueError, match=text):
        gdc(diffusion_kwargs=diffusion)


@pytest.mark.parametrize(
    ('sparsification', 'text'),
    [
        ({'method': 'topk', 'k': 8, 'dim': 1}, r'dim=1\).* take ppr_topk or'),
        ({'method': 'topk', 'k': 8}, "method='topk' with k and dim"),
        ({'method': 'topk', 'k': 0, 'dim': 0}, 'k must be at least 1'),
        ({'method': 'threshold'}, "'threshold' with eps, or method="),
        (
            {'method': 'threshold', 'eps': 0.1, 'avg_degree': 8},
            "'avg_degree': 8",
        ),
        ({'method': 'random'}, 'sparsification_kwargs must hold'),
    ],
)
def test_sparsifications_without_a_translation(sparsification, text):
    with pytest.raises(ValueError, match=text):
        gdc(sparsification_kwargs=sparsification)


def test_other_errors(weighted):
    with pytest.raises(ValueError, match='normalization_in must be one of'):
        gdc(normalization_in=None)
    with pytest.raises(ValueError, match='self_loop_weight must be finite'):
        gdc(self_loop_weight=-1.0)
    rows = gdc(normalization_in='row', exact=False)
    directed = Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2)
    with pytest.raises(ValueError, match='needs an undirected graph'):
        rows(directed)
    other = weighted.clone()
    other.edge_attr = torch.rand(other.num_edges, 2)
    with pytest.raises(ValueError, match='edge_attr must be of shape'):
        gdc()(other)
    weighted.edge_weight = weighted.pop('edge_attr')
    with pytest.raises(ValueError, match='reads weights from edge_attr and'):
        gdc()(weighted)
