"""The co-author and co-purchase graphs of `"Pitfalls of Graph Neural Network
Evaluation" <https://arxiv.org/abs/1811.05868>`_ by Shchur et al.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch_geometric.data import Data
from torch_geometric.datasets import Coauthor
from torch_geometric.io import read_npz
from torch_geometric.utils import index_to_mask

from benchmarks.files import cache_folder, fetch

FILES = {
    'coauthor-cs': 'Coauthor/CS/raw/ms_academic_cs.npz',
    'coauthor-physics': 'Coauthor/Physics/raw/ms_academic_phy.npz',
    'amazon-computers': (
        'Amazon/Computers/raw/amazon_electronics_computers.npz'
    ),
    'amazon-photo': 'Amazon/Photo/raw/amazon_electronics_photo.npz',
}
TRAIN, VAL = 20, 30  # nodes of a class


def read(name: str, root: Path | None, mirrors: Sequence[str] = ()) -> Data:
    """Reads a graph as PyG's ``Coauthor`` and ``Amazon`` do, without masks.

    Args:
        name: One of :data:`FILES`.
        root: Folder with that file.
        mirrors: Addresses to look for the file at, before the authors'.

    Raises:
        UsageError: If the file is missing and cannot be downloaded.
    """
    file = (root or cache_folder()) / FILES[name]
    if not file.is_file():
        bases = [url.rstrip('/') for url in (*mirrors, Coauthor.url)]
        fetch([f'{base}/{file.name}' for base in bases], file)
    return read_npz(str(file), to_undirected=True)


def split(data: Data, seed: int) -> Data:
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
