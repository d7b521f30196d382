"""Dropout and the sparse product beside PyTorch's, forward and backward, and
beside a plain copy of as many bytes as they read and write at least.
"""

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_ext.utils import CSRTensor, dropout, gcn_adj

from .. import words
from ..data import datasets
from ..recipes.recipe import Recipe
from ..training import nodes
from .measure import interleave

HIDDEN = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument(
        '--datasets', default='cora,citeseer,pubmed', type=words.graphs
    )
    parser.add_argument('--repeats', default=50, type=words.repeats)
    parser.add_argument(
        '--root', type=words.folder, help='folder with the data'
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures each dataset; one row for each part."""
    warnings.filterwarnings('ignore', 'Sparse CSR')  # the plain one is beta
    return [row for name in args.datasets for row in measure(name, args)]


def measure(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Times the parts of one layer on one graph.

    Raises:
        RuntimeError: If the two products differ.
    """
    data = datasets.load(name, args.root)
    recipe = Recipe(row_normalize=True)
    features, _, _ = nodes.prepare(data, recipe, args.device)
    adj = gcn_adj(data.edge_index, num_nodes=data.num_nodes).to(args.device)
    dense = data.x.to(args.device)
    plain = adj.plain()
    hidden = torch.randn(data.num_nodes, HIDDEN, device=args.device)
    hidden.requires_grad_()

    def step(function: Callable[[Tensor], Tensor]) -> Callable[[], None]:
        def call() -> None:
            hidden.grad = None
            function(hidden).backward(hidden.detach())

        return call

    parts = {
        'dropout of hidden states': (
            step(lambda h: dropout(h, 0.5)),
            step(lambda h: F.dropout(h, 0.5)),
        ),
        'dropout of features': (
            lambda: dropout(features, 0.5),
            lambda: F.dropout(dense, 0.5),
        ),
        'product with the adjacency': (
            step(lambda h: adj @ h),
            step(lambda h: plain @ h),
        ),
    }
    back = 2  # what goes forward goes backward
    stored = features.plain() if isinstance(features, CSRTensor) else features
    values = stored.values() if stored.layout != torch.strided else stored
    bytes_of = {
        'dropout of hidden states': back * 2 * hidden.nbytes,
        'dropout of features': 2 * values.nbytes,
        'product with the adjacency': back
        * (
            2 * hidden.nbytes
            + plain.values().nbytes
            + plain.col_indices().nbytes
        ),
    }
    grads = []
    for function in parts['product with the adjacency']:
        function()
        grads.append(hidden.grad)
    if not torch.allclose(*grads, atol=1e-5):
        raise RuntimeError('the products differ')

    rows = []
    for part, (ours, torchs) in parts.items():
        source = torch.empty(bytes_of[part] // 2, dtype=torch.uint8).to(
            hidden.device
        )
        target = torch.empty_like(source)
        copy = partial(target.copy_, source)
        seconds = interleave(
            {'ours': ours, 'torch': torchs, 'copy': copy}, args.repeats
        )
        rows.append(
            {
                'dataset': name,
                'part': part,
                'ours ms': 1000 * seconds['ours'],
                'torch ms': 1000 * seconds['torch'],
                'copy ms': 1000 * seconds['copy'],
                'torch / ours': seconds['torch'] / seconds['ours'],
                'ours / copy': seconds['ours'] / seconds['copy'],
            }
        )
    return rows
