"""Rounding errors of reversible gradients against the plain stack."""

import argparse
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn import GCNConv

from pyg_ext.nn import NORMS, GNNBlock, ReversibleSequential

from .. import words
from .reversible import graph


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument('--depths', default='64,512,1001', type=words.depths)
    parser.add_argument(
        '--norms',
        default='layer,batch,none',
        type=words.names('norm', ('none', *NORMS)),
    )
    parser.add_argument(
        '--checkpoints', default='0,32', type=words.wholes(0, words.DEEPEST)
    )
    parser.add_argument('--nodes', default=500, type=words.nodes)
    parser.add_argument('--channels', default=64, type=words.channels)


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row for each norm and depth, one column for each anchor."""
    x, adj = graph(args)
    rows = []
    for norm in args.norms:
        for depth in args.depths:
            row: dict[str, Any] = {'norm': norm, 'depth': depth}
            for every in args.checkpoints:
                name = (
                    f'checkpoint_every={every}' if every else 'no checkpoints'
                )
                error = drift(norm, depth, every or None, x, adj)
                row[name] = f'{error:.1e}'
            rows.append(row)
    return rows


def drift(
    norm: str, depth: int, every: int | None, x: Tensor, adj: Tensor
) -> float:
    """Relative error of the gradients of all parameters, in the 2-norm."""
    torch.manual_seed(0)
    width = x.size(1) // 2
    kind = None if norm == 'none' else norm
    blocks = [
        GNNBlock(GCNConv(width, width, normalize=False), width, kind, 0.5)
        for _ in range(depth)
    ]
    model = ReversibleSequential(blocks, checkpoint_every=every).to(x.device)
    found = []
    for model.enabled in (True, False):
        torch.manual_seed(1)
        model(x, adj).square().mean().backward()
        grads = [p.grad.view(-1) for p in model.parameters()]
        found.append(torch.cat(grads))
        model.zero_grad()
    ours, plain = found
    return ((ours - plain).norm() / plain.norm()).item()
