import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch_geometric.data import Data

from ..errors import UsageError, check_name
from . import clouds, digits, planetoid, shchur, splits
from .download import DataWarning, check_address, reachable, reading
from .folders import cache_folder, find_root
from .graphs import Graphs, check


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
        return splits.gdc(data, seed)
    if protocol == 'shchur-20-per-class':
        return splits.shchur(data, seed)
    return splits.tuned(data) if protocol == 'tunedgnn-random' else data


def choose(root: str | Path | None = None) -> tuple[str, str]:
    """Cora where it is there or can be had, else the digits; and why."""
    raw = planetoid.raw_folder('Cora', find_root(root))
    if not planetoid.missing('Cora', raw):
        return 'cora', f'its files are in {raw}'
    if reachable(f'{planetoid.Planetoid.url}/ind.cora.x'):
        return 'cora', f'it can be downloaded to {raw}'
    return 'digits', f'Cora is neither in {raw} nor can it be downloaded'


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
            digits.read,
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
