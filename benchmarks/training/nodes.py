import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric import seed_everything
from torch_geometric.data import Data
from torch_geometric.transforms import NormalizeFeatures
from torch_geometric.typing import Adj

from pyg_ext.utils import CSRTensor

from ..data.graphs import split_of
from ..data.metrics import Metric, num_outputs
from ..data.protocols import Protocol
from ..environment import peak_mb
from ..methods.network import Network, Redraw
from ..recipes.recipe import Recipe
from . import layers
from . import parts as batches
from .checkpoint import Journal
from .distributed import ALONE, Team
from .fit import check_outputs, fit
from .label_reuse import LabelReuse
from .one_forward import OneForward, is_same_in_both, scores

SPARSE_BELOW = 0.2  # share of non-zeros under which features are kept sparse


def prepare(
    data: Data,
    recipe: Recipe,
    device: torch.device | str = 'cpu',
    sparse: bool = True,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Features, labels and the node indices of the splits.

    Mostly zero features of a graph become a sparse matrix.
    """
    if recipe.row_normalize:
        data = NormalizeFeatures()(data)
    x = data.x
    sparse = sparse and data.edge_index is not None
    if sparse and x.count_nonzero() < SPARSE_BELOW * x.numel():
        x = CSRTensor.from_dense(x)
    return (
        x.to(device),
        data.y.to(device),
        {split: i.to(device) for split, i in split_of(data).items()},
    )


def epoch(
    model: torch.nn.Module,
    x: Tensor,
    adj: Adj | None,
    y: Tensor,
    index: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    metric: Metric,
    redraw: Redraw | None = None,
    team: Team = ALONE,
    seen: tuple | None = None,
) -> tuple[float, float, dict[str, float]]:
    """One training step, on edges of its own if they are redrawn, and the
    evaluation after it, of what :obj:`seen` holds for :func:`judge`, if it is
    something else.

    Each process of a team learns from its share of the training nodes, and
    the first one evaluates.

    Returns:
        The training loss before the step, the validation loss, and the
        metric on each split.
    """
    model.train()
    plain = team.unwrap(model)
    nodes = index['train']
    if isinstance(plain, LabelReuse):
        nodes = plain.draw()
    own = team.share(nodes)
    optimizer.zero_grad()
    drawn, inputs = (adj, {}) if redraw is None else redraw()
    out = model(x, drawn, **inputs)
    check_outputs(out, y)
    loss = metric.loss(out[own], y[own]) * (team.size * len(own) / len(nodes))
    loss.backward()
    optimizer.step()

    loss = team.mean([loss.detach()], y.device)
    seen = seen or (plain, x, adj, y, index)
    return loss, *team.agree(lambda: judge(*seen, metric))


def judge(
    model: torch.nn.Module,
    x: Tensor,
    adj: Adj | None,
    y: Tensor,
    index: dict[str, Tensor],
    metric: Metric,
) -> tuple[float, dict[str, float]]:
    """The validation loss, and the metric on each split."""
    model.eval()
    with torch.no_grad():
        return scores(model(x, adj), y, index, metric)


class WithInputs(torch.nn.Module):
    """A network with further inputs that are the same in each step, such as
    the features of edges; those of a part of the graph go before.
    """

    def __init__(self, model: torch.nn.Module, given: dict[str, Tensor]):
        super().__init__()
        self.model = model
        self.names = [*given]
        for name, value in given.items():
            self.register_buffer(name, value)

    def forward(self, x: Tensor, adj: Adj, **given: Tensor) -> Tensor:
        own = {name: getattr(self, name) for name in self.names}
        return self.model(x, adj, **{**own, **given})


def with_inputs(
    network: Network, model: torch.nn.Module, data: Data
) -> torch.nn.Module:
    """A model with the further inputs that it takes of a graph."""
    inputs = network.inputs(model, data)
    return WithInputs(model, inputs) if inputs else model


@dataclass(frozen=True)
class Setup:
    """All that an epoch on one graph is given."""

    model: torch.nn.Module
    plain: torch.nn.Module  # the same without what is around it
    data: Data
    x: Tensor
    adj: Adj | None
    y: Tensor
    index: dict[str, Tensor]
    redraw: Redraw | None
    whole: tuple | None = None  # for judge, where the graph has more nodes

    @property
    def given(self) -> tuple:
        """Features, edges, labels and splits to train with."""
        return self.x, self.adj, self.y, self.index

    @property
    def seen(self) -> tuple:
        """The network, features, edges, labels and splits to judge by."""
        return self.whole or (self.model, *self.given)


def lay_out(
    network: Network, data: Data, recipe: Recipe, seed: int, device: str
) -> tuple[Data, tuple]:
    """A graph as a network and a recipe want it; and its features, edges,
    labels and splits.

    Raises:
        ValueError: If the recipe asks for features of edges that have none.
    """
    data = network.prepare(data, seed)
    if not recipe.edge_features:
        data.edge_attr = None
    elif data.edge_attr is None:
        raise ValueError('edge_features: the edges have none')
    x, y, index = prepare(data, recipe, device, network.sparse_features)
    adj = network.adjacency(data)
    if adj is not None:
        adj, data.edge_index = adj.to(device), data.edge_index.to(device)
    return data, (x, adj, y, index)


def set_up(
    network: Network,
    data: Data,
    recipe: Recipe,
    seed: int = 0,
    device: str = 'cpu',
) -> Setup:
    """Features, adjacency and a new model of a network on a graph.

    Raises:
        ValueError: As :func:`lay_out`.
    """
    some = data.subgraph(~data.test_mask) if recipe.inductive else data
    some, given = lay_out(network, some, recipe, seed, device)
    whole = None
    if recipe.inductive:
        data, whole = lay_out(network, data, recipe, seed, device)
    seed_everything(seed)
    classes = num_outputs(data.y)
    labels = 0 if recipe.label_rate is None else classes
    width = some.num_features + labels
    if network.method.backbone.transductive:
        width = some.num_nodes
    outputs = classes if recipe.objective is None else network.width
    edge_dim = some.edge_attr.size(1) if recipe.edge_features else None
    plain = network.build(width, outputs, edge_dim)
    redraw = None if given[1] is None else network.redraw(plain, some)
    model = with_inputs(network, plain, some)
    if whole is not None:
        whole = (with_inputs(network, plain, data).to(device), *whole)
    if recipe.label_rate is not None:
        model = LabelReuse(
            model,
            given[2],
            given[3]['train'],
            classes,
            recipe.label_rate,
            recipe.label_steps or 0,
        )
    return Setup(model.to(device), plain, some, *given, redraw, whole)


def _is_one_forward(
    network: Network, ready: Setup, recipe: Recipe, team: Team
) -> bool:
    """Whether what judges one epoch can be what the next one learns from."""
    return (
        network.method.backbone.code is None  # else only its author knows
        and network.all_options.get('dropout', 0.0) == 0.0
        and recipe.label_rate is None
        and ready.redraw is None
        and ready.whole is None
        and team.size == 1
        and is_same_in_both(ready.model, ready.x, ready.adj)
    )


def run(
    network: Network,
    data: Data,
    recipe: Recipe,
    protocol: Protocol,
    seed: int,
    device: str = 'cpu',
    probed: bool = False,
    team: Team = ALONE,
    journal: Journal | None = None,
    far: int | None = None,
) -> dict[str, Any]:
    """One training from a seed: the measured part of a row of the store.

    Args:
        network: What to train.
        data: The graph, with masks.
        recipe: How to train.
        protocol: What to measure.
        seed: Seed of the parameters, of the dropout masks and of walks.
        device: Where to run.
        probed: Whether to look at each layer before and after.
        team: The processes of this training. Time and memory are those of
            this one.
        journal: Where to go on from, and what to write down.
        far: How far away the answers are, where that is known.
    """
    start = time.perf_counter()
    edges = data.edge_index
    ready = set_up(network, data, recipe, seed, device)
    states = {}
    if probed:
        states['initial'] = layers.look(*ready.seen, edges.to(device), far)
    metric = recipe.metric(protocol.metric)
    trained = team.wrap(ready.model)

    def once(optimizer: torch.optim.Optimizer) -> tuple:
        return epoch(
            *(trained, *ready.given, optimizer, metric, ready.redraw, team),
            ready.whole,
        )

    if recipe.batch is None and _is_one_forward(network, ready, recipe, team):
        once = OneForward(trained, *ready.given, metric)
    elif recipe.batch is not None:
        parts = batches.make(ready.data.cpu(), recipe, team)

        def once(optimizer: torch.optim.Optimizer) -> tuple:
            loss = batches.learn(
                trained,
                ready.plain,
                network,
                ready.x,
                parts(),
                optimizer,
                metric,
                team,
            )
            return loss, *team.agree(lambda: judge(*ready.seen, metric))

    found = fit(ready.plain, once, recipe, metric, journal)
    if probed:
        states['trained'] = layers.look(*ready.seen, edges.to(device), far)
        found['probe'] = states
    earlier = 0.0 if journal is None else journal.earlier
    return {
        **found,
        'seconds': time.perf_counter() - start + earlier,
        'peak_mb': peak_mb(device),
    }
