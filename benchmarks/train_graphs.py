"""Training on many graphs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric import seed_everything
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.nn import global_mean_pool
from torch_geometric.typing import Adj

from benchmarks.graphs import Graphs, one_hot
from benchmarks.methods import Network
from benchmarks.protocols import Protocol
from benchmarks.recipe import Recipe
from benchmarks.scores import METRICS, Metric, num_outputs
from benchmarks.train import fit, peak_mb

SEEN = 256  # graphs at a time in evaluation


@dataclass(frozen=True)
class Given:
    """Some graphs as a network takes them, and the truth."""

    x: Tensor
    adj: Adj
    further: dict[str, Tensor]
    batch: Tensor
    y: Tensor


def give(network: Network, data: Graphs, batch: Batch, device: str) -> Given:
    """Makes features of categories, and what else the network takes."""
    batch.x = one_hot(batch.x, data.node_sizes)
    batch.edge_attr = one_hot(batch.edge_attr, data.edge_sizes)
    batch = batch.to(device)
    return Given(
        batch.x,
        network.adjacency(batch),
        network.inputs(batch),
        batch.batch,
        batch.y,
    )


def predict(model: torch.nn.Module, given: Given) -> Tensor:
    """The mean of the outputs of a graph's nodes, ``[B, C]``."""
    out = model(given.x, given.adj, **given.further)
    return global_mean_pool(out, given.batch, len(given.y))


def epoch(
    model: torch.nn.Module,
    train: Iterator[Given],
    seen: dict[str, list[Given]],
    optimizer: torch.optim.Optimizer,
    metric: Metric,
) -> tuple[float, float, dict[str, float]]:
    """Training on all batches, and the evaluation after it.

    Returns:
        As :func:`benchmarks.train.epoch`; the training loss is the mean of
        the batches.
    """
    model.train()
    losses = []
    for given in train:
        optimizer.zero_grad()
        loss = metric.loss(predict(model, given), given.y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())

    model.eval()
    scores = {}
    with torch.no_grad():
        for split, batches in seen.items():
            out = torch.cat([predict(model, given) for given in batches])
            y = torch.cat([given.y for given in batches])
            scores[split] = metric.score(out, y)
            if split == 'val':
                val_loss = metric.loss(out, y).item()
    return torch.stack(losses).mean().item(), val_loss, scores


def run(
    network: Network,
    data: Graphs,
    recipe: Recipe,
    protocol: Protocol,
    seed: int,
    device: str = 'cpu',
) -> dict[str, Any]:
    """One training from a seed, as :func:`benchmarks.train.run`."""
    start = time.perf_counter()
    parts = {
        s: [data.graphs[int(i)] for i in data.split[s]] for s in data.split
    }
    seen = {
        split: [
            give(network, data, batch, device)
            for batch in DataLoader(graphs, SEEN)
        ]
        for split, graphs in parts.items()
    }
    seed_everything(seed)
    model = network.build(
        sum(data.node_sizes),
        num_outputs(torch.cat([given.y for given in seen['train']])),
        sum(data.edge_sizes),
    )
    model.to(device)
    metric = METRICS[protocol.metric]
    loader = DataLoader(parts['train'], recipe.batch_size, shuffle=True)

    def once(optimizer: torch.optim.Optimizer) -> tuple:
        train = (give(network, data, batch, device) for batch in loader)
        return epoch(model, train, seen, optimizer, metric)

    scores = fit(model, once, recipe, protocol)
    return {
        **scores,
        'seconds': time.perf_counter() - start,
        'peak_mb': peak_mb(torch.device(device)),
    }
