import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import LargestConnectedComponents
from torch_geometric.utils import index_to_mask

from ..errors import UsageError, check_name
from . import clouds, planetoid, shchur
from .download import (
    DataWarning,
    cache_folder,
    check_address,
    find_root,
    reachable,
    reading,
)
from .graphs import Graphs, check

# Of the GDC paper's code:
DEVELOPMENT_SEED, DEVELOPMENT_NODES = 1684992425, 1500
TUNED_SEED = 123  # of the scripts of Classic GNNs are Strong Baselines


@dataclass(frozen=True)
class Dataset:
    """A named graph, the protocols it is judged by, and how it is read, with
    the split of the first protocol.
    """

    name: str
    about: str
    protocols: tuple[str, ...]
    read: Callable[[Path | None, Sequence[str]], Data | Graphs]
    many: bool = False  # whether it is of many graphs
    points: bool = False  # whether those have no edges


def protocol_of(name: str, protocol: str | None = None) -> str:
    """The protocol of a dataset: the one named, or its first.

    Raises:
        UsageError: On an unknown dataset, or a protocol it does not have.
    """
    check_name('dataset', name, DATASETS)
    known = DATASETS[name].protocols
    protocol = known[0] if protocol is None else protocol
    check_name(f'protocol of {name}', protocol, known)
    return protocol


def load(
    name: str,
    root: str | Path | None = None,
    protocol: str | None = None,
    seed: int = 0,
    mirrors: Sequence[str] = (),
    strict: bool = False,
) -> Data | Graphs:
    """Reads a dataset, and checks that its parts are finite, in range and fit
    together.

    Args:
        name: One of the names in :data:`DATASETS`.
        root: Folder with the data in PyG's layout (``Planetoid/Cora/raw``).
            It is never written unless files are missing there and can be
            downloaded into it.
        protocol: One of the dataset's protocols, the first by default.
        seed: Seed of the split, where the protocol draws one.
        mirrors: Addresses to look for missing files at, before the official
            one.
        strict: Whether files that are not known to be the published ones are
            an error, in place of a warning.

    Raises:
        UsageError: If the files are missing and cannot be downloaded, if one
            is damaged, or on an unknown name.

    Warns:
        DataWarning: Of files that are not known to be the published ones.
    """
    protocol = protocol_of(name, protocol)
    for url in mirrors:
        check_address(url)
    folder = find_root(root)
    with reading(f'{name} in {folder or cache_folder()}'):
        if strict:
            data = _read_strictly(DATASETS[name], folder, mirrors)
        else:
            data = DATASETS[name].read(folder, mirrors)
        data = _split(data, protocol, seed)
        check(data)
    return data


def _read_strictly(
    dataset: Dataset, root: Path | None, mirrors: Sequence[str]
) -> Data | Graphs:
    with warnings.catch_warnings():
        warnings.simplefilter('error', DataWarning)
        try:
            return dataset.read(root, mirrors)
        except DataWarning as warning:
            raise UsageError(f'{warning}, which --strict refuses') from warning


def _split(data: Data | Graphs, protocol: str, seed: int) -> Data | Graphs:
    """The split of a protocol, where it is not that of the files."""
    if protocol == 'gdc-lcc':
        return _split_gdc(data, seed)
    if protocol == 'shchur-20-per-class':
        return shchur.split(data, seed)
    return _split_tuned(data) if protocol == 'tunedgnn-random' else data


def _split_gdc(data: Data, seed: int) -> Data:
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


def _split_tuned(data: Data) -> Data:
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


def choose(root: str | Path | None = None) -> tuple[str, str]:
    """Cora where it is there or can be had, else the digits; and why."""
    raw = planetoid.raw_folder('Cora', find_root(root))
    if not planetoid.missing('Cora', raw):
        return 'cora', f'its files are in {raw}'
    if reachable(f'{planetoid.Planetoid.url}/ind.cora.x'):
        return 'cora', f'it can be downloaded to {raw}'
    return 'digits', f'Cora is neither in {raw} nor can it be downloaded'


def _digits(root: Path | None, mirrors: Sequence[str]) -> Data:
    from sklearn.datasets import load_digits
    from sklearn.neighbors import kneighbors_graph

    pixels, labels = load_digits(return_X_y=True)
    adj = kneighbors_graph(pixels, n_neighbors=10)
    row, col = adj.maximum(adj.T).nonzero()
    order = np.random.default_rng(0).permutation(labels.size)
    train = np.concatenate(
        [order[labels[order] == digit][:5] for digit in range(10)]
    )
    rest = order[~np.isin(order, train)]
    data = Data(
        x=torch.from_numpy(pixels).float() / 16,
        y=torch.from_numpy(labels).long(),
        edge_index=torch.from_numpy(np.stack([row, col])).long(),
    )
    splits = {'train': train, 'val': rest[:500], 'test': rest[500:]}
    for split, index in splits.items():
        mask = torch.zeros(labels.size, dtype=torch.bool)
        mask[torch.from_numpy(index)] = True
        data[f'{split}_mask'] = mask
    return data


def room(root: str | Path | None = None) -> Tensor:
    """A lidar scan of a room, 112,586 points, ``[N, 3]``.

    Raises:
        UsageError: If ``PointClouds/room_scan1.npy`` is not in the root.
    """
    file = (find_root(root) or cache_folder()) / 'PointClouds/room_scan1.npy'
    if not file.is_file():
        raise UsageError(
            f'{file} is missing: convert room_scan1.pcd of '
            f'github.com/PointCloudLibrary/data, or leave its row out with '
            f'--profile fast'
        )
    with reading(file):
        points = np.load(file, allow_pickle=False)
        if points.shape[1:] != (3,) or not np.isfinite(points).all():
            raise ValueError(
                f'it must hold points in 3 dimensions (got {points.shape})'
            )
        return torch.from_numpy(points)


def _citations(name: str, size: str) -> Dataset:
    return Dataset(
        name.lower(),
        f'citations between {size} papers (Planetoid)',
        ('planetoid-public', 'gdc-lcc', 'tunedgnn-random'),
        partial(planetoid.read, name),
    )


def _shchur(name: str, about: str) -> Dataset:
    protocols = ('shchur-20-per-class',)
    return Dataset(name, about, protocols, partial(shchur.read, name))


def _points(
    name: str, about: str, protocol: str, read: Callable[[Path], Graphs]
) -> Dataset:
    def read_below(root: Path | None, mirrors: Sequence[str]) -> Graphs:
        return read(root or cache_folder())

    return Dataset(name, about, (protocol,), read_below, True, True)


def _nodes(name: str, about: str, split: str) -> Dataset:
    def read(root: Path | None, mirrors: Sequence[str]) -> Data:
        from . import ogb  # takes two seconds to load

        return ogb.read_nodes(name, root, mirrors)

    return Dataset(name, f'{about} (ogb)', (f'ogb-{split}',), read)


def _arxiv_sim(root: Path | None) -> Data:
    from . import arxiv_sim

    return arxiv_sim.read(root)


def _molecules(name: str, about: str, metric: str = 'rocauc') -> Dataset:
    def read(root: Path | None, mirrors: Sequence[str]) -> Graphs:
        from . import ogb

        return ogb.read_molecules(f'ogbg-mol{name}', root, mirrors)

    protocols = (f'ogb-scaffold-{metric}',)
    return Dataset(f'ogbg-mol{name}', f'{about} (ogb)', protocols, read, True)


DATASETS = {
    d.name: d
    for d in (
        _citations('Cora', '2,708'),
        _citations('CiteSeer', '3,327'),
        _citations('PubMed', '19,717'),
        _shchur(
            'coauthor-cs', '18,333 computer scientists who published together'
        ),
        _shchur(
            'coauthor-physics', '34,493 physicists who published together'
        ),
        _shchur('amazon-computers', '13,752 goods that were bought together'),
        _shchur('amazon-photo', '7,650 goods that were bought together'),
        Dataset(
            'digits',
            '1,797 handwritten digits, each joined to its 10 nearest '
            '(scikit-learn)',
            ('digits-5-per-class',),
            _digits,
        ),
        _points(
            'geometricshapes',
            '160 clouds of 256 points on meshes of 40 shapes',
            'shapes-official',
            clouds.shapes,
        ),
        _points(
            'pointclouds',
            '100 clouds of 256 points of 4 animals and a man '
            '(PointCloudLibrary)',
            'animals-official',
            clouds.animals,
        ),
        _points(
            's3dis',
            '23,585 blocks of 4,096 points in rooms of 6 areas: walls, '
            'chairs, ... (13 classes)',
            's3dis-area-5',
            clouds.rooms,
        ),
        _nodes('ogbn-arxiv', '169,343 papers that cite one another', 'time'),
        _nodes(
            'ogbn-products',
            '2,449,029 products, joined where bought together',
            'sales-ranking',
        ),
        _nodes(
            'ogbn-proteins',
            '132,534 proteins of 8 species, joined by evidence of 8 kinds',
            'species',
        ),
        Dataset(
            'arxiv-sim',
            'SIMULATED: a graph of the size of ogbn-arxiv with its labels '
            'and years (made up as well where its files are missing), and '
            'with made-up citations and features',
            ('arxiv-sim-time',),
            lambda root, _: _arxiv_sim(root),
        ),
        _molecules('bace', '1,513 molecules: do they inhibit an enzyme'),
        _molecules('bbbp', '2,039 molecules: do they pass into the brain'),
        _molecules('clintox', '1,477 drugs: approved, toxic'),
        _molecules('sider', '1,427 drugs: 27 kinds of side effects'),
        _molecules('tox21', '7,831 molecules: 12 ways to be toxic'),
        _molecules('toxcast', '8,576 molecules: 617 ways to be toxic'),
        _molecules('hiv', '41,127 molecules: do they inhibit HIV'),
        _molecules('muv', '93,087 molecules: 17 targets', 'ap'),
        _molecules('pcba', '437,929 molecules: 128 targets', 'ap'),
        _molecules('esol', '1,128 molecules: solubility in water', 'rmse'),
        _molecules('freesolv', '642 molecules: hydration energy', 'rmse'),
        _molecules('lipo', '4,200 molecules: lipophilicity', 'rmse'),
    )
}
