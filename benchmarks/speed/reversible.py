"""Seconds and memory of a training step: plain, checkpointed, reversible."""

import argparse
import gc
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import pebble
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch_geometric.nn import GCNConv
from torch_geometric.nn import GroupAddRev as PyGGroupAddRev

from pyg_ext.nn import GNNBlock, ReversibleSequential
from pyg_ext.utils import CSRTensor, gcn_adj

from .. import words
from ..pool import pool
from .measure import interleave, peak_mb

PEERS = ('ours', 'pyg', 'plain', 'checkpoint', 'residual')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument('--depths', default='8,16,64', type=words.depths)
    parser.add_argument('--nodes', default=20_000, type=words.nodes)
    parser.add_argument('--channels', default=128, type=words.channels)
    parser.add_argument('--repeats', default=5, type=words.repeats)
    parser.add_argument(
        '--peers', default=','.join(PEERS), type=words.names('peer', PEERS)
    )
    parser.add_argument(
        '--measure', choices=('seconds', 'memory'), default='seconds'
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures each depth; one row each."""
    if args.measure == 'memory':
        return memory(args)
    return [seconds(depth, args) for depth in args.depths]


def peers(args: argparse.Namespace) -> list[str]:
    """The kinds of networks that were asked for, ours among them."""
    return list(dict.fromkeys(['ours', *args.peers]))


def graph(args: argparse.Namespace) -> tuple[Tensor, CSRTensor]:
    """Random features, and about eight random neighbours for each node."""
    generator = torch.Generator().manual_seed(0)
    half = torch.randint(args.nodes, (2, 4 * args.nodes), generator=generator)
    adj = gcn_adj(torch.cat([half, half.flip(0)], 1), num_nodes=args.nodes)
    x = torch.randn(args.nodes, args.channels, generator=generator)
    return x.to(args.device), adj.to(args.device)


class Checkpointed(nn.ModuleList):
    """Coupled blocks, each evaluated again in the backward pass."""

    def forward(self, x: Tensor, adj: CSRTensor) -> Tensor:
        for layer in self:
            x = checkpoint(layer, x, adj, use_reentrant=False)
        return x


class Chain(nn.ModuleList):
    """PyG's blocks one after the other."""

    def forward(self, x: Tensor, adj: CSRTensor) -> Tensor:
        x = x.clone()  # PyG frees what a block is given
        for layer in self:
            x = layer(x, adj)
        return x


class Residual(nn.ModuleList):
    """Blocks over all channels, as a plain residual network has them."""

    def forward(self, x: Tensor, adj: CSRTensor) -> Tensor:
        for layer in self:
            x = x + layer(x, adj)
        return x


def build(peer: str, depth: int, args: argparse.Namespace) -> nn.Module:
    """A network of one kind; all but ``residual`` have the same weights."""

    def block(width: int) -> GNNBlock:
        return GNNBlock(GCNConv(width, width, normalize=False), width)

    torch.manual_seed(0)
    if peer == 'residual':
        blocks = [block(args.channels) for _ in range(depth)]
        return Residual(blocks).to(args.device)
    half = args.channels // 2
    model = ReversibleSequential([block(half) for _ in range(depth)])
    if peer == 'plain':
        model.enabled = False
    elif peer == 'checkpoint':
        model = Checkpointed(model.layers)
    elif peer == 'pyg':
        model = Chain(PyGGroupAddRev(layer.convs) for layer in model.layers)
    return model.to(args.device)


def step(model: nn.Module, x: Tensor, adj: CSRTensor) -> list[Tensor]:
    """A forward and a backward pass; returns the gradients."""
    model.zero_grad()
    x = x.detach().requires_grad_()
    model(x, adj).square().mean().backward()
    return [x.grad, *(p.grad for p in model.parameters())]


def seconds(depth: int, args: argparse.Namespace) -> dict[str, Any]:
    """Compares the gradients of the coupled peers, then times all.

    Raises:
        RuntimeError: If gradients differ.
    """
    x, adj = graph(args)
    models = {peer: build(peer, depth, args) for peer in peers(args)}
    expected = step(models['ours'], x, adj)
    for peer in set(models) - {'ours', 'residual'}:
        for a, b in zip(expected, step(models[peer], x, adj), strict=True):
            error = (a - b).norm() / b.norm()
            if not error < 1e-2:
                raise RuntimeError(f'{peer} differs by {error:.1e}')
        models[peer].zero_grad()
    del expected
    calls: dict[str, Callable[[], object]] = {
        peer: partial(step, model, x, adj) for peer, model in models.items()
    }
    found = interleave(calls, args.repeats)
    return {
        'depth': depth,
        **{f'{peer} s': value for peer, value in found.items()},
        **{
            f'ours / {peer}': found['ours'] / value
            for peer, value in found.items()
            if peer != 'ours'
        },
    }


def memory(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Median peak of each peer and depth, each in processes of their own,
    since resident memory varies by tens of megabytes from run to run; running
    out of memory is a row.
    """
    rows = []
    with pool(1, device=args.device) as started:
        for depth in args.depths:
            row: dict[str, Any] = {'depth': depth}
            for peer in peers(args):
                tasks = [
                    started.schedule(peak, args=[peer, depth, args])
                    for _ in range(args.repeats)
                ]
                try:
                    peaks, sizes = zip(
                        *(task.result() for task in tasks), strict=True
                    )
                    row[f'{peer} MB'] = statistics.median(peaks)
                    if peer == 'ours':
                        row['parameters MB'] = sizes[0]
                except (pebble.ProcessExpired, RuntimeError) as error:
                    row[f'{peer} MB'] = f'failed: {type(error).__name__}'
            rows.append(row)
    return rows


def peak(
    peer: str, depth: int, args: argparse.Namespace
) -> tuple[float, float]:
    """Megabytes that one training step takes beyond one of a single layer;
    and those of the parameters.
    """
    torch.set_num_threads(args.threads)
    x, adj = graph(args)
    step(build(peer, 1, args), x, adj)
    gc.collect()
    before = peak_mb(args.device)
    model = build(peer, depth, args)
    step(model, x, adj)
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    return peak_mb(args.device) - before, size / 2**20
