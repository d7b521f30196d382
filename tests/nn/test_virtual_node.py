import pytest
import torch

from pyg_ext.nn import GCN, GIN, VirtualNode


def identity(node):
    """Makes the perceptrons sums, of what is not negative."""
    for mlp in node.mlps:
        mlp.forward = lambda x: x
    return node


def test_on_paper():
    node = identity(VirtualNode(2, num_layers=3))
    x = torch.tensor([[1.0, 0.0], [2.0, 1.0], [5.0, 5.0]])
    batch = torch.tensor([0, 0, 1])
    x, state = node(0, x, batch)
    assert state.tolist() == [[3, 1], [5, 5]]
    assert x.tolist() == [[4, 1], [5, 2], [10, 10]]
    x, state = node(1, x, batch, state)
    assert state.tolist() == [[9 + 3, 3 + 1], [15, 15]]
    assert x.tolist() == [[16, 5], [17, 6], [25, 25]]


def test_one_graph_needs_no_batch():
    node = VirtualNode(4, num_layers=2).eval()
    x = torch.rand(5, 4)
    alone = node(0, x)[0]
    assert torch.allclose(node(0, x, torch.zeros(5).long())[0], alone)
    node.train()(0, x)  # a single row in a batch norm is no error


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_half_types_sum_up_many_nodes(dtype):
    node = identity(VirtualNode(1, num_layers=2))
    x = torch.ones(6000, 1, dtype=dtype)
    _, state = node(0, x, torch.arange(6000) % 2)
    assert state.dtype == dtype
    assert state.view(-1).tolist() == pytest.approx([3000, 3000], rel=0.01)


def test_errors():
    node, x = VirtualNode(4, num_layers=3).eval(), torch.rand(5, 4)
    graphs = torch.tensor([0, 0, 1, 1, 1])
    for bad in (graphs[:1], graphs - 1, graphs.float(), graphs > 0):
        with pytest.raises(ValueError, match='batch must'):
            node(0, x, bad)
    for layer in (-1, 2):
        with pytest.raises(ValueError, match=rf'in \[0, 1\] \(got {layer}\)'):
            node(layer, x)
    _, state = node(0, x)
    with pytest.raises(ValueError, match=r'\[2, 4\] and \[1, 4\]'):
        node(1, x, graphs, state)
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        VirtualNode(4, 0)


@pytest.mark.parametrize('model', [GCN, GIN])
def test_joins_all_nodes_of_a_graph_and_no_others(graph, model):
    """In float64: the isolated node hears of the others of its graph."""
    x = graph.x.clone()
    batch = torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    x = torch.cat([x, x[:2]])

    def reach(**kwargs):
        net = model(5, 8, 2, 2, lin_in=True, lin_out=True, **kwargs).double()
        net.eval()
        given = x.clone().requires_grad_()
        net(given, graph.edge_index, batch=batch)[7].sum().backward()
        return given.grad.abs().sum(1).nonzero().view(-1).tolist()

    torch.manual_seed(0)
    assert reach() == [7]
    assert reach(virtual_node=True) == list(range(8))


def test_gradients_and_parameters(graph):
    model = GCN(5, 4, 3, 2, lin_in=True, lin_out=True, virtual_node=True)
    model.double()
    batch = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    model(graph.x, graph.edge_index, batch=batch).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    before = [
        p.clone() for p in model.virtual_node.parameters() if p.dim() > 1
    ]
    model.reset_parameters()
    after = [p for p in model.virtual_node.parameters() if p.dim() > 1]
    assert all(
        not torch.equal(a, b) for a, b in zip(before, after, strict=True)
    )
    assert str(model.virtual_node) == 'VirtualNode(4, num_layers=3)'


@pytest.mark.parametrize(
    'kwargs',
    [{}, {'lin_in': True}, {'lin_in': True, 'lin_out': True, 'skip': 'dense'}],
)
def test_needs_states_of_one_width(kwargs):
    with pytest.raises(ValueError, match='states of one width'):
        GCN(5, 8, 3, 2, virtual_node=True, **kwargs)
