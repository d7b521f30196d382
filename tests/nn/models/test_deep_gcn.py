import copy

import pytest
import torch

from pyg_ext.nn import DeepGCN
from pyg_ext.utils import knn_graph

X = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
BATCH = torch.tensor([0] * 20 + [1] * 40)


def build(**kwargs):
    torch.manual_seed(0)
    options = {'k': 3, 'fusion_channels': 16, **kwargs}
    return DeepGCN(4, 8, options.pop('num_layers', 5), 2, **options)


@pytest.mark.parametrize('skip', [None, 'res', 'res+', 'dense'])
@pytest.mark.parametrize('conv', ['edge', 'mr'])
@pytest.mark.parametrize('level', ['node', 'graph'])
def test_shapes_and_gradients(skip, conv, level):
    model = build(skip=skip, conv=conv, level=level, dilated=True, growth=6)
    out = model(X, batch=BATCH)
    assert out.size() == ((60, 2) if level == 'node' else (2, 2))
    out.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    assert build()(X).size() == (60, 2)


def test_dilation_grows_with_depth():
    dilations = [b.conv.dilation for b in build(dilated=True).blocks]
    assert dilations == [1, 1, 2, 3, 4]
    assert {b.conv.dilation for b in build().blocks} == {1}


@pytest.mark.parametrize('level', ['node', 'graph'])
@pytest.mark.parametrize('dynamic', [True, False])
def test_graphs_of_a_batch_do_not_meet(level, dynamic):
    model = build(skip='res', level=level, dynamic=dynamic).eval()
    both = model(X, batch=BATCH)
    first, second = model(X[:20]), model(X[20:])
    assert torch.allclose(both, torch.cat([first, second]), atol=1e-5)


def test_order_of_points_does_not_matter():
    model = build(skip='dense', dilated=True).eval()
    order = torch.randperm(60)
    out = model(X, batch=BATCH)[order]
    assert torch.allclose(model(X[order], batch=BATCH[order]), out, atol=1e-5)


def test_checkpointed_blocks_have_the_same_gradients():
    """Random neighbors and batch statistics inside, which count once."""
    plain = build(skip='res+', dilated=True, stochastic=True)
    saving = copy.deepcopy(plain)
    saving.checkpoint_blocks = True
    grads = []
    for model in (plain, saving):
        torch.manual_seed(1)
        model(X).square().sum().backward()
        grads.append([p.grad for p in model.parameters()])
    for a, b in zip(*grads, strict=True):
        assert torch.equal(a, b)
    buffers = zip(plain.buffers(), saving.buffers(), strict=True)
    assert all(torch.equal(a, b) for a, b in buffers)


def test_static_graphs():
    """The neighbors of the input, or edges that are given."""
    model = build(skip='res', dynamic=False, dilated=True).eval()
    calls = []
    for block in model.blocks:
        block.register_forward_pre_hook(
            lambda _, inputs: calls.append(inputs[2])
        )
    model(X, batch=BATCH)
    nearest = model.blocks[-1].conv.nearest(X, BATCH)
    for block, edges in zip(model.blocks, calls, strict=True):
        assert torch.equal(edges, block.conv.edges(nearest))
    edges = knn_graph(X, 2)
    calls.clear()
    model(X, edges)
    assert all(call is edges for call in calls)


def test_positions_join_the_first_block():
    model = build().eval()
    pos = torch.rand(60, 3)
    edges = []
    model.blocks[0].register_forward_pre_hook(
        lambda _, inputs: edges.append(inputs[2])
    )
    model(X, pos=pos)
    assert torch.equal(edges[0], knn_graph(pos, 3, loop=True))


@pytest.mark.parametrize(
    ('message', 'options'),
    [
        (r'num_layers must be at least 1 \(got 0\)', {'num_layers': 0}),
        ("skip must be one of None, res.*got 'x'", {'skip': 'x'}),
        ("norm must be one of batch, layer.*got 'x'", {'norm': 'x'}),
        ("level must be one of node, graph.*got 'x'", {'level': 'x'}),
        ("conv must be one of edge, mr.*got 'x'", {'conv': 'x'}),
    ],
)
def test_errors(message, options):
    with pytest.raises(ValueError, match=message):
        build(**options)


@pytest.mark.parametrize('level', ['node', 'graph'])
def test_few_points_and_large_clouds_of_neighbors(level):
    model = build(level=level, k=100, dilated=True).eval()
    assert model(X[:0]).size() == (0, 2)
    assert model(X[:0], batch=BATCH[:0]).size() == (0, 2)
    assert model(X[:1]).size() == (1, 2)
    assert model(X).isfinite().all()


def test_numbers_of_graphs_may_be_large():
    model = build().eval()
    out = model(X, batch=BATCH)
    assert torch.equal(model(X, batch=2**62 * BATCH), out)


ARGUMENTS = {
    r'batch must be of shape \[60\].*\[3\]': {'batch': BATCH[:3]},
    r'batch must hold .* as integers': {'batch': BATCH.float()},
    r'batch must hold .*a mask': {'batch': BATCH > 0},
    r'batch must name graphs from 0 on \(got -1\)': {'batch': -BATCH},
    r'pos must have a row .* 60 nodes.*\[3, 2\]': {'pos': torch.rand(3, 2)},
    r'from 0 to 59 \(got 60\)': {'edge_index': torch.tensor([[0], [60]])},
    r'finite numbers .*row 0': {'pos': torch.full((60, 2), torch.nan)},
}


@pytest.mark.parametrize('message', ARGUMENTS)
def test_arguments_that_do_not_fit(message):
    with pytest.raises(ValueError, match=message):
        build()(X, **ARGUMENTS[message])
