import hashlib
import os
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.datasets import Planetoid
from torch_geometric.io import read_npz
from torch_geometric.transforms import LargestConnectedComponents
from torch_geometric.utils import index_to_mask

from benchmarks import clouds
from benchmarks.errors import UsageError, check_name

# Of the GDC paper's code:
DEVELOPMENT_SEED, DEVELOPMENT_NODES = 1684992425, 1500
TUNED_SEED = 123  # of the scripts of Classic GNNs are Strong Baselines
TIMEOUT = 5.0  # seconds to wait for the first byte of a download


@dataclass(frozen=True)
class Dataset:
    """A named graph, the protocols it is judged by, and how it is read, with
    the split of the first protocol.
    """

    name: str
    about: str
    protocols: tuple[str, ...]
    read: Callable[[Path | None], Data]


def cache_folder() -> Path:
    """The folder for downloads and processed files."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'pyg_ext'


def find_root(root: str | Path | None) -> Path | None:
    """The folder that holds the data: the option, else ``PYG_EXT_DATA``."""
    root = root or os.environ.get('PYG_EXT_DATA')
    if not root:
        return None
    root = Path(root).expanduser().resolve()
    if not root.is_dir():
        raise UsageError(f'the data root {root} is no folder')
    return root


def protocol_of(name: str, protocol: str | None = None) -> str:
    """The protocol of a dataset: the one named, or its first.

    Raises:
        UsageError: On an unknown dataset, or a protocol it does not have.
    """
    check_name('dataset', name, DATASETS)
    known = DATASETS[name].protocols
    protocol = protocol or known[0]
    check_name(f'protocol of {name}', protocol, known)
    return protocol


def load(
    name: str,
    root: str | Path | None = None,
    protocol: str | None = None,
    seed: int = 0,
) -> Data:
    """Reads a dataset.

    Args:
        name: One of the names in :data:`DATASETS`.
        root: Folder with the data in PyG's layout (``Planetoid/Cora/raw``).
            It is never written unless files are missing there and can be
            downloaded into it.
        protocol: One of the dataset's protocols, the first by default.
        seed: Seed of the split, where the protocol draws one.

    Raises:
        UsageError: If the files are missing and cannot be downloaded, or on
            an unknown name.
    """
    protocol = protocol_of(name, protocol)
    data = DATASETS[name].read(find_root(root))
    if protocol == 'gdc-lcc':
        return _split_gdc(data, seed)
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
    raw = _raw_folder('Cora', find_root(root))
    if not _missing('Cora', raw):
        return 'cora', f'its files are in {raw}'
    if _reachable(f'{Planetoid.url}/ind.cora.x'):
        return 'cora', f'it can be downloaded to {raw}'
    return 'digits', f'Cora is neither in {raw} nor can it be downloaded'


def _raw_folder(name: str, root: Path | None) -> Path:
    return (root or cache_folder()) / 'Planetoid' / name / 'raw'


def _missing(name: str, raw: Path) -> list[str]:
    parts = ('x', 'tx', 'allx', 'y', 'ty', 'ally', 'graph', 'test.index')
    files = [f'ind.{name.lower()}.{part}' for part in parts]
    return [file for file in files if not (raw / file).is_file()]


def _reachable(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            return response.read(1) != b''
    except OSError:  # refused, timed out, not found, no such host
        return False


def _planetoid(name: str) -> Callable[[Path | None], Data]:
    def read(root: Path | None) -> Data:
        raw = _raw_folder(name, root)
        missing = _missing(name, raw)
        if missing:
            _download(missing, raw)
        return _process(name, raw)

    return read


def _download(files: list[str], raw: Path) -> None:
    """Fetches each file whole or not at all."""
    for file in files:
        url = f'{Planetoid.url}/{file}'
        try:
            raw.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
                content = response.read()
            part = raw / f'{file}.part'
            part.write_bytes(content)
            part.replace(raw / file)
        except OSError as error:
            raise UsageError(
                f'{file} is missing in {raw}, and {url} cannot be downloaded '
                f'({error}). Put the 8 files ind.{file.split(".")[1]}.* of '
                f'github.com/kimiyoung/planetoid there, or name a folder '
                f'that holds Planetoid/*/raw with --root or PYG_EXT_DATA'
            ) from error


def _process(name: str, raw: Path) -> Data:
    """Reads raw files through PyG, whose own files go to the cache folder."""
    stats = [p.stat() for p in sorted(raw.glob('ind.*'))]
    state = repr([raw] + [(s.st_size, s.st_mtime_ns) for s in stats])
    digest = hashlib.sha1(state.encode()).hexdigest()[:12]
    cache = cache_folder() / 'processed' / digest
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / 'lock'):
        done = cache / name
        if not done.is_dir():  # appears whole, at once
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                work = Path(folder) / name
                work.mkdir()
                (work / 'raw').symlink_to(raw)
                Planetoid(folder, name)
                work.rename(done)
        return Planetoid(str(cache), name)[0]


def _digits(root: Path | None) -> Data:
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
    return torch.from_numpy(np.load(file))


def physics(root: str | Path | None = None) -> Data:
    """Authors who published together, 34,493 in physics (Coauthor).

    Raises:
        UsageError: If ``Coauthor/Physics/raw/ms_academic_phy.npz`` is not in
            the root.
    """
    folder = find_root(root) or cache_folder()
    file = folder / 'Coauthor/Physics/raw/ms_academic_phy.npz'
    if not file.is_file():
        raise UsageError(
            f'{file} is missing: it is in github.com/shchur/gnn-benchmark'
        )
    return read_npz(str(file))


def _citations(name: str, size: str) -> Dataset:
    return Dataset(
        name.lower(),
        f'citations between {size} papers (Planetoid)',
        ('planetoid-public', 'gdc-lcc', 'tunedgnn-random'),
        _planetoid(name),
    )


DATASETS = {
    d.name: d
    for d in (
        _citations('Cora', '2,708'),
        _citations('CiteSeer', '3,327'),
        _citations('PubMed', '19,717'),
        Dataset(
            'digits',
            '1,797 handwritten digits, each joined to its 10 nearest '
            '(scikit-learn)',
            ('digits-5-per-class',),
            _digits,
        ),
        Dataset(
            'geometricshapes',
            '160 clouds of 256 points on meshes of 40 shapes',
            ('shapes-official',),
            lambda root: clouds.shapes(root or cache_folder()),
        ),
        Dataset(
            'pointclouds',
            '100 clouds of 256 points of 4 animals and a man '
            '(PointCloudLibrary)',
            ('animals-official',),
            lambda root: clouds.animals(root or cache_folder()),
        ),
    )
}
