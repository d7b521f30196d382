"""Digits as grids of pixels: a CNN beside graph networks.

``python -m docs.digits_grid`` trains what ``docs/results/digits-grid.csv``
lacks, and prints the table of ``docs/results/order.md``.
"""

from collections.abc import Callable, Iterable
from itertools import chain, islice, product, repeat

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import (
    GCN,
    MLP,
    BatchNorm,
    RGCNConv,
    SAGEConv,
    Sequential,
    global_mean_pool,
)
from torch_geometric.utils import grid

from benchmarks import load_dataset
from benchmarks.reports.intervals import interval
from pyg_ext.utils import gcn_adj

from .figures.places import DOCS

RUNS = DOCS / 'results' / 'digits-grid.csv'
SEEDS = range(5)
STEPS, RATE, BATCH = 600, 0.01, 25
SIDE, CLASSES = 8, 10
ORDER = torch.randperm(SIDE**2, generator=torch.Generator().manual_seed(0))
GIVEN = 'x, edge_index, edge_type, batch'
# How the pixels of all images stand:
PIXELS = ('in order', 'shuffled', 'shuffled with their edges')
KEYS = ['network', 'pixels', 'seed']


def grid_graph() -> tuple[Tensor, Tensor]:
    """Joins each pixel to itself and up to eight around it.

    Returns:
        The edges ``[2, E]``, and for each the direction that it comes from,
        0 to 8, as the entries of a filter of 3 x 3 are counted.
    """
    edge_index, pos = grid(SIDE, SIDE)
    source, target = pos[edge_index].long()  # x to the right, y upwards
    right, up = (source - target).t()
    return edge_index, 3 * (1 - up) + right + 1


def graphs_of(images: Tensor, y: Tensor, pixels: str) -> list[Data]:
    """A graph for each image ``[N, 64]``, its pixels as one of `PIXELS`."""
    edge_index, edge_type = grid_graph()
    if pixels != 'in order':
        images = images[:, ORDER]
    if pixels == 'shuffled with their edges':
        edge_index = ORDER.argsort()[edge_index]
    return [
        Data(x=x, edge_index=edge_index, edge_type=edge_type, y=label)
        for x, label in zip(images[..., None], y[:, None], strict=True)
    ]


def moved(images: Tensor) -> Tensor:
    """One pixel to the right."""
    rows = images.view(-1, SIDE, SIDE)
    return F.pad(rows[..., :-1], (1, 0)).flatten(1)


def layers(make: Callable, given: str, norm: type, channels: int) -> list:
    """Three convolutions."""
    return [
        part
        for size in (1, channels, channels)
        for part in (
            (make(size, channels), f'{given} -> x'),
            norm(channels),
            nn.ReLU(),
        )
    ]


def on_grid(make: Callable, given: str, channels: int) -> nn.Module:
    """Of layers of PyG, and the mean over the pixels."""
    parts = layers(make, given, BatchNorm, channels)
    pool = (global_mean_pool, 'x, batch -> x')
    return Sequential(GIVEN, [*parts, pool, nn.Linear(channels, CLASSES)])


def sage() -> nn.Module:
    """A graph network that is told who is whose neighbour."""
    return on_grid(SAGEConv, 'x, edge_index', 67)


def directed() -> nn.Module:
    """The same, told from which direction as well."""

    def make(size: int, channels: int) -> nn.Module:
        return RGCNConv(size, channels, SIDE + 1, root_weight=False)

    return on_grid(make, 'x, edge_index, edge_type', 32)


def cnn() -> nn.Module:
    """Three layers of filters, and the mean over the pixels."""

    def make(size: int, channels: int) -> nn.Module:
        return nn.Conv2d(size, channels, 3, padding=1)

    start = (lambda x: x.view(-1, 1, SIDE, SIDE), 'x -> x')
    parts = layers(make, 'x', nn.BatchNorm2d, 32)
    end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES)]
    return Sequential(GIVEN, [start, *parts, *end])


def mlp() -> nn.Module:
    """A perceptron on all pixels at once."""
    start = (lambda x: x.view(-1, SIDE**2), 'x -> x')
    return Sequential(GIVEN, [start, MLP([SIDE**2, 104, 104, CLASSES])])


def neighbours() -> nn.Module:
    """A GCN whose nodes are images."""
    net = GCN(SIDE**2, 104, 3, CLASSES, norm='batch_norm', normalize=False)
    return Sequential(GIVEN, [(net, 'x, edge_index -> x')])


NETWORKS = {
    'MLP': mlp,
    'CNN': cnn,
    'GraphSAGE on the grid': sage,
    'RGCN on the grid, edges with directions': directed,
    'GCN on the k-NN graph of images': neighbours,
}


def cases() -> list[tuple[str, str]]:
    """Those that differ: no network but of the grid looks at its edges."""
    return [
        (network, pixels)
        for network in NETWORKS
        for pixels in (PIXELS if 'grid' in network else PIXELS[:2])
    ]


def parts_of(network: str, pixels: str) -> dict[str, list[Data]]:
    """Graphs to train on, to test on, and the latter moved, if in order."""
    data = load_dataset('digits')
    x, y = data.x.double(), data.y
    train, test = data.train_mask, data.test_mask
    if 'k-NN' in network:  # distances, so edges, are those of shuffled pixels
        x = x[:, ORDER] if pixels == 'shuffled' else x
        adj = gcn_adj(data.edge_index, num_nodes=len(x), dtype=x.dtype)
        return {
            part: [Data(x=x, edge_index=adj, y=y.where(mask, -100))]
            for part, mask in {'train': train, 'test': test}.items()
        }
    parts = {
        'train': graphs_of(x[train], y[train], pixels),
        'test': graphs_of(x[test], y[test], pixels),
    }
    if pixels == 'in order':
        parts['moved'] = graphs_of(moved(x[test]), y[test], pixels)
    return parts


def scores(network: nn.Module, batch: Data) -> Tensor:
    """Of each class; ``-100`` in ``batch.y`` is no label."""
    edge_type = batch.get('edge_type')
    return network(batch.x, batch.edge_index, edge_type, batch.batch)


def batches(graphs: list[Data], size: int, shuffle: bool) -> Iterable[Data]:
    """Of many graphs; the only one stays as it is."""
    return DataLoader(graphs, size, shuffle) if len(graphs) > 1 else graphs


def train(network: nn.Module, graphs: list[Data]) -> None:
    """A number of steps of Adam, all of them."""
    adam = torch.optim.Adam(network.parameters())
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, STEPS)
    loader = batches(graphs, BATCH, shuffle=True)
    for batch in islice(chain.from_iterable(repeat(loader)), STEPS):
        adam.zero_grad()
        F.cross_entropy(scores(network, batch), batch.y).backward()
        adam.step()
        rate.step()
    network.eval()


@torch.no_grad()
def accuracy(network: nn.Module, graphs: list[Data]) -> float:
    """Of all that have a label."""
    right = [
        (scores(network, batch).argmax(dim=1) == batch.y)[batch.y >= 0]
        for batch in batches(graphs, 10 * BATCH, shuffle=False)
    ]
    return torch.cat(right).double().mean().item()


def run(network: str, pixels: str, seed: int) -> dict[str, float]:
    """Trains a network, and tests it after the last step."""
    parts = parts_of(network, pixels)
    torch.manual_seed(seed)
    net = NETWORKS[network]().double()  # equal up to the order of sums
    train(net, parts.pop('train'))
    return {part: accuracy(net, graphs) for part, graphs in parts.items()}


def table(runs: pd.DataFrame) -> str:
    """Means in percent with their 95 % intervals, in Markdown."""

    def cell(values: pd.Series) -> str:
        values = 100 * values.dropna()
        if values.empty:
            return ''
        low, high = interval(values)
        return f'{values.mean():.1f} [{low:.1f}, {high:.1f}]'

    names = [PIXELS[0], 'tested one pixel to the right', *PIXELS[1:]]
    lines = [['network', *names], ['---', *['---:'] * 4]]
    for network, mine in runs.groupby('network', sort=False):
        by = [mine[mine['pixels'] == pixels] for pixels in PIXELS]
        columns = [by[0]['test'], by[0]['moved'], by[1]['test'], by[2]['test']]
        lines.append([network, *map(cell, columns)])
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def main() -> None:
    """Trains what is missing, and prints the table."""
    rows = pd.read_csv(RUNS).to_dict('records') if RUNS.is_file() else []
    done = [tuple(row[key] for key in KEYS) for row in rows]
    for case, seed in product(cases(), SEEDS):
        key = (*case, seed)
        if key not in done:
            rows.append({**dict(zip(KEYS, key, strict=True)), **run(*key)})
            pd.DataFrame(rows).to_csv(RUNS, index=False, float_format='%.4f')
    print(table(pd.read_csv(RUNS)))


if __name__ == '__main__':
    main()
