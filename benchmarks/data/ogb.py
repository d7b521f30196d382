"""Open Graph Benchmark: its own dataset classes, on today's torch, without a
question, and with nothing written beside the user's files.
"""

import inspect
import os
import tempfile
import types
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from ogb.graphproppred import PygGraphPropPredDataset
from ogb.io import read_graph_pyg as theirs
from ogb.nodeproppred import PygNodePropPredDataset
from ogb.utils.features import get_atom_feature_dims, get_bond_feature_dims
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.utils import (
    one_hot,
    scatter,
    to_undirected,
)

from ..errors import UsageError, reason
from . import pickles, splits
from .archives import check_gzip, unpack
from .download import DataWarning, fetch, reading
from .folders import cache_folder, made_once
from .graphs import Graphs, check_categories, check_index, check_split

DIRECTED = ('ogbn-arxiv', 'arxiv-sim')  # as given
KINDS = {'ogbn': PygNodePropPredDataset, 'ogbg': PygGraphPropPredDataset}
SPLITS = {'train': 'train', 'val': 'valid', 'test': 'test'}  # ours, and ogb's
FOLDERS = ('raw', 'split', 'mapping')  # of a dataset, that are read


def load_below(root: Path, path: str | Path, **kwargs: Any) -> Any:
    """What ``torch.save`` wrote to a file of a dataset: graphs of PyG and
    numpy's arrays among it, which ``torch.load`` refuses by default since
    version 2.6, and nothing that would have to be run.

    Raises:
        ValueError: If the file is not below the root.
        UsageError: If it is damaged, or asks for anything else.
    """
    place = Path(os.path.abspath(path))  # links inside may lead outside
    if not place.is_relative_to(os.path.abspath(root)):
        raise ValueError(
            f'only files below {root} may hold Python objects (got {path})'
        )
    with reading(place.resolve()):
        return pickles.load_torch(place)


def _rebind(function: Callable, **names: Any) -> Callable:
    """The same function with other objects behind some global names."""
    return types.FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )


class _Torch:
    """The module, with another ``load``."""

    def __init__(self, root: Path):
        self.load = partial(load_below, root)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


class _Pandas:
    """The module, with a ``read_csv`` for compressed tables of numbers, which
    counts their rows.
    """

    def __init__(self):
        self.rows: Counter[str] = Counter()

    def read_csv(self, path: str, **kwargs: Any) -> pd.DataFrame:
        name = Path(path).name.removesuffix('.csv.gz')
        if not Path(path).name.endswith('.csv.gz'):  # of ogb itself
            return pd.read_csv(path, **kwargs)
        if not Path(path).is_file():
            raise FileNotFoundError(f'{Path(path).name} is missing')
        with reading(Path(path).resolve()):
            table = read_table(Path(path), name.endswith('-label'))
            if name == 'edge' and table.shape[1] != 2:
                raise ValueError('it must hold two ends of each edge')
            self.rows[name] = len(table)
            if name.endswith('-list'):
                self.rows[f'sum of {name}'] = int(table[0].sum())
        return table

    def __getattr__(self, name: str) -> Any:
        return getattr(pd, name)

    def check(self) -> None:
        """Raises a ``ValueError`` if tables do not have a row for each graph,
        node or edge; ogb would take the next graph's rows.
        """
        rows = self.rows
        graphs = rows['num-node-list']
        for name, size in rows.items():
            kind = name.partition('-')[0].partition('_')[0]
            wanted = {
                'num': graphs,
                'graph': graphs,
                'species': rows['sum of num-node-list'],
                'node': rows['sum of num-node-list'],
                'edge': rows['sum of num-edge-list'],
            }.get(kind, size)
            if size != wanted:
                raise ValueError(
                    f'{name}.csv.gz must have {wanted} rows (got {size})'
                )


def read_table(path: Path, unknown: bool = False) -> pd.DataFrame:
    """A compressed table of numbers without a head.

    Args:
        path: A ``.csv.gz``.
        unknown: Whether some numbers may be missing.

    Raises:
        ValueError: If it holds anything else.
        Exception: Of any kind, if it is damaged.
    """
    check_gzip(path)
    table = pd.read_csv(path, compression='gzip', header=None)
    kinds = {dtype.kind for dtype in table.dtypes}
    if not kinds <= set('iuf'):
        raise ValueError('it must hold numbers only')
    values = table.to_numpy()
    if np.isinf(values).any() or (not unknown and np.isnan(values).any()):
        raise ValueError('it must hold finite numbers only')
    if path.name.endswith('-list.csv.gz') and (values < 0).any():
        raise ValueError('it must hold counts')
    return table


def _no_question(text: str) -> str:
    raise RuntimeError(f'ogb asks on stdin: {text.strip()}')


def _quiet(kind: type[InMemoryDataset]) -> type[InMemoryDataset]:
    """A class of ogb that reads its own files, and asks and downloads
    nothing. No module is patched: its methods are taken with other globals.
    """

    class Quiet(kind):
        def __init__(self, name: str, root: str, **kwargs: Any):
            base = Path(kwargs.get('meta_dict', {}).get('dir_path', root))
            self.source = base
            self._tables = _Pandas()
            self._names = {
                'torch': _Torch(base),
                'input': _no_question,
                'pd': self._tables,
            }
            init = _rebind(kind.__init__, **self._names)
            with warnings.catch_warnings():  # of arrays that pandas owns
                warnings.filterwarnings('ignore', 'The given NumPy array is')
                init(self, name, root, **kwargs)

        def process(self) -> None:
            tables = self._tables
            read = _rebind(theirs.read_csv_graph_raw, pd=tables)
            graphs = _rebind(theirs.read_graph_pyg, read_csv_graph_raw=read)
            _rebind(kind.process, **self._names, read_graph_pyg=graphs)(self)
            tables.check()

        def get_idx_split(self, *args: Any) -> dict[str, Any]:
            return _rebind(kind.get_idx_split, **self._names)(self, *args)

        def download(self) -> None:
            missing = [p for p in self.raw_paths if not Path(p).is_file()]
            raise FileNotFoundError(', '.join(missing))

    return Quiet


def open_dataset(
    name: str, root: Path | None, mirrors: Sequence[str] = ()
) -> InMemoryDataset:
    """Opens a dataset of ogb; what PyG makes of it goes to the cache folder.

    Args:
        name: A name such as ``ogbn-arxiv`` or ``ogbg-molhiv``.
        root: Folder with ``OGB/ogbn_arxiv`` or ``ogbn_arxiv``.
        mirrors: Addresses to look for a missing archive at, before ogb's.

    Raises:
        UsageError: If files are missing, torn, of another release, or cannot
            be downloaded.
    """
    kind = KINDS[name.partition('-')[0]]
    meta = _meta(kind, name)
    folder = _find(name, meta, root, mirrors)
    files = [
        p
        for p in sorted(folder.rglob('*'))
        if p.is_file() and p.relative_to(folder).parts[0] in FOLDERS
    ]
    marker = f'RELEASE_v{meta["version"]}.txt'
    _check_release(folder, marker)
    opened = _quiet(kind)

    def make(copy: Path) -> None:
        _link(folder, files, copy)
        (copy / marker).touch()
        try:
            opened(name, str(copy.parent))
        except Exception as error:  # ogb raises all kinds
            raise UsageError(
                f'{folder} cannot be read as a complete {name}: '
                f'{reason(error)}. '
                f'Where files are missing or torn, take it away to have it '
                f'downloaded again'
            ) from error

    done = made_once(files, folder.name, make)
    with reading(done):
        dataset = opened(name, str(done.parent))
    dataset.source = folder
    return dataset


def open_saved(meta: dict[str, str]) -> InMemoryDataset:
    """Opens what ``ogb.io.DatasetSaver`` wrote, from its description."""
    return _quiet(PygNodePropPredDataset)('', '', meta_dict=meta)


def _meta(kind: type, name: str) -> dict[str, str]:
    """What ogb knows of its dataset."""
    file = Path(inspect.getfile(kind)).with_name('master.csv')
    master = pd.read_csv(file, index_col=0, keep_default_na=False)
    return master[name].to_dict()


def _find(
    name: str,
    meta: dict[str, str],
    root: Path | None,
    mirrors: Sequence[str],
) -> Path:
    """The folder of a dataset, after downloading it where it is missing."""
    folder, homes = name.replace('-', '_'), [cache_folder() / 'OGB']
    if root is not None:
        homes = [root / 'OGB', *homes]
    for base in (*homes, *([] if root is None else [root])):
        for found in (base / folder, base / f'{folder}_pyg'):
            if found.is_dir():
                return found
    for base in homes:
        try:
            base.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=base):
                break
        except OSError:  # read only
            continue
    archive = f'{meta["download_name"]}.zip'
    urls = [f'{url.rstrip("/")}/{archive}' for url in mirrors]
    with FileLock(base / f'{folder}.lock'):
        if not (base / folder).is_dir():
            try:
                fetch([*urls, meta['url']], base / archive)
            except UsageError as error:
                raise UsageError(
                    f'{name}: {error}. Put {folder} there, name a folder that '
                    f'holds it with --root or PYG_EXT_DATA, or another '
                    f'address with --url'
                ) from error
            _unpack(base / archive, meta['download_name'], base / folder)
    return base / folder


def _unpack(archive: Path, inside: str, folder: Path) -> None:
    """Takes a folder out of an archive, whole, and the archive away."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        try:
            with reading(archive):
                unpack(archive, Path(work))
                (Path(work) / inside).rename(folder)
        except UsageError as error:
            archive.unlink()
            raise UsageError(
                f'{archive} is no good and was taken away: {error}'
            ) from error
    archive.unlink()


def _check_release(folder: Path, marker: str) -> None:
    """Where ogb would offer to delete the files."""
    found = [path.name for path in folder.glob('RELEASE_v*.txt')]
    if not found:
        warnings.warn(
            f'{folder} has no {marker}, and is taken for that release',
            DataWarning,
            stacklevel=2,
        )
    elif marker not in found:
        raise UsageError(
            f'{folder} is of another release than {marker} (got '
            f'{", ".join(found)}): take it away to have it downloaded again'
        )


def _link(folder: Path, files: list[Path], copy: Path) -> None:
    """Links in folders, in which ogb may add and rename."""
    for file in files:
        place = copy / file.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file.resolve())


def read_nodes(
    name: str, root: Path | None, mirrors: Sequence[str] = ()
) -> Data:
    """Reads a graph to classify nodes of (``ogbn-*``), with masks.

    Citations count in both directions. Without node features, a protein has
    the mean of the features of its edges, and a column for each species.
    """
    return with_masks(open_dataset(name, root, mirrors), name)


def with_masks(dataset: InMemoryDataset, name: str) -> Data:
    """The one graph of a dataset of ogb, with its split as masks.

    Raises:
        UsageError: If its parts do not fit together.
    """
    data, split = dataset[0], _split(dataset, dataset[0].num_nodes)
    with reading(dataset.source):
        check_index('edges', data.edge_index, data.num_nodes)
        _check_labels(data.y, dataset)
    if name in DIRECTED:
        data.edge_index = to_undirected(data.edge_index, data.num_nodes)
    if data.x is None:
        mean = scatter(
            data.edge_attr, data.edge_index[1], 0, data.num_nodes, 'mean'
        )
        species = data.node_species.view(-1).unique(return_inverse=True)[1]
        data.x = torch.cat([mean, one_hot(species).to(mean.dtype)], dim=1)
    if data.y.size(1) == 1:
        data.y = data.y.view(-1)
    return splits.with_masks(data, split)


def _split(dataset: InMemoryDataset, size: int) -> dict[str, Tensor]:
    """The official split, of so many nodes or graphs."""
    with reading(dataset.source / 'split'):
        found = dataset.get_idx_split()
        split = {
            ours: torch.as_tensor(found[theirs])
            for ours, theirs in SPLITS.items()
        }
        check_split(split, size)
    return split


def _check_labels(y: Tensor, dataset: InMemoryDataset) -> None:
    known = y[~y.isnan()] if y.is_floating_point() else y
    classes = dataset.num_classes if 'class' in dataset.task_type else None
    if (
        classes
        and known.numel()
        and not 0 <= known.min() <= known.max() < classes
    ):
        raise ValueError(
            f'labels must be in [0, {classes}) (got {known.min().item()} to '
            f'{known.max().item()})'
        )


def read_molecules(
    name: str, root: Path | None, mirrors: Sequence[str] = ()
) -> Graphs:
    """Reads molecules to predict properties of (``ogbg-mol*``)."""
    dataset = open_dataset(name, root, mirrors)
    out = Graphs(
        dataset,
        _split(dataset, len(dataset)),
        get_atom_feature_dims(),
        get_bond_feature_dims(),
    )
    with reading(dataset.source):
        data, slices = dataset._data, dataset.slices
        check_categories(data.x, out.node_sizes)
        check_categories(data.edge_attr, out.edge_sizes)
        sizes = slices['x'].diff()
        limit = sizes.repeat_interleave(slices['edge_index'].diff())
        if (data.edge_index < 0).any() or (data.edge_index >= limit).any():
            raise ValueError('edges must join nodes of their own graph')
        _check_labels(data.y, dataset)
    return out
