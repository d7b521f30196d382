import dataclasses

import pytest
import torch

from benchmarks.data import datasets, graphs, metrics
from benchmarks.data.metrics import log_cross_entropy
from benchmarks.data.protocols import PROTOCOLS
from benchmarks.methods.network import Network
from benchmarks.methods.spec import parse
from benchmarks.recipes.recipe import Recipe
from benchmarks.training import fit, nodes
from benchmarks.training.label_reuse import LabelReuse


class Recorder(torch.nn.Module):
    """Says class 1 for all, and keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.given = []

    def forward(self, x, adj):
        self.given.append(x)
        return torch.tensor([[0.0, 200.0]]).expand(len(x), 2)


def test_what_is_seen():
    y, train_nodes = torch.tensor([0, 1, 0, 0]), torch.tensor([0, 1, 2])
    model = LabelReuse(Recorder(), y, train_nodes, 2, rate=0.5, steps=1)
    torch.manual_seed(0)
    learned = model.draw()
    seen = sorted({0, 1, 2} - set(learned.tolist()))
    assert 0 < len(seen) < 3
    model(torch.zeros(4, 1), None)
    first, second = model.model.given
    for i in range(4):
        label = [0.0, 0.0]
        if i in seen:
            label[y[i]] = 1.0
        assert first[i, 1:].tolist() == label
        assert second[i, 1:].tolist() == (label if i in seen else [0.0, 1.0])
    model.eval()(torch.zeros(4, 1), None)
    assert model.model.given[2][:, 1:].tolist() == [
        [1, 0],
        [0, 1],
        [1, 0],
        [0, 0],
    ]


def test_the_loss_is_of_labels_that_were_not_seen():
    data = datasets.load('digits')
    x, y, index = nodes.prepare(data, Recipe())
    inner = torch.nn.Linear(64 + 10, 10)

    class OnNodes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, x, adj):
            return self.inner(x)

    model = LabelReuse(OnNodes(), y, index['train'], 10, 0.5, 0)
    taken = []
    metric = metrics.METRICS['accuracy']

    def loss(out, target):
        taken.append(len(target))
        return metric.loss(out, target)

    watched = dataclasses.replace(metric, loss=loss)
    optimizer = torch.optim.Adam(model.parameters())
    nodes.epoch(model, x, None, y, index, optimizer, watched)
    assert taken[0] == 50 - len(model.drawn)


def test_revgat_learns_with_all_of_its_recipe():
    recipe = Recipe(
        lr=0.002,
        weight_decay={
            'first': 1e-4,
            'blocks': 0,
            'norm': 0,
            'last': 0,
            'bias': 0,
        },
        epochs=40,
        optimizer='rmsprop',
        warmup=10,
        loss='log',
        label_rate=0.5,
        label_steps=1,
    )
    options = {'hidden_channels': 8, 'dropout': 0.2, 'edge_dropout': 0.3}
    network = Network(parse('revgat'), 4, options)
    protocol = PROTOCOLS['digits-5-per-class']
    scores = nodes.run(network, datasets.load('digits'), recipe, protocol, 0)
    assert scores['test'] > 0.6


def test_log_cross_entropy_on_paper():
    even = torch.zeros(3, 2)  # a cross entropy of log 2
    y = torch.tensor([0, 1, 1])
    shift = 1 - torch.tensor(2.0).log()
    assert log_cross_entropy(even, y) == pytest.approx(-shift.log().item())
    sure = torch.tensor([[99.0, 0.0]])
    assert log_cross_entropy(sure, torch.tensor([0])).abs() < 1e-6


def test_warmup(monkeypatch):
    rates = []
    model = torch.nn.Linear(1, 1)

    def once(optimizer):
        rates.append(optimizer.param_groups[0]['lr'])
        return 1.0, 1.0, dict.fromkeys(graphs.SPLITS, 0.5)

    recipe = Recipe(lr=0.4, epochs=6, warmup=4)
    fit.fit(model, once, recipe, metrics.METRICS['accuracy'])
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_decay_after():
    seen = []
    model = torch.nn.Linear(1, 1)

    def once(optimizer):
        seen.append([g['weight_decay'] for g in optimizer.param_groups])
        return 1.0, 1.0, dict.fromkeys(graphs.SPLITS, 0.5)

    decay = {'weight': 0.1, 'bias': 0.0}
    recipe = Recipe(epochs=4, weight_decay=decay, decay_after=2)
    fit.fit(model, once, recipe, metrics.METRICS['accuracy'])
    assert seen == [[0.0, 0.0]] * 2 + [[0.1, 0.0]] * 2


def test_plateau():
    """As PyTorch's schedule has it."""
    torch.manual_seed(0)
    scores = torch.rand(60).mul(10).round().div(10).tolist()
    scores[20:50] = [0.0] * 30
    rates, wanted = [], []
    model = torch.nn.Linear(1, 1)
    other = torch.optim.Adam(model.parameters(), lr=0.4)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        other, mode='max', factor=0.5, patience=3
    )

    def once(optimizer):
        rates.append(optimizer.param_groups[0]['lr'])
        wanted.append(other.param_groups[0]['lr'])
        score = scores[len(rates) - 1]
        schedule.step(score)
        return 1.0, 1.0, dict.fromkeys(graphs.SPLITS, score)

    recipe = Recipe(lr=0.4, epochs=60, select='metric', plateau=3)
    fit.fit(model, once, recipe, metrics.METRICS['accuracy'])
    assert rates == wanted
    assert len({*rates}) > 4


def test_a_halved_rate_outlives_a_stop():
    class Stored:  # a checkpoint after epoch 1
        def begin(self, model, optimizer, moved):
            assert moved
            return 1, {}

        def seed(self, number):
            pass

        def end(self, *given):
            pass

    def once(optimizer):
        return 1.0, 1.0, dict.fromkeys(graphs.SPLITS, 0.5)

    recipe = Recipe(epochs=2, select='metric', plateau=3)
    accuracy = metrics.METRICS['accuracy']
    fit.fit(torch.nn.Linear(1, 1), once, recipe, accuracy, Stored())


@pytest.mark.parametrize('other', [{'warmup': 4}, {'select': 'last'}])
def test_plateau_alone(other):
    with pytest.raises(ValueError, match='plateau halves'):
        Recipe(plateau=3, **other)


@pytest.mark.parametrize(
    'wrong',
    [
        {'loss': 'x'},
        {'optimizer': 'x'},
        {'warmup': 0},
        {'decay_after': 0},
        {'plateau': 0},
        {'label_rate': 1.0},
        {'label_steps': 1},
        {'label_rate': 0.5, 'label_steps': -1},
    ],
)
def test_wrong_values(wrong):
    with pytest.raises(ValueError, match='must be'):
        Recipe(**wrong)
