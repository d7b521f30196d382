"""Milliseconds an epoch of GCN beside the same model of PyG's parts."""

import argparse
import warnings
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn import GCNConv
from torch_geometric.transforms import ToSparseTensor
from torch_geometric.typing import WITH_TORCH_SPARSE, Adj

from pyg_ext.nn import GCN
from pyg_ext.utils import gcn_adj

from .. import words
from ..data import datasets
from ..data.metrics import METRICS
from ..recipes.recipe import Recipe
from ..training import nodes
from .measure import interleave

HIDDEN, DROPOUT = 64, 0.5
# Of PyG; compiled needs a C++ compiler, and up to minutes ahead of all:
PEERS = ('edge_index', 'EdgeIndex', 'SparseTensor', 'compiled')


class StockGCN(torch.nn.Module):
    """What a user of PyG writes: cached layers, dropout, dense features."""

    def __init__(self, in_channels: int, num_layers: int, out_channels: int):
        super().__init__()
        inner = [HIDDEN] * (num_layers - 1)
        widths = pairwise([in_channels, *inner, out_channels])
        self.convs = torch.nn.ModuleList(
            GCNConv(*pair, cached=True) for pair in widths
        )

    def forward(self, x: Tensor, edge_index: Adj) -> Tensor:
        for conv in self.convs[:-1]:
            x = F.dropout(x, DROPOUT, self.training)
            x = conv(x, edge_index).relu()
        x = F.dropout(x, DROPOUT, self.training)
        return self.convs[-1](x, edge_index)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument(
        '--datasets', default='cora,citeseer,pubmed', type=words.graphs
    )
    parser.add_argument('--depths', default='2,8,32,64', type=words.depths)
    parser.add_argument('--repeats', default=9, type=words.repeats)
    parser.add_argument(
        '--peers',
        default='edge_index,SparseTensor',
        type=words.names('peer', PEERS),
        metavar='NAME,...',
        help=f'of {", ".join(PEERS)} (default: %(default)s)',
    )
    parser.add_argument(
        '--root', type=words.folder, help='folder with the data'
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures each dataset and depth; one row each."""
    # PyG turns a SparseTensor into a CSR tensor in each product:
    warnings.filterwarnings('ignore', 'Sparse (CSR|invariant)')
    return [
        measure(name, depth, args)
        for name in args.datasets
        for depth in args.depths
    ]


def measure(name: str, depth: int, args: argparse.Namespace) -> dict[str, Any]:
    """Checks that the peers compute the same, then times an epoch of each.

    Raises:
        RuntimeError: If outputs or gradients differ.
    """
    data = datasets.load(name, args.root)
    recipe = Recipe(row_normalize=True)
    shared, y, index = nodes.prepare(data, recipe, args.device)
    adj = gcn_adj(data.edge_index, num_nodes=data.num_nodes).to(args.device)
    dense = shared.to_dense() if shared.layout != torch.strided else shared
    edge_index = data.edge_index.to(args.device)
    num_classes = int(y.max()) + 1

    ours = GCN(data.num_features, HIDDEN, depth, num_classes, DROPOUT)
    inputs = {'ours': (ours.to(args.device), shared, adj)}
    for peer in args.peers:
        edges: Adj = edge_index
        if peer == 'EdgeIndex':
            size = data.num_nodes, data.num_nodes
            edges = EdgeIndex(edge_index, sparse_size=size, is_undirected=True)
            edges = edges.sort_by('col').values
        elif peer == 'SparseTensor':
            if not WITH_TORCH_SPARSE:
                continue
            edges = ToSparseTensor()(data.clone()).adj_t.to(args.device)
        model = StockGCN(data.num_features, depth, num_classes)
        inputs[peer] = (model.to(args.device), dense, edges)
    for model, _, _ in inputs.values():
        model.load_state_dict(ours.state_dict())
    check(inputs, y, index['train'])
    if 'compiled' in inputs:
        inputs['compiled'][0].compile()

    seconds = interleave(
        {
            peer: partial(
                nodes.epoch,
                model,
                x,
                edges,
                y,
                index,
                torch.optim.Adam(
                    model.parameters(), 0.01, weight_decay=5e-4, fused=True
                ),
                METRICS['accuracy'],
            )
            for peer, (model, x, edges) in inputs.items()
        },
        args.repeats,
    )
    row: dict[str, Any] = {'dataset': name, 'depth': depth}
    row |= {f'{peer} ms': 1000 * s for peer, s in seconds.items()}
    row |= {
        f'{peer} / ours': s / seconds['ours']
        for peer, s in seconds.items()
        if peer != 'ours'
    }
    return row


def check(inputs: dict[str, Any], y: Tensor, index: Tensor) -> None:
    """Compares outputs and gradients without dropout: rounding alone makes
    some thousandths of the smallest gradients of 64 layers.
    """
    results: dict[str, list[Tensor]] = {}
    for peer, (model, x, edges) in inputs.items():
        model.eval()
        out = model(x, edges)
        F.cross_entropy(out[index], y[index]).backward()
        grads = [p.grad for p in model.parameters()]
        results[peer] = [out.detach(), *grads]
        model.zero_grad()
    for peer, tensors in results.items():
        for ours, theirs in zip(results['ours'], tensors, strict=True):
            error = (ours - theirs).norm() / theirs.norm().clamp(min=1e-12)
            if not error < 1e-2:
                raise RuntimeError(f'{peer} differs by {error:.1e}')
