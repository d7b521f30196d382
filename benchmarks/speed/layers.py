"""Seconds and memory that each layer of a training step takes."""

import argparse
import time
from itertools import product
from typing import Any

import numpy as np
import pebble
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch_geometric.nn import GCNConv

from pyg_ext.nn import GNNBlock, ReversibleSequential
from pyg_ext.utils import CSRTensor, gcn_adj

from .. import words
from ..data import datasets
from ..environment import resource
from ..errors import UsageError
from ..pool import pool
from .measure import peak_mb, wait

KINDS = (
    'plain',
    'residual',
    'jumping',
    'dense',
    'checkpointed',
    'reversible',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument('--dataset', default='arxiv-sim', type=words.graph)
    parser.add_argument(
        '--kinds', default=','.join(KINDS), type=words.names('kind', KINDS)
    )
    parser.add_argument('--depths', default='2,4,8,16', type=words.depths)
    parser.add_argument(
        '--parts',
        default='1',
        type=words.wholes(1, 10**6),
        help='a step is on one of so many random parts of the nodes',
    )
    parser.add_argument('--channels', default=256, type=words.channels)
    parser.add_argument('--repeats', default=1, type=words.repeats)
    parser.add_argument(
        '--limit',
        type=words.positive,
        metavar='GB',
        help='memory of a process; one that needs more is a failed cell',
    )
    parser.add_argument(
        '--root', type=words.folder, help='folder with the data'
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures each kind at each depth in a process of its own; one row for
    each kind and number of parts, with the slope of a line through its
    depths.
    """
    if args.limit is not None and resource is None:
        raise UsageError('--limit: this system cannot limit a process')
    data = datasets.load(args.dataset, args.root)  # made once, before all
    if args.parts[-1] > data.num_nodes:
        raise UsageError(
            f'--parts: {args.dataset} has {data.num_nodes} nodes (got '
            f'{args.parts[-1]})'
        )
    rows = []
    with pool(1, device=args.device) as started:
        for kind, parts in product(args.kinds, args.parts):
            row: dict[str, Any] = {'kind': kind, 'parts': parts}
            found = {}
            for depth in args.depths:
                given = [kind, depth, parts, args]
                task = started.schedule(measure, args=given)
                try:
                    found[depth] = task.result()
                    seconds, mb = found[depth]
                except (pebble.ProcessExpired, RuntimeError) as error:
                    seconds = mb = f'failed: {type(error).__name__}'
                row[f's, {depth} layers'] = seconds
                row[f'MB, {depth} layers'] = mb
            slopes = [float('nan')] * 2
            if len(found) > 1:
                lines = np.polyfit(list(found), list(found.values()), 1)
                slopes = lines[0].tolist()
            row['s / layer'], row['MB / layer'] = slopes
            rows.append(row)
    return rows


class Stack(nn.Module):
    """Blocks of ReLU, dropout and convolution between two linear layers."""

    def __init__(
        self,
        kind: str,
        in_channels: int,
        channels: int,
        depth: int,
        out_channels: int,
    ):
        super().__init__()

        def block(width: int, out: int) -> GNNBlock:
            conv = GCNConv(width, out, normalize=False)
            return GNNBlock(conv, width, None, dropout=0.1)

        self.kind = kind
        self.lin_in = nn.Linear(in_channels, channels)
        width = channels
        if kind == 'reversible':
            half = channels // 2
            blocks = [block(half, half) for _ in range(depth)]
            self.blocks = ReversibleSequential(blocks)
        elif kind == 'dense':
            widths = [channels * layer for layer in range(1, depth + 1)]
            self.blocks = nn.ModuleList(block(w, channels) for w in widths)
            width = channels * (depth + 1)
        else:
            self.blocks = nn.ModuleList(
                block(channels, channels) for _ in range(depth)
            )
            width = channels * (depth + 1 if kind == 'jumping' else 1)
        self.lin_out = nn.Linear(width, out_channels)

    def forward(self, x: Tensor, adj: CSRTensor) -> Tensor:
        x = self.lin_in(x)
        if self.kind == 'reversible':
            return self.lin_out(self.blocks(x, adj))
        states = [x]
        for block in self.blocks:
            if self.kind == 'checkpointed':
                x = checkpoint(block, x, adj, use_reentrant=False)
            elif self.kind == 'dense':
                x = torch.cat([x, block(x, adj)], dim=-1)
            elif self.kind == 'residual':
                x = x + block(x, adj)
            else:
                x = block(x, adj)
            if self.kind == 'jumping':
                states.append(x)
        if self.kind == 'jumping':
            x = torch.cat(states, dim=-1)
        return self.lin_out(x)


def measure(
    kind: str, depth: int, parts: int, args: argparse.Namespace
) -> tuple[float, float]:
    """Seconds of a training step, the least of some, and megabytes at most,
    with all that the process holds.
    """
    if args.limit is not None:
        limit = int(args.limit * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    data = datasets.load(args.dataset, args.root)
    classes = int(data.y.max()) + 1
    if parts > 1:
        nodes = torch.randperm(data.num_nodes)[: data.num_nodes // parts]
        data = data.subgraph(nodes)
    adj = gcn_adj(data.edge_index, num_nodes=data.num_nodes).to(args.device)
    x, y = data.x.to(args.device), data.y.to(args.device)
    train = data.train_mask.nonzero().view(-1).to(args.device)
    model = Stack(kind, x.size(1), args.channels, depth, classes)
    model.to(args.device)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    seconds = []
    for _ in range(args.repeats + 1):  # the first warms up
        wait()
        start = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(model(x, adj)[train], y[train]).backward()
        optimizer.step()
        wait()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:]), peak_mb(args.device)
