"""Data that a text names: files, functions, and datasets of PyG."""

import os
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data
from torch_geometric.io.npz import parse_npz
from torch_geometric.utils import from_networkx

from .. import code, plugins
from ..errors import UsageError
from . import edge_lists, of_pyg
from .archives import check_zip
from .download import reading
from .folders import find_root
from .graphs import csr
from .shchur import PARTS

ARRAYS = ('x', 'edge_index', 'y', 'edge_weight', 'edge_attr', 'pos')
MASKS = ('train_mask', 'val_mask', 'test_mask')
OBJECT = re.compile(r'.+:[A-Za-z_]\w*')
GRAPHS = {'.graphml': 'read_graphml', '.gml': 'read_gml', '.gexf': 'read_gexf'}
FILES = ('.npz', '.pt', *edge_lists.TABLES, *GRAPHS)
MEANT = (
    'a name that `list datasets` shows, a file (.npz, .pt, .csv, .tsv, '
    '.graphml), a folder with edges, features and labels, FILE.py:FUNCTION, '
    'MODULE:FUNCTION, tu:NAME, pyg:CLASS or pyg:CLASS:NAME'
)


def is_source(text: str) -> bool:
    """Whether a text names data that are not in the registry."""
    return (
        ':' in text
        or os.sep in text
        or Path(text).suffix in FILES
        or (bool(text) and os.path.exists(text))
        or text in plugins.names('datasets')
    )


def read(
    text: str,
    root: str | Path | None = None,
    features: str | Path | None = None,
    labels: str | Path | None = None,
) -> tuple[Any, str, str]:
    """Reads what a text names.

    Args:
        text: A path or a name.
        root: Folder with data, for names.
        features: Of the nodes, where the text is a file of edges.
        labels: Likewise.

    Returns:
        A ``Data``, many of them or a dataset of PyG; a name; and what it is,
        in words.

    Raises:
        UsageError: If there is no such thing, or it cannot be read.
    """
    path = Path(text).expanduser()
    edges = path.suffix in edge_lists.TABLES and not os.path.isdir(path)
    if (features or labels) and not edges:
        raise UsageError(
            f'features and labels of their own are for a file of edges, .csv '
            f'or .tsv (got {text})'
        )
    if os.path.isdir(path):
        return edge_lists.read_folder(path), path.name, f'the folder {path}'
    if path.suffix in FILES:
        if not os.path.isfile(path):
            raise UsageError(f'there is no file {path}')
        if edges:
            return _of_edges(path, features, labels)
        with reading(path):
            return _file(path), path.stem, f'the file {path.name}'
    if text in plugins.names('datasets'):
        found = plugins.load('datasets', text)
        return _called(found, text), text, 'of another package'
    kind, _, rest = text.partition(':')
    if kind in ('tu', 'pyg') and rest:
        folder = find_root(root)
        if kind == 'tu':
            return of_pyg.tu(rest, folder), text, f'{rest} of TU Dortmund'
        return of_pyg.parse(rest, folder), text, f'{rest} of PyG'
    if OBJECT.fullmatch(text):
        name = text.rpartition(':')[2]
        return _called(code.find(text), text), name, f'what {text} gives'
    raise UsageError(f'{text!r} is no data: {MEANT} is meant')


def _called(found: Any, text: str) -> Any:
    """A function's result, else the thing itself."""
    if not callable(found) or isinstance(found, Data):
        return found
    with reading(text):
        return found()


def _of_edges(
    path: Path, features: str | Path | None, labels: str | Path | None
) -> tuple[Data, str, str]:
    if features is None or labels is None:
        raise UsageError(
            f'{path} holds edges: --features FILE and --labels FILE say what '
            f'is known of the nodes'
        )
    for file in map(Path, (features, labels)):
        if not file.is_file():
            raise UsageError(f'there is no file {file}')
    data = edge_lists.read(path, Path(features), Path(labels))
    return data, path.stem, f'the edges of {path.name}'


def _file(path: Path) -> Any:
    if path.suffix == '.npz':
        return _npz(path)
    if path.suffix == '.pt':
        return _torch(path)
    return _networkx(path)


def _torch(path: Path) -> Any:
    with warnings.catch_warnings():  # of what a file is made of
        warnings.simplefilter('ignore')
        try:
            return torch.load(path, map_location='cpu', weights_only=True)
        except pickle.UnpicklingError as error:
            # Not torch's advice, which is to run the file:
            raise ValueError(
                'a Data, or a list of Data, as torch.save writes it is meant '
                '(got more than tensors and plain containers)'
            ) from error


def _npz(path: Path) -> Data:
    with zipfile.ZipFile(path) as archive:
        check_zip(archive, path)
    with np.load(path, allow_pickle=False) as found:
        names = [*found.files]
        if 'adj_data' in names:  # as Shchur et al. have it
            parts = [f'{m}_{p}' for m in ('attr', 'adj') for p in PARTS]
            content = {name: found[name] for name in (*parts, 'labels')}
            for matrix in ('attr', 'adj'):
                csr(*(content[f'{matrix}_{part}'] for part in PARTS))
            if content['labels'].shape != tuple(content['adj_shape'][:1]):
                raise ValueError('it must hold a label for each node')
            return parse_npz(content, to_undirected=True)
        missing = {'x', 'edge_index', 'y'} - {*names}
        if missing:
            raise ValueError(
                f'arrays x, edge_index and y are meant, or those of a sparse '
                f'matrix, adj_data and so on (got {", ".join(names)})'
            )
        return Data(
            **{
                name: _tensor(name, found[name])
                for name in (*ARRAYS, *MASKS)
                if name in names
            }
        )


def _tensor(name: str, values: np.ndarray) -> torch.Tensor:
    if name == 'y' and values.dtype.kind == 'U' and values.ndim == 1:
        return edge_lists.classes(pd.Series(values))
    if values.dtype.kind not in 'biuf':
        raise ValueError(f'{name} must hold numbers (got {values.dtype})')
    return torch.from_numpy(values)


def _networkx(path: Path) -> Data:
    """A graph whose nodes have a label, ``y`` or ``label``; all other numbers
    of theirs are features.
    """
    import networkx

    graph = getattr(networkx, GRAPHS[path.suffix])(path)
    nodes = pd.DataFrame([attributes for _, attributes in graph.nodes(True)])
    name = next((n for n in ('y', 'label') if n in nodes), None)
    if name is None:
        raise ValueError(
            f'nodes must have an attribute y or label (got '
            f'{", ".join(map(str, nodes.columns)) or "none"})'
        )
    if name == 'label' and nodes[name].is_unique:
        raise ValueError(
            'nodes must have an attribute y (got a label that is another for '
            'each node)'
        )
    numbers = nodes.drop(columns=name).select_dtypes('number')
    if numbers.empty:
        raise ValueError('nodes must have attributes that are numbers')
    bare = networkx.DiGraph() if graph.is_directed() else networkx.Graph()
    bare.add_nodes_from(graph)
    bare.add_edges_from(graph.edges())
    data = from_networkx(bare)
    return Data(
        x=torch.from_numpy(numbers.to_numpy(np.float32, copy=True)),
        edge_index=data.edge_index,
        y=edge_lists.classes(nodes[name].astype(object)),
    )
