"""What a probe of all layers adds to the time of an epoch."""

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from pyg_ext.metrics import OverSmoothingProbe

from .. import words
from ..data import datasets
from ..data.metrics import METRICS
from ..methods import spec
from ..recipes import presets
from ..training import nodes
from .measure import interleave

EPOCHS = 10  # of a turn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument('--dataset', default='cora', type=words.graph)
    parser.add_argument('--depths', default='2,32', type=words.depths)
    parser.add_argument('--repeats', default=5, type=words.repeats)
    parser.add_argument(
        '--root', type=words.folder, help='folder with the data'
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures each depth."""
    return [measure(depth, args) for depth in args.depths]


def measure(depth: int, args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of an epoch of a GCN, and percent that a probe adds which
    looks at the training step of each epoch, or of each tenth.
    """
    method = spec.parse('gcn')
    config = presets.configure('classic', args.dataset, method, {})
    network, recipe = presets.split(config, method, depth)
    data = datasets.load(args.dataset, args.root)
    x, y, index = nodes.prepare(data, recipe, args.device)
    adj = network.adjacency(data).to(args.device)
    model = network.build(data.num_features, int(y.max()) + 1).to(args.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr, fused=True)
    edges = data.edge_index.to(args.device)
    given = (model, x, adj, y, index, optimizer, METRICS['accuracy'])

    def turn(every: int | None) -> Callable[[], None]:
        watch = nullcontext()
        if every is not None:  # an epoch has a second step, to evaluate
            watch = OverSmoothingProbe(model, edges, every=2 * every)

        def call() -> None:
            with watch:
                for _ in range(EPOCHS):
                    nodes.epoch(*given)

        return call

    turns = {'plain': turn(None), 'each': turn(1), 'tenth': turn(10)}
    seconds = interleave(turns, args.repeats, warm=1)
    plain = seconds.pop('plain')
    return {
        'depth': depth,
        'epoch ms': 1000 * plain / EPOCHS,
        **{
            f'{name} epoch probed, % more': 100 * (value / plain - 1)
            for name, value in seconds.items()
        },
    }
