"""Epochs with one forward pass, of networks that are the same in training and
in evaluation.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.typing import Adj

from ..data.metrics import Metric
from .fit import check_outputs


def scores(
    out: Tensor, y: Tensor, index: dict[str, Tensor], metric: Metric
) -> tuple[float, dict[str, float]]:
    """The validation loss, and the metric on each split."""
    check_outputs(out, y)
    val_loss = metric.loss(out[index['val']], y[index['val']])
    found = {s: metric.score(out[i], y[i]) for s, i in index.items()}
    return val_loss.item(), found


@dataclass
class OneForward:
    """What :func:`benchmarks.training.nodes.epoch` does and returns, bit for
    bit: what judges the network after a step is what the next step learns
    from.
    """

    model: torch.nn.Module
    x: Tensor
    adj: Adj | None
    y: Tensor
    index: dict[str, Tensor]
    metric: Metric
    out: Tensor | None = None

    def __call__(
        self, optimizer: torch.optim.Optimizer
    ) -> tuple[float, float, dict[str, float]]:
        self.model.train()
        if self.out is None:
            self.out = self.model(self.x, self.adj)
            check_outputs(self.out, self.y)
        optimizer.zero_grad()
        nodes = self.index['train']
        loss = self.metric.loss(self.out[nodes], self.y[nodes])
        loss.backward()
        optimizer.step()
        self.out = self.model(self.x, self.adj)
        found = scores(self.out.detach(), self.y, self.index, self.metric)
        return loss.item(), *found


def is_same_in_both(
    model: torch.nn.Module, x: Tensor, adj: Adj | None
) -> bool:
    """Whether a network gives the same in training as in evaluation, bit for
    bit, draws no random number and keeps nothing of what it has seen.
    """
    twin = copy.deepcopy(model)
    before = [buffer.clone() for buffer in twin.buffers()]
    devices = [x.device] if x.is_cuda else []

    def drawn() -> list[Tensor]:
        return [
            torch.get_rng_state(),
            *map(torch.cuda.get_rng_state, devices),
        ]

    with torch.random.fork_rng(devices):
        states = drawn()
        trained = twin.train()(x, adj).detach()
        after = drawn()
        with torch.no_grad():
            judged = twin.eval()(x, adj)
    return all(
        torch.equal(one, other)
        for one, other in (
            (trained, judged),
            *zip(states, after, strict=True),
            *zip(before, twin.buffers(), strict=True),
        )
    )
