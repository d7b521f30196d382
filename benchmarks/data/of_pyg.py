"""Datasets of PyG, from files that are there, with nothing written beside."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch_geometric import datasets
from torch_geometric.data import Dataset
from torch_geometric.transforms import OneHotDegree
from torch_geometric.utils import degree

from ..errors import UsageError, check_name
from .download import reading
from .folders import cache_folder, made_once

LARGEST = 1000  # degree that becomes a feature


def tu(name: str, root: Path | None, **options: Any) -> Dataset:
    """Graphs of TU Dortmund; where nodes have no features, they have their
    degrees, as in "How Powerful are Graph Neural Networks?" (arXiv
    1810.00826).

    Raises:
        UsageError: If they cannot be read, nor downloaded.
    """
    found = read('TUDataset', name, root, **options)
    if found.num_node_features:
        return found
    most = max(
        int(degree(graph.edge_index[0], graph.num_nodes).max())
        for graph in found
        if graph.num_edges
    )
    if most > LARGEST:
        raise UsageError(
            f'the graphs of {name} have no features, and degrees up to {most}'
        )
    found.transform = OneHotDegree(most)
    return [*found]


def read(kind: str, name: str, root: Path | None, **options: Any) -> Dataset:
    """A dataset class of PyG, by its name and perhaps that of one of its
    graphs, and with options that its files do not hang on.

    Raises:
        UsageError: On an unknown class, one that needs more than a name, or
            if the files cannot be read, nor downloaded.
    """
    check_name('dataset of PyG', kind, datasets.__all__)
    made = getattr(datasets, kind)
    words = [
        p.name
        for p in inspect.signature(made).parameters.values()
        if p.default is p.empty and p.kind <= p.POSITIONAL_OR_KEYWORD
    ]
    needs = ['root'] + ['name'] * bool(name)
    if words != needs:
        raise UsageError(
            f'{kind} of PyG takes {", ".join(words)}: pyg:CLASS is for those '
            f'of a root, and pyg:CLASS:NAME for those of a root and a name; a '
            f'function of your own, FILE.py:FUNCTION, may give any other'
        )
    given = (name,) if name else ()
    folder = (root or cache_folder()) / kind
    own = _folder_of(name, folder) / 'raw'
    with _making(kind, name):
        if not own.is_dir():
            return made(str(cache_folder() / kind), *given, **options)
        files = [p for p in sorted(own.rglob('*')) if p.is_file()]

        def make(copy: Path) -> None:
            _link(folder, files, copy)
            made(str(copy), *given)

        folder = made_once(files, kind, make)
        return made(str(folder), *given, **options)


def _folder_of(name: str, folder: Path) -> Path:
    """That of a graph; classes of PyG write ``Roman-empire`` in some way, such
    as ``roman_empire``.
    """
    meant = name.lower().replace('-', '_')
    for place in sorted(folder.glob('*')) if name else ():
        if place.name.lower().replace('-', '_') == meant:
            return place
    return folder / name


@contextmanager
def _making(kind: str, name: str) -> Iterator[None]:
    with reading(f'{kind} {name}'.strip()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            yield
        except AssertionError as error:  # how PyG looks at names
            raise ValueError(
                f'PyG takes another name (got {name!r}): see {kind} in its '
                f'documentation'
            ) from error


def _link(folder: Path, files: list[Path], copy: Path) -> None:
    for file in files:
        place = copy / file.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file.resolve())


def parse(text: str, root: Path | None) -> Any:
    """``CLASS`` or ``CLASS:NAME``."""
    kind, _, name = text.partition(':')
    return read(kind, name, root)
