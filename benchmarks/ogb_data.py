"""Open Graph Benchmark: its own dataset classes, on today's torch, without a
question, and with nothing written beside the user's files.
"""

import inspect
import os
import tempfile
import types
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from filelock import FileLock
from ogb.graphproppred import PygGraphPropPredDataset
from ogb.nodeproppred import PygNodePropPredDataset
from ogb.utils.features import get_atom_feature_dims, get_bond_feature_dims
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.utils import (
    index_to_mask,
    one_hot,
    scatter,
    to_undirected,
)

from benchmarks.errors import UsageError
from benchmarks.files import cache_folder, fetch, processed_folder
from benchmarks.graphs import Graphs

DIRECTED = ('ogbn-arxiv', 'arxiv-sim')  # as given
KINDS = {'ogbn': PygNodePropPredDataset, 'ogbg': PygGraphPropPredDataset}
SPLITS = {'train': 'train', 'val': 'valid', 'test': 'test'}  # ours, and ogb's


def load_below(root: Path, path: str | Path, **kwargs: Any) -> Any:
    """``torch.load`` of whole Python objects, which torch refuses by default
    since version 2.6, for files of a dataset and for no others.

    Raises:
        ValueError: If the file is not below the root.
    """
    place = Path(os.path.abspath(path))  # links inside may lead outside
    if not place.is_relative_to(os.path.abspath(root)):
        raise ValueError(
            f'only files below {root} may hold Python objects (got {path})'
        )
    return torch.load(path, **{**kwargs, 'weights_only': False})


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


def _no_question(text: str) -> str:
    raise RuntimeError(f'ogb asks on stdin: {text.strip()}')


def _quiet(kind: type[InMemoryDataset]) -> type[InMemoryDataset]:
    """A class of ogb that reads its own files, and asks and downloads
    nothing. No module is patched: its methods are taken with other globals.
    """

    class Quiet(kind):
        def __init__(self, name: str, root: str, **kwargs: Any):
            base = Path(kwargs.get('meta_dict', {}).get('dir_path', root))
            self._names = {'torch': _Torch(base), 'input': _no_question}
            init = _rebind(kind.__init__, **self._names)
            with warnings.catch_warnings():  # of arrays that pandas owns
                warnings.filterwarnings('ignore', 'The given NumPy array is')
                init(self, name, root, **kwargs)

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
    files = [p for p in sorted(folder.rglob('*')) if p.is_file()]
    files = [p for p in files if p.relative_to(folder).parts[0] != 'processed']
    marker = f'RELEASE_v{meta["version"]}.txt'
    _check_release(folder, marker)
    cache = processed_folder(files)
    opened = _quiet(kind)
    with FileLock(cache / 'lock'):
        done = cache / folder.name
        if not done.is_dir():  # appears whole, at once
            with tempfile.TemporaryDirectory(dir=cache) as work:
                copy = Path(work) / folder.name
                _link(folder, files, copy)
                if not (copy / marker).exists():
                    (copy / marker).touch()
                try:
                    opened(name, work)
                except (
                    OSError,
                    EOFError,
                    RuntimeError,
                    ValueError,
                    zlib.error,
                ) as error:
                    raise UsageError(
                        f'{folder} cannot be read as a complete {name}: '
                        f'{error}. Where files are missing or torn, take it '
                        f'away to have it downloaded again'
                    ) from error
                copy.rename(done)
        return opened(name, str(cache))


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
            with zipfile.ZipFile(archive) as file:
                file.extractall(work)
            (Path(work) / inside).rename(folder)
        except (zipfile.BadZipFile, zlib.error, OSError) as error:
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
            stacklevel=2,
        )
    elif marker not in found:
        raise UsageError(
            f'{folder} is of another release than {marker} (got '
            f'{", ".join(found)}): take it away to have it downloaded again'
        )


def _link(folder: Path, files: list[Path], copy: Path) -> None:
    """Folders of links, in which ogb may add and rename."""
    copy.mkdir()
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
    """The one graph of a dataset of ogb, with its split as masks."""
    data, split = dataset[0], dataset.get_idx_split()
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
    for ours, theirs in SPLITS.items():
        index = torch.as_tensor(split[theirs])
        data[f'{ours}_mask'] = index_to_mask(index, data.num_nodes)
    return data


def read_molecules(
    name: str, root: Path | None, mirrors: Sequence[str] = ()
) -> Graphs:
    """Reads molecules to predict properties of (``ogbg-mol*``)."""
    dataset = open_dataset(name, root, mirrors)
    split = dataset.get_idx_split()
    return Graphs(
        dataset,
        {o: torch.as_tensor(split[t]) for o, t in SPLITS.items()},
        get_atom_feature_dims(),
        get_bond_feature_dims(),
    )
