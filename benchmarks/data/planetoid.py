"""Cora, CiteSeer and PubMed."""

import hashlib
import io
import types
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.datasets import Planetoid
from torch_geometric.io.planetoid import read_planetoid_data

from ..errors import UsageError
from . import pickles
from .download import DataWarning, fetch, reading
from .folders import cache_folder
from .graphs import Sizes, check_sizes

PARTS = ('x', 'tx', 'allx', 'y', 'ty', 'ally', 'graph', 'test.index')
SUMS = Path(__file__).with_name('planetoid.sha256')  # of the published files
TESTED = 1000  # nodes
SIZES = {
    'Cora': Sizes(2708, 1433, 10556, 7),
    'CiteSeer': Sizes(3327, 3703, 9104, 6),
    'PubMed': Sizes(19717, 500, 88648, 3),
}
LABELLED = {'Cora': 140, 'CiteSeer': 120, 'PubMed': 60}
FIRST = {'Cora': 1708, 'CiteSeer': 2312, 'PubMed': 18717}  # to test


def raw_folder(name: str, root: Path | None) -> Path:
    """Where the raw files of a graph are, or will be."""
    return (root or cache_folder()) / 'Planetoid' / name / 'raw'


def missing(name: str, raw: Path) -> list[str]:
    """The raw files that are not there."""
    files = [f'ind.{name.lower()}.{part}' for part in PARTS]
    return [file for file in files if not (raw / file).is_file()]


def published() -> dict[str, str]:
    """The SHA-256 of each raw file of github.com/kimiyoung/planetoid."""
    lines = map(str.split, SUMS.read_text('utf-8').splitlines())
    return {name: digest for digest, name in lines}


def read(name: str, root: Path | None, mirrors: Sequence[str] = ()) -> Data:
    """Reads raw files as PyG's ``Planetoid`` does, but for what they may ask
    to be run.

    Args:
        name: ``Cora``, ``CiteSeer`` or ``PubMed``.
        root: Folder with ``Planetoid/NAME/raw``.
        mirrors: Addresses to look for missing files at, before PyG's.

    Raises:
        UsageError: If files are missing and cannot be downloaded, or if one
            is damaged, or holds anything but numbers of the right shape.

    Warns:
        DataWarning: Of files that are not the published ones.
    """
    raw = raw_folder(name, root)
    for file in missing(name, raw):
        bases = [url.rstrip('/') for url in (*mirrors, Planetoid.url)]
        try:
            fetch(
                [f'{base}/{file}' for base in bases],
                raw / file,
                partial(_check_sum, file),
            )
        except UsageError as error:
            raise UsageError(
                f'{error}. Put the 8 files ind.{name.lower()}.* of '
                f'github.com/kimiyoung/planetoid there, name a folder that '
                f'holds Planetoid/*/raw with --root or PYG_EXT_DATA, or '
                f'another address with --url'
            ) from error
    parts, foreign = {}, []
    for part in PARTS:
        file = raw / f'ind.{name.lower()}.{part}'
        with reading(file):
            content = file.read_bytes()
            if hashlib.sha256(content).hexdigest() != published()[file.name]:
                foreign.append(file.name)
            parts[part] = _parse(content, part, name)
    with reading(raw):
        # PyG's function, with another way to read a file:
        build = types.FunctionType(
            read_planetoid_data.__code__,
            {
                **read_planetoid_data.__globals__,
                'read_file': lambda folder, prefix, part: parts[part],
            },
        )
        data = build(str(raw), name)
        check_sizes(data, SIZES[name])
    if foreign:
        warnings.warn(
            f'{", ".join(foreign)} in {raw} are not the published files of '
            f'this name: their SHA-256 is another',
            DataWarning,
            stacklevel=2,
        )
    return data


def _check_sum(name: str, part: Path) -> None:
    """Raises an error for a file that is not the published one."""
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    if digest != published()[name]:
        raise UsageError(
            f'it is not the published {name}: its SHA-256 begins with '
            f'{digest[:12]}, and not with {published()[name][:12]}'
        )


def _parse(content: bytes, part: str, name: str) -> Any:
    """What a file holds, as PyG reads it.

    Raises:
        ValueError: If it is not of the right shape or out of range.
    """
    sizes, first = SIZES[name], FIRST[name]
    if part == 'test.index':
        index = np.loadtxt(io.BytesIO(content), dtype=np.int64, ndmin=1)
        if (
            index.shape != (TESTED,)
            or len(np.unique(index)) != TESTED
            or (index.min(), index.max()) != (first, sizes.nodes - 1)
        ):
            raise ValueError(
                f'it must hold {TESTED} different nodes from {first} to '
                f'{sizes.nodes - 1} (got {len(index)})'
            )
        return torch.from_numpy(index)
    found = pickles.load(content)
    if part == 'graph':
        _check_neighbors(found, sizes.nodes)
        return found
    rows = {'': LABELLED[name], 't': TESTED, 'all': first}[part[:-1]]
    shape = rows, sizes.features if part[-1] == 'x' else sizes.classes
    if found.shape != shape:
        raise ValueError(f'it must be of shape {shape} (got {found.shape})')
    found = found.todense() if hasattr(found, 'todense') else found
    return torch.from_numpy(found).float()


def _check_neighbors(graph: Any, size: int) -> None:
    if not isinstance(graph, dict) or sorted(graph) != [*range(size)]:
        raise ValueError(f'it must hold the neighbors of {size} nodes')
    for node, near in graph.items():
        good = isinstance(near, list) and all(
            isinstance(other, int) and 0 <= other < size for other in near
        )
        if not good:
            raise ValueError(
                f'the neighbors of node {node} must be in [0, {size})'
            )
