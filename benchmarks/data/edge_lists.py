"""Graphs as tables: edges, features and labels of nodes."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data

from ..errors import UsageError
from .download import reading
from .graphs import SPLITS

TABLES = ('.csv', '.tsv')
ARRAYS = ('.npy',)


def read_folder(folder: Path) -> Data:
    """Reads ``edges``, ``features`` and ``labels`` below a folder.

    Raises:
        UsageError: If one is missing, or they do not fit together.
    """
    files = {}
    for name in ('edges', 'features', 'labels'):
        kinds = TABLES if name == 'edges' else (*TABLES, *ARRAYS)
        found = [folder / f'{name}{kind}' for kind in kinds]
        there = [file for file in found if file.is_file()]
        if not there:
            raise UsageError(
                f'{folder} must hold {name}{" or ".join(kinds)} (got '
                f'{", ".join(sorted(p.name for p in folder.iterdir())[:9])})'
            )
        files[name] = there[0]
    return read(**files)


def read(edges: Path, features: Path, labels: Path) -> Data:
    """Reads edges, ``source,target[,weight]``, with what is known of the
    nodes, whose names are in the first column of the other tables. The nodes
    stand in the order of the features.

    Raises:
        UsageError: If they do not fit together.
    """
    with reading(features):
        x, names = _features(features)
    with reading(labels):
        y, masks = _labels(labels, names)
    with reading(edges):
        index, weight = _edges(edges, names)
    data = Data(x=x, edge_index=index, y=y, **masks)
    if weight is not None:
        data.edge_weight = weight
    return data


def _table(file: Path) -> pd.DataFrame:
    """A table of texts, its first line perhaps one of names of columns."""
    found = pd.read_csv(
        file,
        sep='\t' if file.suffix == '.tsv' else ',',
        header=None,
        dtype=str,
        skipinitialspace=True,
        comment='#',
        keep_default_na=False,
    )
    if found.empty:
        raise ValueError('it is empty')
    return found


def _named(table: pd.DataFrame, named: bool) -> pd.DataFrame:
    """The table with the names of columns that its first line may have."""
    if named:
        table = table.set_axis(table.iloc[0].tolist(), axis=1).iloc[1:]
    return table.reset_index(drop=True)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _features(file: Path) -> tuple[torch.Tensor, pd.Index]:
    if file.suffix in ARRAYS:
        x = np.load(file, allow_pickle=False)
        names = pd.Index(map(str, range(len(x))))
    else:
        table = _table(file)
        words = [not _is_number(text) for text in table.iloc[0, 1:]]
        table = _named(table, any(words) and len(table) > 1)
        names = pd.Index(table.iloc[:, 0])
        x = table.iloc[:, 1:].astype(float).to_numpy()
    if x.ndim != 2 or not x.size:
        raise ValueError(
            f'a row of numbers for each node is meant (got shape {[*x.shape]})'
        )
    if names.has_duplicates:
        twice = names[names.duplicated()][0]
        raise ValueError(f'the node {twice!r} stands twice')
    return torch.from_numpy(x.astype(np.float32)), names


def _labels(
    file: Path, names: pd.Index
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    if file.suffix in ARRAYS:
        y = np.load(file, allow_pickle=False)
        if len(y) != len(names):
            raise ValueError(f'{len(names)} labels are meant (got {len(y)})')
        return torch.from_numpy(y), {}
    table = _table(file)
    table = _named(table, table.iloc[0, 0] not in names)
    nodes = pd.Index(table.iloc[:, 0])
    if nodes.has_duplicates:
        twice = nodes[nodes.duplicated()][0]
        raise ValueError(f'the node {twice!r} stands twice')
    _check_known(nodes, names)
    table = table.set_axis(nodes).reindex(names)
    masks = {}
    if 'split' in table:
        split = table['split'].str.strip().str.lower()
        foreign = {*split.dropna()} - {*SPLITS, ''}
        if foreign:
            raise ValueError(
                f'a split must be train, val, test or nothing (got '
                f'{sorted(foreign)[0]!r})'
            )
        masks = {
            f'{part}_mask': torch.from_numpy(
                (split == part).to_numpy(copy=True)
            )
            for part in SPLITS
        }
        table = table.drop(columns='split')
    values = table.iloc[:, 1:]
    if values.shape[1] > 1:  # several tasks
        numbers = values.replace('', np.nan).astype(float)
        return torch.from_numpy(numbers.to_numpy(np.float32, copy=True)), masks
    if values.shape[1] < 1:
        raise ValueError('a column of labels behind that of nodes is meant')
    return classes(values.iloc[:, 0].replace('', np.nan)), masks


def classes(values: pd.Series) -> torch.Tensor:
    """Labels as classes: whole numbers from 0 on as they are, other words in
    sorted order, -1 where there is none; and as numbers where they have
    fractions.
    """
    known = values.dropna()
    if not len(known):
        raise ValueError('there is no label')
    if known.map(_is_number).all():
        numbers = values.astype(float)
        if (numbers.dropna() % 1 != 0).any():
            return torch.from_numpy(numbers.to_numpy(np.float32, copy=True))
        if numbers.min() >= 0:
            return torch.from_numpy(
                numbers.fillna(-1).to_numpy(np.int64, copy=True)
            )
    codes = pd.Categorical(values, sorted(known.unique())).codes
    return torch.from_numpy(codes.astype(np.int64))


def _edges(
    file: Path, names: pd.Index
) -> tuple[torch.Tensor, torch.Tensor | None]:
    table = _table(file)
    if table.shape[1] not in (2, 3):
        raise ValueError(
            f'columns source, target and perhaps weight are meant (got '
            f'{table.shape[1]} columns)'
        )
    table = _named(table, not table.iloc[0, :2].isin(names).any())
    ends = table.iloc[:, :2].set_axis([0, 1], axis=1)
    for column in ends:
        _check_known(pd.Index(ends[column]), names)
    index = np.stack([names.get_indexer(ends[column]) for column in ends])
    weight = None
    if table.shape[1] == 3:
        weight = table.iloc[:, 2].astype(float).to_numpy(np.float32, copy=True)
        weight = torch.from_numpy(weight)
    return torch.from_numpy(index), weight


def _check_known(nodes: pd.Index, names: pd.Index) -> None:
    foreign = nodes.difference(names)
    if len(foreign):
        raise ValueError(
            f'{len(foreign)} nodes are not among the {len(names)} that have '
            f'features, such as {foreign[0]!r}'
        )
