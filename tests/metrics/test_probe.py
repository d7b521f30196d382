import copy
import gc
import weakref

import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler
from torch.utils.checkpoint import checkpoint
from torch_geometric.nn import GCN as StockGCN
from torch_geometric.nn import GCNConv

from pyg_ext import metrics
from pyg_ext.metrics import OverSmoothingProbe, linear_probe
from pyg_ext.nn import (
    DAGNN,
    GCN,
    GCNII,
    GPRGNN,
    SGC,
    APPNPNet,
    DeeperGCN,
    HiddenState,
    NodeMLP,
    RevGNN,
)

COUNTS = [
    (GCN(5, 8, 4, 2), 3),
    (GCN(5, 8, 4, 2, lin_in=True, lin_out=True, skip='initial'), 5),
    (GCN(5, 8, 4, 2, jk='cat'), 4),
    (GCNII(5, 8, 4, 2), 5),
    (APPNPNet(5, 8, 4, 2), 5),
    (DAGNN(5, 8, 4, 2), 5),
    (GPRGNN(5, 8, 4, 2), 5),
    (SGC(5, 4, 2), 4),
    (NodeMLP(5, 8, 4, 2), 3),
    (DeeperGCN(5, 8, 4, 2, norm='layer'), 4),
    (RevGNN(5, 8, 4, 2), 4),
    (StockGCN(5, 8, 4, 2), 4),
]


def hooks(model):
    return sum(
        len(hooks)
        for module in model.modules()
        for hooks in (
            module._forward_hooks,
            module._forward_pre_hooks,
            module._backward_hooks,
            *getattr(module, '_state_hooks', {}).values(),
        )
    )


@pytest.mark.parametrize(
    ('model', 'states'), COUNTS, ids=lambda value: type(value).__name__
)
def test_any_model(graph, model, states):
    """All states and gradients are seen; nothing is changed or left."""
    model = copy.deepcopy(model).double()
    before = hooks(model)
    out = model(graph.x, graph.edge_index)
    grads = torch.autograd.grad(out.sum(), [*model.parameters()])
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        probed = model(graph.x, graph.edge_index)
        again = torch.autograd.grad(probed.sum(), [*model.parameters()])
    assert torch.equal(probed, out)
    assert all(map(torch.equal, grads, again))
    assert hooks(model) == before
    table = probe.to_pandas()
    assert table['layer'].tolist() == [*range(states)]
    assert table['step'].eq(0).all()
    assert table['activation'].gt(0).all()
    measured = table[list(metrics.probe.DEFAULT)]
    assert measured.notna().all().all()
    # SGC has no gradient to its states, which need none.
    assert table['gradient'].notna().all() == (type(model) is not SGC)


def test_states_are_measured(graph):
    model = GCN(5, 8, 3, 2, skip='res').double()
    seen = []
    handle = model.state.register_forward_hook(
        lambda module, inputs, out: seen.append(out)
    )
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        out = model(graph.x, graph.edge_index)
        out.square().sum().backward()
    handle.remove()
    grads = []
    for row, state in zip(probe.rows, seen, strict=True):
        energy = metrics.dirichlet_energy(state, graph.edge_index)
        assert row['dirichlet_energy'] == energy.item()
        assert row['mad'] == metrics.mad(state, graph.edge_index).item()
        size = state.square().mean().sqrt().item()
        assert row['activation'] == pytest.approx(size)
    out = model(graph.x, graph.edge_index)
    h = model.convs[0](graph.x, *model.prepare(graph.edge_index, None, out))
    h = h.relu().detach().requires_grad_()
    edges = model.prepare(graph.edge_index, None, h)
    last = model.convs[1](h, *edges).relu() + h
    last.retain_grad()
    model.convs[2](last, *edges).square().sum().backward()
    for row, state in zip(probe.rows, (h, last), strict=True):
        grads.append(state.grad.square().mean().sqrt().item())
        assert row['gradient'] == pytest.approx(grads[-1])


def test_reversible_and_plain_stacks_agree(graph):
    """Gradients of states that are never stored."""
    model = RevGNN(5, 8, 6, 2, dropout=0.5).double()
    tables = []
    for enabled in (True, False):
        model.blocks.enabled = enabled
        torch.manual_seed(0)
        with OverSmoothingProbe(model, graph.edge_index) as probe:
            model(graph.x, graph.edge_index).square().sum().backward()
        tables.append(probe.to_pandas().drop(columns='module'))
    assert len(tables[0]) == 6
    assert torch.allclose(
        *(torch.from_numpy(table.to_numpy(float)) for table in tables)
    )


def test_evaluation_before_the_backward_pass(graph):
    """Gradients go to the step that they belong to."""
    model = RevGNN(5, 8, 3, 2).double()
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        out = model(graph.x, graph.edge_index)
        with torch.no_grad():
            model(graph.x, graph.edge_index)
        out.sum().backward()
    table = probe.to_pandas()
    assert table['gradient'].notna().tolist() == [True] * 3 + [False] * 3


def test_tied_blocks_are_layers_of_their_own(graph):
    model = RevGNN(5, 8, 4, 2, weight_tied=True).double()
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        model(graph.x, graph.edge_index).sum().backward()
    assert probe.to_pandas()['layer'].tolist() == [0, 1, 2, 3]
    assert probe.to_pandas()['gradient'].notna().all()


def test_what_is_computed_again_does_not_count(graph):
    class Checkpointed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = torch.nn.ModuleList(GCNConv(5, 5) for _ in range(3))

        def forward(self, x, edge_index):
            for conv in self.convs:
                x = checkpoint(conv, x, edge_index, use_reentrant=False)
            return x

    model = Checkpointed().double()
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        model(graph.x, graph.edge_index).sum().backward()
        model(graph.x, graph.edge_index).sum().backward()
    table = probe.to_pandas()
    assert table['step'].tolist() == [0, 0, 0, 1, 1, 1]
    assert table['module'].tolist() == 2 * ['convs.0', 'convs.1', 'convs.2']
    assert table['gradient'].notna().all()


def test_steps(graph):
    model = GCN(5, 8, 3, 2).double()
    probe = OverSmoothingProbe(model, graph.edge_index, every=2)
    with probe:
        for training in (True, False, True, True):
            model.train(training)
            model(graph.x, graph.edge_index)
    model(graph.x, graph.edge_index)  # outside
    table = probe.to_pandas()
    assert table['step'].tolist() == [0, 0, 2, 2]
    assert table['training'].tolist() == [True] * 4
    assert [row['step'] for row in probe.step(0)] == [0, 0]
    assert [row['step'] for row in probe.step()] == [2, 2]
    with pytest.raises(IndexError, match=r'seen 2 steps \(asked for 2\)'):
        probe.step(2)
    with probe:  # it may go on
        model(graph.x, graph.edge_index)
        with pytest.raises(RuntimeError, match='attached already'):
            probe.__enter__()
    assert probe.to_pandas()['step'].max() == 4


def test_no_hook_is_left_after_an_error(graph):
    model = GCN(5, 8, 3, 2).double()
    with (
        pytest.raises(RuntimeError),
        OverSmoothingProbe(model, graph.edge_index),
    ):
        model(graph.x[:, :2], graph.edge_index)
    assert hooks(model) == 0


def test_states_are_not_kept(graph):
    model = GCN(5, 8, 3, 2).double()
    states = []
    model.state.register_forward_hook(
        lambda module, inputs, out: states.append(weakref.ref(out))
    )
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        out = model(graph.x, graph.edge_index)
        out.sum().backward()
        del out
        gc.collect()
        assert len(states) == 2
        assert all(state() is None for state in states)
    assert len(probe.rows) == 2


def test_chosen_layers_and_measures(graph):
    model = GCN(5, 8, 3, 2, skip='res').double()
    measures = {
        'width': lambda x: x.size(1),
        'edges': lambda x, edge_index: edge_index.size(1),
    }
    for layers in (['convs.0', 'convs.2'], [model.convs[0], model.convs[2]]):
        probe = OverSmoothingProbe(model, graph.edge_index, measures, layers)
        with probe:
            model(graph.x, graph.edge_index)
        assert [row['module'] for row in probe.rows] == ['convs.0', 'convs.2']
        assert [row['width'] for row in probe.rows] == [8, 2]
        assert [row['edges'] for row in probe.rows] == [17, 17]
    with OverSmoothingProbe(model, graph.edge_index, [], GCNConv) as probe:
        model(graph.x, graph.edge_index)
    assert len(probe.rows) == 3
    assert str(probe) == 'OverSmoothingProbe(layers=3, measures=[])'


def test_labels_are_given_to_what_asks_for_them(graph):
    model = GCN(5, 8, 3, 2).double()
    y = torch.arange(8) % 2
    mask = torch.arange(8) < 5
    names = ['linear_probe', 'group_distance_ratio', 'smooth_distance']
    probe = OverSmoothingProbe(
        *(model, graph.edge_index, names),
        y=y,
        train_mask=mask,
        test_mask=~mask,
    )
    with probe:
        model(graph.x, graph.edge_index)
    assert all(0 <= row['linear_probe'] <= 1 for row in probe.rows)
    assert all(row['group_distance_ratio'] > 0 for row in probe.rows)


def test_linear_probe_is_a_ridge_classifier():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(300, 12, generator=draw)
    x[:, 3] = 1.0  # says nothing, and has no deviation
    y = (x[:, :3] + torch.randn(300, 3, generator=draw)).argmax(1)
    train = torch.arange(300) < 80
    scaler = StandardScaler().fit(x[train].double())
    ridge = RidgeClassifier(alpha=1.0)
    ridge.fit(scaler.transform(x[train].double()), y[train])
    want = ridge.score(scaler.transform(x[~train].double()), y[~train])
    assert linear_probe(x, y, train, ~train).item() == pytest.approx(want)
    assert want > 0.5  # of three classes


def test_plot(graph):
    model = GCN(5, 8, 5, 2).double()
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        model(graph.x, graph.edge_index).sum().backward()
    figure = probe.plot()
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ['activation', 'gradient', 'dirichlet energy']
    assert all(len(axes.lines[0].get_xdata()) == 4 for axes in figure.axes)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'measures': ['madd']}, "measure must be one of .*'madd'"),
        ({'measures': ['linear_probe']}, "'linear_probe' needs y"),
        ({'layers': ['conv']}, r"no layer 'conv' \(it has: state, "),
        ({'layers': torch.nn.Conv2d}, 'GCN has no layer to look at'),
        ({'every': 0}, r'every must be an integer, at least 1 \(got 0\)'),
    ],
)
def test_errors(graph, options, message):
    with pytest.raises(ValueError, match=message):
        OverSmoothingProbe(GCN(5, 8, 3, 2), graph.edge_index, **options)


def test_hidden_state_is_its_input():
    x = torch.rand(3, 4)
    assert HiddenState()(x) is x
    assert not [*HiddenState().parameters()]
