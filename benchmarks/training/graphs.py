"""Training on many graphs."""

import copy
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, RandomSampler
from torch_geometric import seed_everything
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader, DynamicBatchSampler
from torch_geometric.nn import global_mean_pool
from torch_geometric.typing import Adj

from pyg_ext.nn import PoolNet

from ..data.graphs import Graphs, one_hot
from ..data.metrics import Metric, num_outputs
from ..data.protocols import Protocol
from ..environment import peak_mb
from ..methods.network import Network
from ..recipes.recipe import Recipe
from .fit import fit

SEEN = 2**14  # nodes at a time in evaluation


@dataclass(frozen=True)
class Trainee:
    """A network on nodes or on graphs; if labels are of graphs and outputs of
    nodes, the mean of a graph's outputs counts.
    """

    network: Network
    model: torch.nn.Module
    node_sizes: list[int]
    edge_sizes: list[int]

    def __call__(
        self, batch: Batch, adj: Adj | None
    ) -> tuple[Tensor, Tensor | float]:
        """Outputs for each label, ``[len(y), C]``, and what a pooling adds to
        the loss.
        """
        batch = copy.copy(batch)
        if self.node_sizes:
            batch.x = one_hot(batch.x, self.node_sizes)
            batch.edge_attr = one_hot(batch.edge_attr, self.edge_sizes)
        given = self.network.inputs(self.model, batch)
        if isinstance(self.model, PoolNet):
            size = batch.num_graphs
            return self.model(
                batch.x, adj, **given, batch_size=size, return_losses=True
            )
        out = self.model(batch.x, adj, **given)
        if len(out) != len(batch.y):
            out = global_mean_pool(out, batch.batch, len(batch.y))
        return out, 0.0


class Shuffled(BatchSampler):
    """Batches in random order. Where labels are of graphs, none has a single
    graph, over which a norm would fail: the last one joins the one before it,
    and a size of 1 counts as 2.
    """

    def __init__(self, graphs: list[Data], batch_size: int):
        self._least = 2 if len(graphs[0].y) == 1 else 1
        size = max(batch_size, self._least)
        super().__init__(RandomSampler(graphs), size, False)

    def __iter__(self) -> Iterator[list[int]]:
        *batches, last = super().__iter__()
        if batches and len(last) < self._least:
            last = batches.pop() + last
        yield from (*batches, last)


Given = tuple[Batch, Adj | None]  # graphs, and their edges as a network likes


def epoch(
    trainee: Trainee,
    train: Iterable[Given],
    seen: dict[str, list[Given]],
    optimizer: torch.optim.Optimizer,
    metric: Metric,
) -> tuple[float, float, dict[str, float]]:
    """Training on all batches, and the evaluation after it.

    Returns:
        As :func:`benchmarks.training.nodes.epoch`; the training loss is the
        mean of the batches.
    """
    trainee.model.train()
    losses = []
    for batch, adj in train:
        optimizer.zero_grad()
        out, further = trainee(batch, adj)
        loss = metric.loss(out, batch.y)
        (loss + further).backward()
        optimizer.step()
        losses.append(loss.detach())

    trainee.model.eval()
    scores = {}
    with torch.no_grad():
        for split, batches in seen.items():
            out = torch.cat([trainee(*given)[0] for given in batches])
            y = torch.cat([batch.y for batch, _ in batches])
            scores[split] = metric.score(out, y)
            if split == 'val':
                val_loss = metric.loss(out, y).item()
    return torch.stack(losses).mean().item(), val_loss, scores


def make(
    network: Network, data: Graphs, graphs: Sequence[Data], device: str
) -> Trainee:
    """A new network for these graphs."""
    sizes = data.node_sizes, data.edge_sizes
    outputs = num_outputs(torch.cat([graph.y for graph in graphs]))
    edge_attr = graphs[0].edge_attr
    edges = sum(sizes[1]) or (edge_attr is not None and edge_attr.size(1))
    width = sum(sizes[0]) or graphs[0].num_features
    model = network.build(width, outputs, edges or None)
    return Trainee(network, model.to(device), *sizes)


def run(
    network: Network,
    data: Graphs,
    recipe: Recipe,
    protocol: Protocol,
    seed: int,
    device: str = 'cpu',
) -> dict[str, Any]:
    """One training from a seed, as :func:`benchmarks.training.nodes.run`."""
    start = time.perf_counter()
    splits = {
        s: [data.graphs[int(i)] for i in data.split[s]] for s in data.split
    }

    def give(graphs: list[Data], **kwargs: Any) -> Iterator[Given]:
        for batch in DataLoader(graphs, **kwargs):
            adj = network.adjacency(batch)
            yield batch.to(device), None if adj is None else adj.to(device)

    seen = {
        split: [*give(g, batch_sampler=DynamicBatchSampler(g, SEEN))]
        for split, g in splits.items()
    }
    seed_everything(seed)
    trainee = make(network, data, splits['train'], device)
    model = trainee.model
    metric = recipe.metric(protocol.metric)

    def once(optimizer: torch.optim.Optimizer) -> tuple:
        graphs = splits['train']
        train = give(graphs, batch_sampler=Shuffled(graphs, recipe.batch_size))
        return epoch(trainee, train, seen, optimizer, metric)

    scores = fit(model, once, recipe, metric)
    return {
        **scores,
        'seconds': time.perf_counter() - start,
        'peak_mb': peak_mb(device),
    }
