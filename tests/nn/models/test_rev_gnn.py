import pytest
import torch
from torch_geometric.nn import GraphConv

from pyg_ext.nn import RevGNN
from pyg_ext.utils import CSRTensor, gcn_adj


def grads(model, *inputs):
    model.zero_grad()
    torch.manual_seed(0)
    out = model(*inputs)
    out.square().sum().backward()
    return [out, *(p.grad.clone() for p in model.parameters())]


@pytest.mark.parametrize(
    'kwargs',
    [
        {},
        {'conv': 'sage', 'num_groups': 4},
        {'conv': 'gat', 'norm': 'batch'},
        {'conv': 'gen', 'weight_tied': True},
        {'conv': lambda channels: GraphConv(channels, channels)},
        {'shared_dropout': True, 'checkpoint_every': 2},
        {'jk': [0, 2, -1]},
    ],
)
def test_gradients_equal_the_plain_stack(graph, kwargs):
    model = RevGNN(5, 8, 5, 3, dropout=0.5, **kwargs).double()
    ours = grads(model, graph.x, graph.edge_index)
    model.blocks.enabled = False
    theirs = grads(model, graph.x, graph.edge_index)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-12)


def test_shared_dropout_is_one_mask(graph):
    model = RevGNN(
        5, 8, 3, 2, norm=None, dropout=0.5, shared_dropout=True
    ).double()
    seen = []
    for layer in model.blocks.layers:
        for block in layer.convs:
            block.conv.register_forward_pre_hook(
                lambda m, args: seen.append(args[0] != 0)
            )
    with torch.no_grad():
        model.lin_in.weight.fill_(1.0)
        model.lin_in.bias.fill_(9.0)
        for block in model.blocks.layers.modules():
            if hasattr(block, 'lin'):
                block.lin.weight.abs_()
        model(graph.x, graph.edge_index)
    assert len(seen) == 6
    assert all(torch.equal(seen[0], kept) for kept in seen)
    assert 0 < seen[0].sum() < seen[0].numel()


def test_weight_tied_has_the_parameters_of_one_block():
    def count(**kwargs):
        model = RevGNN(5, 8, **kwargs, out_channels=2)
        return sum(p.numel() for p in model.parameters())

    assert count(num_layers=50, weight_tied=True) == count(num_layers=1)


def test_fast_inputs_give_the_same(graph):
    x = graph.x * (graph.x > 0.5)
    model = RevGNN(5, 8, 4, 2).double()
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    ours = grads(model, CSRTensor.from_dense(x), adj)
    theirs = grads(model, x, graph.edge_index)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-12)


def test_jumping_knowledge_of_all_blocks(graph):
    models = []
    for jk in ('cat', [0, 1, 2]):
        torch.manual_seed(0)
        models.append(RevGNN(graph.num_features, 8, 3, 2, jk=jk).eval())
    one, other = (m(graph.x.float(), graph.edge_index) for m in models)
    assert torch.equal(one, other)


def test_errors():
    with pytest.raises(ValueError, match=r"jk must be one of cat .*'max'"):
        RevGNN(4, 8, 3, 2, jk='max')
    with pytest.raises(ValueError, match=r'num_groups=2 \(got 7\)'):
        RevGNN(5, 7, 2, 2)
    with pytest.raises(ValueError, match=r"gen or callable \(got 'gnc'\)"):
        RevGNN(5, 8, 2, 2, conv='gnc')
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        RevGNN(5, 8, 0, 2)
    with pytest.raises(ValueError, match='norm must be one of'):
        RevGNN(5, 8, 2, 2, norm='l2')


def test_dropout_of_the_head(graph):
    """By default that of the blocks; else the blocks have none of it."""
    assert RevGNN(5, 8, 2, 2, dropout=0.3).head_dropout.p == 0.3
    model = RevGNN(5, 8, 2, 2, dropout=0.0, head_dropout=0.5).double()
    rates = {
        block.dropout.p for pair in model.blocks.layers for block in pair.convs
    }
    assert rates == {0.0}
    torch.manual_seed(0)
    first, second = (model(graph.x, graph.edge_index) for _ in range(2))
    assert not torch.equal(first, second)
    model.head_dropout.p = 0.0
    first, second = (model(graph.x, graph.edge_index) for _ in range(2))
    assert torch.equal(first, second)


def test_as_many_parameters_as_the_authors_state():
    """RevGNN-Deep and RevGNN-Wide on ogbn-proteins: 20,031,384 and
    68,471,608, of which 72 are a linear layer on the species that a linear
    layer follows.
    """
    for layers, channels, stated in (
        (1001, 80, 20_031_384),
        (448, 224, 68_471_608),
    ):
        with torch.device('meta'):
            model = RevGNN(
                *(16, channels, layers, 112),
                conv='gen',
                edge_dim=8,
                conv_kwargs={'aggr': 'max', 'norm': 'layer', 'bias': True},
            )
        assert sum(p.numel() for p in model.parameters()) == stated - 72


def test_edge_features(graph):
    model = RevGNN(5, 8, 3, 2, conv='gen', edge_dim=3).double().eval()
    attr = torch.rand(17, 3).double().requires_grad_()
    out = model(graph.x, graph.edge_index, edge_attr=attr)
    out.square().sum().backward()
    assert attr.grad.abs().sum() > 0
    assert all(p.grad is not None for p in model.parameters())
    model.blocks.enabled = False
    plain = attr.detach().clone().requires_grad_()
    model(graph.x, graph.edge_index, edge_attr=plain).square().sum().backward()
    assert torch.allclose(attr.grad, plain.grad)
    with pytest.raises(ValueError, match=r"\(got conv='sage'\)"):
        RevGNN(5, 8, 3, 2, conv='sage', edge_dim=3)
    with pytest.raises(ValueError, match='edge_dim, which is 3'):
        model(graph.x, graph.edge_index)


def test_weights_without_effect_are_refused(graph):
    inputs = graph.x, graph.edge_index, graph.edge_weight
    for conv in ('sage', 'gat', 'gen'):
        model = RevGNN(5, 8, 2, 2, conv=conv).double()
        with pytest.raises(ValueError, match='edge_weight has no effect'):
            model(*inputs)
        with pytest.raises(ValueError, match='from 0 to 7 '):
            model(graph.x, graph.edge_index + 2)
    model = RevGNN(
        *(5, 8, 2, 2), conv=lambda channels: GraphConv(channels, channels)
    ).double()
    assert not torch.equal(model(*inputs), model(*inputs[:2]))
    with pytest.raises(ValueError, match=r'shape \[17\]'):
        model(*inputs[:2], graph.edge_weight[1:])
