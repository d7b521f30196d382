"""The co-author and co-purchase graphs of `"Pitfalls of Graph Neural Network
Evaluation" <https://arxiv.org/abs/1811.05868>`_ by Shchur et al.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch_geometric.data import Data
from torch_geometric.datasets import Coauthor
from torch_geometric.io.npz import parse_npz

from .archives import check_zip
from .download import fetch, reading
from .folders import cache_folder
from .graphs import Sizes, check_sizes, csr

FILES = {
    'coauthor-cs': 'Coauthor/CS/raw/ms_academic_cs.npz',
    'coauthor-physics': 'Coauthor/Physics/raw/ms_academic_phy.npz',
    'amazon-computers': (
        'Amazon/Computers/raw/amazon_electronics_computers.npz'
    ),
    'amazon-photo': 'Amazon/Photo/raw/amazon_electronics_photo.npz',
}
SIZES = {
    'coauthor-cs': Sizes(18333, 6805, 163788, 15),
    'coauthor-physics': Sizes(34493, 8415, 495924, 5),
    'amazon-computers': Sizes(13752, 767, 491722, 10),
    'amazon-photo': Sizes(7650, 745, 238162, 8),
}
PARTS = ('data', 'indices', 'indptr', 'shape')  # of a sparse matrix


def read(name: str, root: Path | None, mirrors: Sequence[str] = ()) -> Data:
    """Reads a graph as PyG's ``Coauthor`` and ``Amazon`` do, without masks.

    Args:
        name: One of :data:`FILES`.
        root: Folder with that file.
        mirrors: Addresses to look for the file at, before the authors'.

    Raises:
        UsageError: If the file is missing and cannot be downloaded, or if it
            is damaged, or not of the published graph.
    """
    file = (root or cache_folder()) / FILES[name]
    sizes = SIZES[name]
    if not file.is_file():
        bases = [url.rstrip('/') for url in (*mirrors, Coauthor.url)]
        fetch(
            [f'{base}/{file.name}' for base in bases],
            file,
            lambda part: _read(part, sizes),
        )
    return _read(file, sizes)


def _read(file: Path, sizes: Sizes) -> Data:
    with reading(file):
        with zipfile.ZipFile(file) as archive:
            check_zip(archive, file)
        with np.load(file) as found:
            parts = {
                f'{matrix}_{part}': found[f'{matrix}_{part}']
                for matrix in ('attr', 'adj')
                for part in PARTS
            }
            parts['labels'] = found['labels']
        for matrix, width in (('attr', sizes.features), ('adj', sizes.nodes)):
            shape = tuple(parts[f'{matrix}_shape'].tolist())
            if shape != (sizes.nodes, width):
                raise ValueError(
                    f'{matrix} must be of shape {(sizes.nodes, width)} (got '
                    f'{shape})'
                )
            csr(*(parts[f'{matrix}_{part}'] for part in PARTS))
        if parts['labels'].shape != (sizes.nodes,):
            raise ValueError(f'it must hold {sizes.nodes} labels')
        data = parse_npz(parts, to_undirected=True)
        check_sizes(data, sizes)
    return data
