"""Training on random parts of a graph, as RevGNN does."""

import torch
from torch_geometric.data import Data
from torch_geometric.loader import RandomNodeLoader

from benchmarks.methods import Network
from benchmarks.scores import Metric


def learn(
    model: torch.nn.Module,
    network: Network,
    data: Data,
    parts: int,
    optimizer: torch.optim.Optimizer,
    metric: Metric,
    device: torch.device,
) -> float:
    """A step on each part of a random partition of the nodes, with the edges
    inside of it; parts without training nodes are left out.

    Returns:
        The mean loss.
    """
    model.train()
    losses = []
    for part in RandomNodeLoader(data, num_parts=parts, shuffle=True):
        if not part.train_mask.any():
            continue
        adj, part = network.adjacency(part).to(device), part.to(device)
        optimizer.zero_grad()
        out = model(part.x, adj, **network.edge_inputs(part))
        loss = metric.loss(out[part.train_mask], part.y[part.train_mask])
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean().item()
