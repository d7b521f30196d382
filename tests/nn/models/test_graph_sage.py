import subprocess
import sys

import pytest
import torch
from torch_geometric.nn import GraphConv, SAGEConv

from pyg_ext.nn import GraphSAGE
from pyg_ext.nn.models.graph_sage import MeanConv
from pyg_ext.utils import CSRTensor


def test_explanations_after_a_layer_of_pyg():
    """PyG compiles the class of a layer when the first one is made, so that
    this asks a new process.
    """
    code = """
import torch
from torch_geometric.explain.algorithm.utils import set_masks
from torch_geometric.nn import GraphConv
from pyg_ext.nn import GraphSAGE

GraphConv(5, 8)
edges = torch.tensor([[4, 3, 0, 2, 1], [5, 4, 1, 3, 2]])
mask = torch.nn.Parameter(torch.ones(5))
model = GraphSAGE(5, 8, 2, 2).eval()
set_masks(model, mask, edges, apply_sigmoid=False)
out = model(torch.rand(6, 5), edges)[2].square().sum()
(grad,) = torch.autograd.grad(out, mask)
assert (grad != 0.0).tolist() == [False, False, True, False, True], grad
"""
    subprocess.run([sys.executable, '-c', code], check=True)


@pytest.mark.parametrize('project', [False, True])
@pytest.mark.parametrize('aggr', ['mean', 'max'])
def test_layers_are_those_of_pyg(graph, aggr, project):
    if project and aggr == 'mean':
        pytest.skip('the mean of the paper has no projection')
    torch.manual_seed(0)
    model = GraphSAGE(5, 4, 1, 2, aggr=aggr, project=project).double()
    conv = SAGEConv(5, 2, aggr, project=project).double()
    names = {'lin_rel': 'lin_l', 'lin_root': 'lin_r'}  # of GraphConv
    state = model.convs[0].state_dict()
    for ours, theirs in names.items():
        state = {k.replace(ours, theirs): v for k, v in state.items()}
    conv.load_state_dict(state)
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, conv(graph.x, graph.edge_index))


@pytest.mark.parametrize('out', [2, 9])
@pytest.mark.parametrize('bias', [False, True])
def test_the_mean_of_what_the_linear_layer_gives(graph, out, bias):
    """Or takes, whichever is narrower; with weights; the gradients, too."""
    torch.manual_seed(0)
    conv = MeanConv(5, out, bias=bias).double()
    other = GraphConv(5, out, bias=bias).double()
    other.load_state_dict(conv.state_dict())
    edges = graph.edge_index, graph.edge_weight
    want = other(graph.x, *edges)
    wanted = torch.autograd.grad(want.square().sum(), other.parameters())
    for x in (graph.x, CSRTensor.from_dense(graph.x)):
        found = conv(x, *edges)
        assert torch.allclose(found, want)
        grads = torch.autograd.grad(found.square().sum(), conv.parameters())
        assert all(map(torch.allclose, grads, wanted))
    alone = conv((graph.x, None), *edges)
    assert torch.allclose(alone, found - conv.lin_root(graph.x))


@pytest.mark.parametrize('aggr', ['mean', 'max', 'lstm'])
def test_sparse_features(graph, aggr):
    torch.manual_seed(0)
    sparse = CSRTensor.from_dense(graph.x)
    model = GraphSAGE(5, 4, 2, 2, aggr=aggr, lin_in=True).double()
    dense = model(graph.x, graph.edge_index)
    assert torch.allclose(model(sparse, graph.edge_index), dense)
    model = GraphSAGE(5, 4, 2, 2, aggr=aggr).double()
    if aggr == 'mean':
        dense = model(graph.x, graph.edge_index)
        assert torch.allclose(model(sparse, graph.edge_index), dense)
        model = GraphSAGE(-1, 4, 2, 2)
    with pytest.raises(ValueError, match='dense'):
        model(sparse, graph.edge_index)


def test_lstm_reads_neighbors_in_the_order_of_the_edges():
    torch.manual_seed(0)
    model = GraphSAGE(3, 4, 1, 2, aggr='lstm')
    x = torch.rand(3, 3)
    conv = model.convs[0]
    for sources in ([1, 2], [2, 1]):
        out = model(x, torch.tensor([sources, [0, 0]]))
        state = conv.aggr_module.lstm(x[sources])[0][-1]
        assert torch.allclose(out[0], conv.lin_l(state) + conv.lin_r(x[0]))
        assert torch.allclose(out[1], conv.lin_l.bias + conv.lin_r(x[1]))


@pytest.mark.parametrize('aggr', ['max', 'lstm'])
def test_weights_are_not_known(graph, aggr):
    model = GraphSAGE(5, 4, 2, 2, aggr=aggr).double()
    with pytest.raises(ValueError, match='edge_weight has no effect'):
        model(graph.x, graph.edge_index, graph.edge_weight)


def test_width_from_the_first_input(graph):
    model = GraphSAGE(-1, 4, 2, 2, aggr='lstm', lin_in=True)
    out = model(graph.x.float(), graph.edge_index)
    assert out.size() == (8, 2)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'aggr': 'sum'}, r"one of mean, max, lstm \(got 'sum'\)"),
        ({'project': True}, 'project needs aggr="max" or "lstm"'),
        ({'aggr': 'lstm', 'in_channels': -1}, 'in_channels must be known'),
    ],
)
def test_errors(options, message):
    sizes = {'in_channels': 5, 'hidden_channels': 4, 'num_layers': 2}
    with pytest.raises(ValueError, match=message):
        GraphSAGE(**{**sizes, **options})
