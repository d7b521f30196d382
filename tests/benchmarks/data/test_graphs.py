import pytest
import torch
from torch_geometric.data import Data

from benchmarks.data.graphs import Graphs, one_hot
from benchmarks.data.metrics import METRICS, num_outputs
from benchmarks.data.protocols import PROTOCOLS
from benchmarks.errors import UsageError
from benchmarks.methods import spec as methods
from benchmarks.recipes import presets
from benchmarks.training import graphs as train_graphs


def test_one_hot():
    out = one_hot(torch.tensor([[0, 1], [2, 0]]), [3, 2])
    assert out.tolist() == [[1, 0, 0, 0, 1], [0, 0, 1, 1, 0]]
    for wrong in ([[3, 0]], [[0, -1]]):
        with pytest.raises(ValueError, match=r'in \[0, size\) of \[3, 2\]'):
            one_hot(torch.tensor(wrong), [3, 2])


def test_one_hot_and_a_linear_layer_are_embeddings():
    from ogb.graphproppred.mol_encoder import AtomEncoder
    from ogb.utils.features import get_atom_feature_dims

    sizes, encoder = get_atom_feature_dims(), AtomEncoder(4)
    x = torch.stack([torch.randint(size, (7,)) for size in sizes], dim=1)
    weight = torch.cat([e.weight for e in encoder.atom_embedding_list])
    assert torch.allclose(one_hot(x, sizes) @ weight, encoder(x))


def make(size, labelled):
    """Rings and chains of 6; who is which shows in the edges only."""
    graphs = []
    for i in range(size):
        row = torch.arange(6 if i % 2 else 5)
        col = (row + 1) % 6
        edges = torch.stack([torch.cat([row, col]), torch.cat([col, row])])
        kind = torch.full((edges.size(1), 1), i % 2)
        x = torch.randint(3, (6, 1))
        y = labelled(i % 2)
        graphs.append(Data(x=x, edge_index=edges, edge_attr=kind, y=y))
    third = torch.arange(size).chunk(3)
    split = dict(zip(('train', 'val', 'test'), third, strict=True))
    return Graphs(graphs, split, [3], [2])


def run(spec, metric, data, depth=2, **config):
    method = methods.parse(spec)
    overrides = {'hidden_channels': 8, 'epochs': 15, 'lr': 0.02, **config}
    config = presets.configure('ogb', 'ogbg-molesol', method, overrides)
    network, recipe = presets.split(config, method, depth)
    protocol = PROTOCOLS[f'ogb-scaffold-{metric}']
    return train_graphs.run(network, data, recipe, protocol, seed=0)


SPECS = ['gcn', 'gin', 'deepergcn', 'gin+virtual', 'gcn+res', 'gcn+jump']


@pytest.mark.parametrize('spec', SPECS)
def test_methods_learn_from_edge_features(spec):
    torch.manual_seed(0)
    data = make(60, lambda ring: torch.tensor([[ring]]))
    scores = run(spec, 'rocauc', data, dropout=0.0)
    assert scores['test'] > 0.9
    again = run(spec, 'rocauc', data, dropout=0.0)
    measured = {'seconds', 'peak_mb'}
    assert {k: v for k, v in scores.items() if k not in measured} == {
        k: v for k, v in again.items() if k not in measured
    }


def test_methods_without_edge_features():
    data = make(60, lambda ring: torch.tensor([[ring]]))
    assert run('mlp', 'rocauc', data)['test'] < 0.9  # sees the nodes only


def test_regression_and_its_direction():
    data = make(60, lambda ring: torch.tensor([[2.0 * ring]]))
    scores = run('gin', 'rmse', data, dropout=0.0, epochs=30)
    assert scores['test'] < 0.5  # 1 for a constant
    assert scores['val'] <= scores['test'] + 0.5


def test_several_tasks_with_unknown_labels():
    nan = torch.nan
    data = make(60, lambda ring: torch.tensor([[ring, 1.0 - ring, nan]]))
    for i in data.split['train']:
        data.graphs[i].y[0, 2] = 0.0
    for part in ('val', 'test'):
        for i in data.split[part]:
            data.graphs[i].y[0, 2] = data.graphs[i].y[0, 0]
    scores = run('gin', 'ap', data, dropout=0.0)
    assert scores['test'] > 0.6


def test_metrics_on_paper():
    nan = torch.nan
    out = torch.tensor([[2.0], [1.0], [0.0], [-1.0]])
    y = torch.tensor([[1.0], [0.0], [1.0], [nan]])
    assert METRICS['rocauc'].score(out, y) == pytest.approx(0.5)
    assert METRICS['ap'].score(out, y) == pytest.approx((1 + 2 / 3) / 2)
    assert METRICS['rmse'].score(out[:3], y[:3]) == pytest.approx(
        (3 / 3) ** 0.5
    )
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    assert METRICS['rocauc'].loss(out, y) == bce(out[:3], y[:3])
    assert METRICS['rmse'].loss(out, y) == 1.0  # of those that are known
    mae = METRICS['mae']
    errors = (out[:3] - y[:3]).abs().mean()
    assert mae.score(out, y) == mae.loss(out, y) == errors
    assert (mae.direction, mae.scale) == ('min', 1)
    assert num_outputs(torch.tensor([0, 3, 1])) == 4
    assert num_outputs(y) == 1


def test_errors_before_any_run():
    for spec, text in (
        ('gcn+ppr', 'the edges of one graph, not of many'),
        ('gcn+dropedge', 'the edges of one graph, not of many'),
    ):
        with pytest.raises(UsageError, match=text):
            presets.configure('ogb', 'ogbg-molesol', methods.parse(spec), {})
    gcn = methods.parse('gcn')
    with pytest.raises(
        UsageError, match=r'must be nothing of a batch \(got batch_size\)'
    ):
        presets.configure('classic', 'cora', gcn, {'batch_size': 8})
    with pytest.raises(UsageError, match='batch_size must be a whole'):
        presets.configure('ogb', 'ogbg-molesol', gcn, {'batch_size': 0})


def test_a_remedy_goes_before_the_recipe():
    config = presets.configure(
        'ogb', 'ogbg-molesol', methods.parse('gcn+pair'), {}
    )
    assert 'norm' not in config
    config = presets.configure('ogb', 'ogbg-molesol', methods.parse('gcn'), {})
    assert config['norm'] == 'batch'


def test_miou_on_paper():
    out = torch.eye(3)[[0, 0, 1, 1, 2]]
    y = torch.tensor([0, 1, 1, 1, 2])
    iou = (1 / 2, 2 / 3, 1)  # of the classes
    assert METRICS['miou'].score(out, y) == pytest.approx(sum(iou) / 3)


def test_accuracy_is_that_of_ogb():
    from ogb.nodeproppred import Evaluator

    torch.manual_seed(0)
    out, y = torch.randn(50, 40), torch.randint(40, (50,))
    given = {'y_pred': out.argmax(1, keepdim=True), 'y_true': y.view(-1, 1)}
    theirs = Evaluator('ogbn-arxiv').eval(given)['acc']
    assert METRICS['accuracy'].score(out, y) == pytest.approx(theirs)
