"""The registry of datasets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError, check_name, unknown
from ..late import call
from . import protocols, tasks
from .download import DataWarning, check_address, reachable, reading
from .folders import cache_folder, find_root

if TYPE_CHECKING:
    from torch_geometric.data import Data

    from .graphs import Graphs

Read = Callable[[Path | None, Sequence[str]], 'Data | Graphs']


@dataclass(frozen=True)
class Dataset:
    """Named data, the protocols they are judged by, and how they are read,
    with the split of the first protocol.

    Args:
        name: What rows and tables call them.
        about: What they are, in words.
        protocols: Their names, the usual one first.
        read: Reads them, from a root and perhaps from mirrors.
        kind: ``graph``, or ``graphs`` for many, or ``points`` for many
            clouds, which have no edges.
        digest: Of the content, where somebody brings their own data: runs on
            other content are other runs.
        of_nodes: Whether labels are of nodes, where there are many graphs.
        needs: How many layers must pass messages along the edges of the data
            before the whole truth can be known, where that is known.
        exact: Whether all of the truth is that far away, and none nearer.
        guess: The score of who guesses among classes that are alike in
            number, where they are known to be.
    """

    name: str
    about: str
    protocols: tuple[str, ...]
    read: Read
    kind: str = 'graph'
    digest: str | None = None
    of_nodes: bool = False
    needs: Callable[[], int] | None = None
    exact: bool = True
    guess: float | None = None

    @property
    def family(self) -> str:
        """The name without its options: recipes are for all of them."""
        return self.name.partition(':')[0]

    @property
    def many(self) -> bool:
        """Whether it is of many graphs or clouds."""
        return self.kind != 'graph'

    def need_one_graph(self, what: str) -> None:
        """Raises an error for what is done to one graph alone."""
        if self.many:
            raise UsageError(
                f'{what} is for one graph, and {self.name} has many'
            )

    def protocol(self, name: str | None = None) -> str:
        """The protocol that is named, or the first.

        Raises:
            UsageError: On one that it does not have.
        """
        if name is None:
            return self.protocols[0]
        if self.digest is not None:  # any split that can be drawn
            return protocols.find(name).name
        check_name(f'protocol of {self.name}', name, self.protocols)
        return name


REGISTERED: dict[str, Dataset] = {}  # what users bring


def find(name: str) -> Dataset:
    """A dataset by its name: built in, perhaps with options behind, or
    registered in this process.

    Raises:
        UsageError: If it is not known, or if it has no such options.
    """
    task = tasks.parse(name)
    if task is not None:
        return _task(*task)
    known = {**DATASETS, **REGISTERED}
    if name not in known:
        raise unknown('dataset', name, known)
    return known[name]


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
    from .graphs import check

    dataset = find(name)
    split = protocols.find(dataset.protocol(protocol))
    for url in mirrors:
        check_address(url)
    folder = find_root(root)
    place = '' if dataset.digest else f' in {folder or cache_folder()}'
    with reading(f'{name}{place}'):
        if strict:
            data = _read_strictly(dataset, folder, mirrors)
        else:
            data = dataset.read(folder, mirrors)
        data = split.split(data, seed)
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


def choose(root: str | Path | None = None) -> tuple[str, str]:
    """Cora where it is there or can be had, else the digits; and why."""
    from . import planetoid

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
        partial(call, '.data.planetoid:read', name),
    )


def _shchur(name: str, about: str) -> Dataset:
    read = partial(call, '.data.shchur:read', name)
    return Dataset(name, about, ('shchur-20-per-class',), read)


def _points(name: str, about: str, protocol: str, read: str) -> Dataset:
    def read_below(root: Path | None, mirrors: Sequence[str]) -> Graphs:
        return call(read, root or cache_folder())

    return Dataset(name, about, (protocol,), read_below, 'points')


def _nodes(name: str, about: str, split: str) -> Dataset:
    read = partial(call, '.data.ogb:read_nodes', name)
    return Dataset(name, f'{about} (ogb)', (f'ogb-{split}',), read)


def _task(name: str, options: Mapping[str, int]) -> Dataset:
    task = tasks.TASKS[name]
    return Dataset(
        tasks.full_name(name, options),
        task.about,
        (task.protocol,),
        lambda root, mirrors: tasks.make(name, options),
        'graphs' if task.many else 'graph',
        needs=partial(tasks.needed_depth, name, options),
        exact=task.needs is not None,
        guess=task.classes and 1 / task.classes(options),
    )


def _heterophilous(name: str, about: str, *sizes: int) -> Dataset:
    def read(root: Path | None, mirrors: Sequence[str]) -> Data:
        from . import graphs, long_range

        return long_range.read_heterophilous(name, graphs.Sizes(*sizes), root)

    about = f'{about} (Platonov et al. 2023)'
    return Dataset(name.lower(), about, ('platonov-50-25-25',), read)


def _peptides(name: str, about: str, metric: str) -> Dataset:
    def read(root: Path | None, mirrors: Sequence[str]) -> Graphs:
        return call('.data.long_range:read_peptides', name, root)

    about = f'15,535 peptides: {about} (Dwivedi et al. 2022)'
    protocols = (f'lrgb-{metric}',)
    return Dataset(name.lower(), about, protocols, read, 'graphs')


def _arxiv_sim(root: Path | None) -> Data:
    from . import arxiv_sim

    return arxiv_sim.read(root)


def _tu(name: str, number: int, about: str) -> Dataset:
    def read(root: Path | None, mirrors: Sequence[str]) -> Graphs:
        from . import tu

        return tu.read(name, number, root)

    about = f'{number:,} {about} (TU Dortmund)'
    return Dataset(name.lower(), about, ('tu-10-fold',), read, 'graphs')


def _molecules(name: str, about: str, metric: str = 'rocauc') -> Dataset:
    name = f'ogbg-mol{name}'
    read = partial(call, '.data.ogb:read_molecules', name)
    protocols = (f'ogb-scaffold-{metric}',)
    return Dataset(name, f'{about} (ogb)', protocols, read, 'graphs')


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
            partial(call, '.data.digits:read'),
        ),
        _points(
            'geometricshapes',
            '160 clouds of 256 points on meshes of 40 shapes',
            'shapes-official',
            '.data.clouds:shapes',
        ),
        _points(
            'pointclouds',
            '100 clouds of 256 points of 4 animals and a man '
            '(PointCloudLibrary)',
            'animals-official',
            '.data.clouds:animals',
        ),
        _points(
            's3dis',
            '23,585 blocks of 4,096 points in rooms of 6 areas: walls, '
            'chairs, ... (13 classes)',
            's3dis-area-5',
            '.data.clouds:rooms',
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
        _tu('MUTAG', 188, 'molecules: do they change genes'),
        _tu('PROTEINS', 1113, 'proteins: are they enzymes'),
        _tu('ENZYMES', 600, 'enzymes of 6 classes'),
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
        _heterophilous(
            'Roman-empire',
            '22,662 words of an article, joined by grammar',
            *(22662, 300, 65854, 18),
        ),
        _heterophilous(
            'Amazon-ratings',
            '24,492 products, joined where bought together: their rating',
            *(24492, 300, 186100, 5),
        ),
        _peptides('Peptides-func', '10 functions', 'ap'),
        _peptides('Peptides-struct', '11 properties of their shape', 'mae'),
        *(_task(name, task.options) for name, task in tasks.TASKS.items()),
    )
}
