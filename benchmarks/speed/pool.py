"""Seconds and memory of a training step on many graphs, by pooling."""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.typing import Adj

from pyg_ext.nn import PoolNet

from .. import words
from ..data import datasets, protocols
from ..methods import spec
from ..methods.network import Network
from ..training.graphs import Trainee, make
from .measure import interleave

DATASETS = [d.name for d in datasets.DATASETS.values() if d.kind == 'graphs']
POOLS = (*PoolNet.READOUTS, *PoolNet.POOLINGS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument(
        '--dataset', default='proteins', type=words.name('dataset', DATASETS)
    )
    parser.add_argument(
        '--pool', default=','.join(POOLS), type=words.names('pooling', POOLS)
    )
    parser.add_argument('--layers', default=4, type=words.whole(2, 10**4))
    parser.add_argument('--graphs', default=32, type=words.whole(2, 10**6))
    parser.add_argument('--channels', default=32, type=words.channels)
    parser.add_argument('--repeats', default=20, type=words.repeats)
    parser.add_argument(
        '--root', type=words.folder, help='folder with the data'
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Times a GCN with each pooling in turns; a row for each, with what it
    keeps for the backward pass.
    """
    data = datasets.load(args.dataset, args.root)
    protocol = datasets.find(args.dataset).protocols[0]
    loss = protocols.find(protocol).metric.loss
    batch = Batch.from_data_list(data.graphs[: args.graphs]).to(args.device)
    options = {'hidden_channels': args.channels, 'norm': 'batch'}
    calls, kept = {}, {}
    for pool in args.pool:
        method = spec.parse(f'gcn+pool-{pool}')
        network = Network(method, args.layers, options)
        trainee = make(network, data, data.graphs, args.device)
        given = batch, network.adjacency(batch).to(args.device)
        calls[pool] = partial(step, trainee, *given, loss)
        kept[pool] = kept_mb(trainee, *given)
    found = interleave(calls, args.repeats)
    first = args.pool[0]
    return [
        {
            'pool': pool,
            'ms': 1e3 * found[pool],
            f'pool / {first}': found[pool] / found[first],
            'kept MB': kept[pool],
        }
        for pool in args.pool
    ]


def step(trainee: Trainee, batch: Batch, adj: Adj, loss: Callable) -> None:
    """A forward and a backward pass."""
    trainee.model.zero_grad()
    out, further = trainee(batch, adj)
    (loss(out, batch.y) + further).backward()


def kept_mb(trainee: Trainee, batch: Batch, adj: Adj) -> float:
    """What a forward pass keeps for the backward pass, each storage once."""
    kept = {}

    def keep(given: Tensor) -> Tensor:
        if given.layout == torch.strided:
            storage = given.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return given

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda given: given):
        outputs = trainee(batch, adj)
        size = sum(kept.values())
    del outputs
    return size / 2**20
