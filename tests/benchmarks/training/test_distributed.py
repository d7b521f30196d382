import re
import weakref
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch_geometric.typing import WITH_TORCH_SPARSE

from benchmarks.cli import main
from benchmarks.data import datasets
from benchmarks.data.metrics import METRICS
from benchmarks.methods.backbones import BACKBONES
from benchmarks.methods.network import Network
from benchmarks.methods.spec import parse
from benchmarks.recipes.recipe import SPARSE, Recipe
from benchmarks.training import nodes
from benchmarks.training import parts as batches
from benchmarks.training.distributed import ALONE, group, started

# On the digits, of whose 50 training nodes each process has half.
LEARN = {n for n, b in BACKBONES.items() if not b.transductive}
SPECS = sorted(LEARN | {'gcn+res', 'gcn+jump', 'deepgcn+res'})
OPTIONS = {  # where a model has them
    'checkpoint_blocks': True,
    'hidden_channels': 16,
    'dropout': 0.0,
}
PARTS = {
    'random': {'parts': 4},
    'cluster': {'parts': 5, 'batch_size': 1},
    'neighbor': {'batch_size': 7, 'fanout': [3, 3]},
    'saint': {'parts': 3, 'batch_size': 100, 'walk_length': 2},
}


TWO = {'WORLD_SIZE': '2', 'MASTER_ADDR': '::1', 'MASTER_PORT': '29500'}


def network(spec):
    method = parse(spec)
    known = method.options()
    options = {k: v for k, v in OPTIONS.items() if k in known}
    if method.backbone.joins_points:
        options['k'] = 4
    return Network(method, 2, options)


def first_gradient(spec, recipe, team=ALONE):
    """The gradient of the first step, and the loss."""
    metric, net = METRICS['accuracy'], network(spec)
    data = net.prepare(datasets.load('digits'), 0)
    x, y, index = nodes.prepare(data, recipe, sparse=False)
    adj = net.adjacency(data)
    torch.manual_seed(0)
    model = net.build(64, 10)
    trained = team.wrap(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    if recipe.batch is None:
        given = (x, adj, y, index, optimizer, metric)
        loss, *_ = nodes.epoch(trained, *given, team=team)
    else:
        parts = batches.make(data, recipe, team)()
        given = (model, net, x, parts, optimizer, metric, team)
        loss = batches.learn(trained, *given)
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    return loss, torch.cat([grad.reshape(-1) for grad in grads])


CASES = [(spec, {}) for spec in SPECS]
# All neighbors, and a hop more than convolutions in a row, of which a
# reversible block has two, since degrees count.
AROUND = [
    (spec, {'batch': 'neighbor', 'fanout': [-1] * hops, 'batch_size': 50})
    for spec, hops in (('gcn', 3), ('revgcn+layer', 5))
]


def one_of_two(rank, folder, function, cases):
    """What a function of a case and the team gives, for each case."""
    torch.set_num_threads(1)
    store = f'file://{folder}/store'
    with group('gloo', init_method=store, rank=rank, world_size=2) as team:
        out = [function(case, team) for case in cases]
    torch.save(out, folder / f'{rank}.pt')


def by_two(folder, function, cases):
    """What each of two processes gives."""
    torch.multiprocessing.spawn(
        one_of_two, (folder, function, cases), nprocs=2
    )
    return [torch.load(folder / f'{rank}.pt') for rank in (0, 1)]


def first_step(case, team):
    spec, keys = case
    return first_gradient(spec, Recipe(**keys), team)


def compare(cases, folder):
    """Two processes against one."""
    ranks = by_two(folder, first_step, cases)
    torch.set_num_threads(1)  # as each of the two has
    for (spec, keys), *both in zip(cases, *ranks, strict=True):
        loss, gradient = first_gradient(spec, Recipe(**keys))
        for rank_loss, rank_gradient in both:
            assert rank_loss == pytest.approx(loss, rel=1e-5), spec
            error = (gradient - rank_gradient).abs().max()
            assert error < 1e-4 * gradient.abs().max(), spec
        assert torch.equal(both[0][1], both[1][1])


def test_whole_graph_gives_the_gradient_of_one_process(tmp_path):
    """Every backbone: residual, dense, checkpointed, reversible, ..."""
    compare(CASES, tmp_path)


@pytest.mark.sparse
def test_neighbors_give_the_gradient_of_one_process(tmp_path, torch_sparse):
    compare(AROUND, tmp_path)


def learn_apart(kind, team):
    net, data = network('revgcn'), datasets.load('digits')
    recipe = Recipe(batch=kind, **PARTS[kind])
    torch.manual_seed(team.rank)
    parts = batches.make(data, recipe, team)
    epochs = [[*parts()], [*parts()]]
    numbers = [[part.number for part in epoch] for epoch in epochs]
    if kind == 'cluster' and team.rank == 1:
        epochs[0].pop()  # a part without training nodes
    model = net.build(64, 10)
    trained = team.wrap(model)
    optimizer = torch.optim.Adam(model.parameters())
    loss = batches.learn(
        *(trained, model, net, data.x, iter(epochs[0]), optimizer),
        *(METRICS['accuracy'], team),
    )
    weights = nn.utils.parameters_to_vector(model.parameters()).detach()
    return numbers, loss, weights


def test_each_process_learns_from_its_own_parts(tmp_path):
    kinds = [kind for kind in PARTS if kind not in SPARSE or WITH_TORCH_SPARSE]
    ranks = by_two(tmp_path, learn_apart, kinds)
    train_nodes = datasets.load('digits').train_mask
    for kind, (a, loss, weights), (b, same_loss, same) in zip(
        kinds, *ranks, strict=True
    ):
        assert torch.equal(weights, same)
        assert loss == same_loss
        for mine, others in zip(a, b, strict=True):
            sizes = len(mine), len(others)
            if kind == 'saint':
                assert sizes == (2, 2)
                continue
            assert abs(sizes[0] - sizes[1]) <= (kind != 'random')
            seen = torch.cat([*mine, *others])
            times = seen.bincount(minlength=len(train_nodes))
            if kind != 'neighbor':
                assert times.min() == 1  # the whole graph
            if kind == 'random':
                assert times.sum() <= len(train_nodes) + 1
            assert (times[train_nodes] >= 1).all()
        if kind != 'saint':
            assert [n.tolist() for n in a[0]] != [n.tolist() for n in a[1]]


def test_alone():
    model = nn.Linear(1, 1)
    assert ALONE.wrap(model) is ALONE.unwrap(model) is model
    assert ALONE.share(torch.arange(3)).tolist() == [0, 1, 2]
    assert ALONE.sampler(3) is None
    assert ALONE.agree(lambda: 'x') == 'x'
    values = [torch.tensor(1.0), torch.tensor(2.0)]
    assert ALONE.mean(values, torch.device('cpu')) == 1.5


@pytest.mark.parametrize('fails', [False, True])
def test_no_wrapped_model_outlives_its_group(fails, tmp_path, monkeypatch):
    """Or the process may never end."""
    wrapped, left = [], []
    end = torch.distributed.destroy_process_group

    def watched_end():
        left.extend(ref() for ref in wrapped)
        end()

    def train_one():
        parallel = nn.parallel.DistributedDataParallel(nn.Linear(1, 1))
        parallel.cycle = [parallel]  # the first of a process is in one
        wrapped.append(weakref.ref(parallel))
        parallel(torch.ones(1, 1)).sum().backward()
        if fails:
            raise ValueError('diverged')

    monkeypatch.setattr(
        torch.distributed, 'destroy_process_group', watched_end
    )
    store = f'file://{tmp_path}/store'
    expected = (
        pytest.raises(ValueError, match='div') if fails else nullcontext()
    )
    with expected, group('gloo', init_method=store, rank=0, world_size=1):
        train_one()
    assert left == [None]


@pytest.mark.parametrize(
    ('variables', 'message'),
    [
        ({'WORLD_SIZE': 'abc'}, r'WORLD_SIZE .* from 1 to .*got .abc.'),
        ({'WORLD_SIZE': '0'}, r'WORLD_SIZE .*got .0.'),
        ({'WORLD_SIZE': ''}, r'WORLD_SIZE .*got ..\)'),
        ({'WORLD_SIZE': '2'}, 'MASTER_ADDR .*got nothing'),
        ({**TWO, 'MASTER_PORT': 'x'}, r'MASTER_PORT .*got .x.'),
        (TWO, r'RANK .* from 0 to 1 .got ..\)'),
        ({**TWO, 'RANK': '2'}, r'RANK .* from 0 to 1 .got .2.'),
        ({**TWO, 'RANK': '-1'}, r'RANK .*got .-1.'),
    ],
)
def test_variables_that_torchrun_would_not_set(
    capsys, tmp_path, monkeypatch, variables, message
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code = main(['train', '--dataset', 'digits', '--out', str(tmp_path)])
    assert code == 2
    assert re.search(f'^error: {message}', capsys.readouterr().out)


def test_who_speaks(capsys, monkeypatch):
    """The first of several; one alone, whatever its rank is said to be."""
    assert started() == ALONE
    monkeypatch.setenv('RANK', '1')
    assert started() == ALONE
    assert main(['nothing']) == 2
    assert 'invalid choice' in capsys.readouterr().out
    for name, value in TWO.items():
        monkeypatch.setenv(name, value)
    assert (started().rank, started().size) == (1, 2)
    assert main(['nothing']) == 2
    assert capsys.readouterr().out == ''
