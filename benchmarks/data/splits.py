"""Splits that a protocol draws."""

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import LargestConnectedComponents
from torch_geometric.utils import index_to_mask

# Of the GDC paper's code:
DEVELOPMENT_SEED, DEVELOPMENT_NODES = 1684992425, 1500


TUNED_SEED = 123  # of the scripts of Classic GNNs are Strong Baselines


def gdc(data: Data, seed: int) -> Data:
    """The largest component and a split of the GDC paper: the nodes to
    develop on are always the same, and the seed says which of them train.
    """
    data = LargestConnectedComponents()(data)
    size, labels = data.num_nodes, data.y.numpy()
    draw = np.random.RandomState(DEVELOPMENT_SEED).choice
    develop = draw(size, DEVELOPMENT_NODES, replace=False)
    draw = np.random.RandomState(seed).choice
    train = [
        draw(develop[labels[develop] == label], 20, replace=False)
        for label in range(labels.max() + 1)
    ]
    masks = np.zeros((3, size), dtype=bool)
    masks[0, np.concatenate(train)] = True
    masks[1, develop] = True
    masks[1] &= ~masks[0]
    masks[2] = ~masks[:2].any(0)
    for split, mask in zip(('train', 'val', 'test'), masks, strict=True):
        data[f'{split}_mask'] = torch.from_numpy(mask)
    return data


def tuned(data: Data) -> Data:
    """The one random split of the paper's scripts."""
    draw = torch.Generator().manual_seed(TUNED_SEED)
    train, rest = [], []
    for label in range(int(data.y.max()) + 1):
        nodes = (data.y == label).nonzero().view(-1)
        nodes = nodes[torch.randperm(len(nodes), generator=draw)]
        train.append(nodes[:20])
        rest.append(nodes[20:])
    rest = torch.cat(rest)
    rest = rest[torch.randperm(len(rest), generator=draw)]
    parts = torch.cat(train), rest[:500], rest[500:1500]
    for split, nodes in zip(('train', 'val', 'test'), parts, strict=True):
        data[f'{split}_mask'] = index_to_mask(nodes, data.num_nodes)
    return data


TRAIN, VAL = 20, 30  # nodes of a class


def shchur(data: Data, seed: int) -> Data:
    """Draws nodes of each class to train and to validate; the rest test."""
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(data.num_nodes, generator=draw)
    classes = [order[data.y[order] == c] for c in data.y.unique()]
    parts = {
        'train': torch.cat([nodes[:TRAIN] for nodes in classes]),
        'val': torch.cat([nodes[TRAIN : TRAIN + VAL] for nodes in classes]),
        'test': torch.cat([nodes[TRAIN + VAL :] for nodes in classes]),
    }
    for name, nodes in parts.items():
        data[f'{name}_mask'] = index_to_mask(nodes, data.num_nodes)
    return data
