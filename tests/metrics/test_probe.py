import copy
import gc
import inspect
import sys
import weakref

import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler
from torch.utils.checkpoint import checkpoint
from torch_geometric.data import Batch
from torch_geometric.nn import GCN as StockGCN
from torch_geometric.nn import GCNConv

from pyg_ext import metrics
from pyg_ext.metrics import OverSmoothingProbe, linear_probe, shared
from pyg_ext.metrics.probe import DEFAULT
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
from pyg_ext.utils import gcn_adj


def test_measures_share_what_they_compute_alike(graph, monkeypatch):
    """And give what each gives alone, to the last bit."""
    states, calls = [], []
    decompose = torch.linalg.svdvals
    monkeypatch.setattr(
        torch.linalg, 'svdvals', lambda x: calls.append(x) or decompose(x)
    )
    model = GCN(5, 8, 4, 2, norm='batch').double()
    for module in model.modules():
        if isinstance(module, HiddenState):
            module.register_forward_hook(
                lambda module, inputs, out: states.append(out.detach())
            )
    x = graph.x.double()
    names = [*DEFAULT, 'mad_rusch', 'smooth_distance', 'feature_correlation']
    with OverSmoothingProbe(model, graph.edge_index, names) as probe:
        model(x, graph.edge_index)
    assert len(calls) == len(states) == 3
    for row, state in zip(probe.rows, states, strict=True):
        for name in names:
            measure = getattr(metrics, name)
            asked = inspect.signature(measure).parameters
            given = [graph.edge_index] if 'edge_index' in asked else []
            assert row[name] == measure(state, *given).item()
    assert shared.MEMO.get() is None


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
    with pytest.raises(
        IndexError, match=r'seen 2 steps .*asked for 2\), in 4'
    ):
        probe.step(2)
    with probe:  # it may go on
        model(graph.x, graph.edge_index)
        with pytest.raises(RuntimeError, match='attached already'):
            probe.__enter__()
    assert probe.to_pandas()['step'].max() == 4


def test_no_hook_is_left_after_an_error(graph):
    model = GCN(5, 8, 3, 2).double()
    with (
        pytest.raises(ValueError, match='x must be'),
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
        ({'layers': ['conv']}, r"no layer 'conv' \(it has: dropout, "),
        ({'layers': torch.nn.Conv2d}, 'GCN has no layer to look at'),
        ({'every': 0}, r'every must be at least 1 \(got 0\)'),
    ],
)
def test_errors(graph, options, message):
    with pytest.raises(ValueError, match=message):
        OverSmoothingProbe(GCN(5, 8, 3, 2), graph.edge_index, **options)


def test_hidden_state_is_its_input():
    x = torch.rand(3, 4)
    assert HiddenState()(x) is x
    assert not [*HiddenState().parameters()]


class Stretch(torch.nn.Module):
    """Multiplies by so much, and may return more than a state."""

    def __init__(self, factor, form=lambda out: out):
        super().__init__()
        self.factor, self.form = factor, form

    def forward(self, x):
        return self.form(x * self.factor)


def stretched(*factors):
    return torch.nn.Sequential(*map(Stretch, factors))


@pytest.mark.parametrize('factor', [float('inf'), float('nan'), 1e300])
def test_states_that_are_not_finite(graph, factor):
    """They are numbers of their own, and do not stop a training."""
    model = stretched(1.0, factor, 1e300, 1.0)
    names = [name for name in metrics.probe.KNOWN if name != 'mad_gap']
    mask = torch.arange(8) < 4
    with OverSmoothingProbe(
        *(model, graph.edge_index, names, Stretch),
        y=torch.arange(8) % 2,
        train_mask=mask,
        test_mask=~mask,
    ) as probe:
        model(graph.x.requires_grad_()).sum().backward()
    table = probe.to_pandas()
    ruined = [False, factor != 1e300, True, True]
    assert table[names].isna().all(axis=1).tolist() == ruined
    assert table['activation'].gt(0).tolist()[:1] == [True]
    found = metrics.diagnose(probe)
    assert found.names[0] == 'not finite'
    assert f'state {ruined.index(True)} of 4 ' in str(found)
    assert len(probe.plot().axes) == 2 + len(names)
    # It fits well, they say, and is still ruined.
    assert metrics.diagnose(probe, 1.0, 1.0).names == ('not finite',)


def test_size_of_large_and_small_states(graph):
    model = stretched(1e200, 1.0, 1e-200)
    with OverSmoothingProbe(model, graph.edge_index, [], Stretch) as probe:
        model(graph.x)
    size = graph.x.square().mean().sqrt().item()
    want = [1e200 * size, 1e200 * size, size]
    assert [row['activation'] for row in probe.rows] == pytest.approx(want)


def test_a_part_of_the_graph_is_refused(graph):
    model = GCN(5, 8, 3, 2).double()
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        model(graph.x, graph.edge_index)
        with pytest.raises(ValueError, match=r'of the 7 nodes .*\(got 3\)'):
            model(graph.x[:3], graph.edge_index[:, :2])
        model(graph.x, graph.edge_index)  # goes on
    assert hooks(model) == 0
    assert [row['step'] for row in probe.rows] == [0, 0, 2, 2]


@pytest.mark.parametrize('form', ['classes', 'adjacency', 'weights'])
def test_another_graph_is_refused(graph, form):
    """Whether larger or smaller."""
    edges, given = graph.edge_index, {}
    if form == 'classes':
        given['y'] = torch.zeros(8, dtype=torch.long)
    elif form == 'weights':
        given['edge_weight'] = graph.edge_weight
    else:
        ones = torch.ones(17)
        edges = torch.sparse_coo_tensor(
            edges.flip(0), ones, (8, 8), check_invariants=True
        )
    model = GCN(5, 8, 3, 2).double()
    large = torch.cat([graph.edge_index, graph.edge_index + 8], dim=1)
    with OverSmoothingProbe(model, edges, **given) as probe:
        model(graph.x, graph.edge_index)
        for x, index in (
            (graph.x.repeat(2, 1), large),
            (graph.x[:3], graph.edge_index[:, :2]),
        ):
            with pytest.raises(ValueError, match=r'nodes of the graph that'):
                model(x, index)
    assert len(probe.rows) == 2


def test_a_larger_graph_is_measured_on_its_own_edges(graph):
    model = GCN(5, 8, 3, 2).double()
    states = []
    model.state.register_forward_hook(
        lambda module, inputs, out: states.append(out.detach())
    )
    edges = graph.edge_index
    large = torch.cat([edges.flip(0), edges + 7, torch.tensor([[0], [9]])], 1)
    with OverSmoothingProbe(model, edges) as probe:
        model(graph.x, edge_index=edges)  # the last node is isolated
        model(graph.x.repeat(2, 1), edge_index=large)
        with pytest.raises(ValueError, match=r'of the 7 nodes .*\(got 16\)'):
            model(graph.x.repeat(2, 1), gcn_adj(large, num_nodes=16))
        # The adjacency has loops at isolated nodes, which change nothing.
        model(graph.x, gcn_adj(edges, num_nodes=8))
    for row, state, own in zip(
        probe.rows, states, [edges, edges, large, large], strict=False
    ):
        assert row['mad'] == metrics.mad(state, own).item()
    assert [row['step'] for row in probe.rows] == [0, 0, 1, 1, 3, 3]


def test_measures_without_edges_see_any_number_of_nodes(graph):
    model = GCN(5, 8, 3, 2).double()
    names = ['numerical_rank', 'smv']
    with OverSmoothingProbe(model, graph.edge_index, names) as probe:
        model(graph.x[:3], graph.edge_index[:, :2])
    assert probe.to_pandas()[names].notna().all().all()


def test_a_measure_that_fails_says_where(graph):
    """What was measured before is kept, and no hook is left."""
    calls = []

    def broken(x):
        calls.append(x)
        if len(calls) == 2:
            raise ArithmeticError('no')
        return 1.0

    model = GCN(5, 8, 3, 2).double()
    probe = OverSmoothingProbe(
        model, graph.edge_index, {'width': lambda x: x.size(1), 'own': broken}
    )
    with pytest.raises(ArithmeticError) as error, probe:
        model(graph.x, graph.edge_index)
    if sys.version_info >= (3, 11):
        notes = ["in 'own' of the output of 'state'"]
        assert error.value.__notes__ == notes
    assert hooks(model) == 0
    assert [row['width'] for row in probe.rows] == [8, 8]
    own = [row['own'] for row in probe.rows]
    assert own[0] == 1.0
    assert own[1] != own[1]
    with probe:  # it may go on
        model(graph.x, graph.edge_index)
    assert len(probe.rows) == 4


def test_no_hook_is_left_where_one_cannot_be_set(graph, monkeypatch):
    model = RevGNN(5, 8, 3, 2)
    probe = OverSmoothingProbe(model, graph.edge_index)

    def refuse(i, fn):
        raise RuntimeError('no')

    monkeypatch.setattr(model.blocks, 'register_state_hook', refuse)
    with pytest.raises(RuntimeError, match='no'):
        probe.__enter__()
    assert hooks(model) == 0


def test_forms_of_output(graph):
    """Tuples begin with the state; a dictionary has none."""
    model = torch.nn.Sequential(
        Stretch(2.0, lambda out: (out, 'more')),
        torch.nn.Flatten(0),
    )
    model[1].forward = lambda pair: pair[0]
    with OverSmoothingProbe(
        model, graph.edge_index, ['mad'], Stretch
    ) as probe:
        model(graph.x)
    want = metrics.mad(graph.x, graph.edge_index).item()
    assert probe.rows[0]['mad'] == pytest.approx(want)
    for form, kind in ((lambda out: {'h': out}, 'dict'), (lambda o: (), 'tu')):
        model = torch.nn.Sequential(Stretch(2.0, form))
        with (
            OverSmoothingProbe(model, graph.edge_index, ['mad'], '0'),
            pytest.raises(ValueError, match=rf"'0' must be .*\(got {kind}"),
        ):
            model(graph.x)


def test_half_states_frozen_layers_and_lost_gradients(graph):
    class Lost(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return None

    model = GCN(5, 8, 3, 2)
    model.convs[0].requires_grad_(False)
    x = graph.x.float()
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        with torch.autocast('cpu', torch.bfloat16):
            model(x, graph.edge_index).float().sum().backward()
        Lost.apply(model(x, graph.edge_index)).sum().backward()
        with torch.inference_mode():
            model(x, graph.edge_index)
    table = probe.to_pandas()
    assert table['step'].tolist() == [0, 0, 1, 1, 2, 2]
    assert table[list(metrics.probe.DEFAULT)].notna().all().all()
    # No gradient reaches what comes from frozen layers alone.
    some = table['gradient'].notna().tolist()
    assert some == [False, True, False, False, False, False]


def test_layers_that_are_called_twice_and_wrapped_models(graph):
    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = GCNConv(5, 5)

        def forward(self, x, edge_index):
            return self.conv(self.conv(x, edge_index), edge_index)

    model = torch.nn.DataParallel(Twice().double())
    with OverSmoothingProbe(model, graph.edge_index, 'mad') as probe:
        model(graph.x, graph.edge_index).sum().backward()
    table = probe.to_pandas()
    assert table['layer'].tolist() == [0, 1]
    assert table['module'].tolist() == 2 * ['module.conv']
    assert table[['mad', 'gradient']].notna().all().all()


def test_several_graphs_are_one(graph):
    joint = Batch.from_data_list([graph, graph])
    model = GCN(5, 8, 3, 2).double()
    with OverSmoothingProbe(model, joint.edge_index, ['mad']) as probe:
        model(joint.x, joint.edge_index)
        model(graph.x.repeat(2, 1), joint.edge_index)
    with OverSmoothingProbe(model, graph.edge_index, ['mad']) as alone:
        model(graph.x, graph.edge_index)
    for row, own in zip(probe.rows, 2 * alone.rows, strict=True):
        assert row['mad'] == pytest.approx(own['mad'])
