"""Data that users bring."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data import Dataset as PyGDataset
from torch_geometric.utils import to_edge_index

from ..errors import UsageError
from . import protocols, sources
from .datasets import DATASETS, REGISTERED, Dataset
from .download import reading
from .graphs import SPLITS, Graphs, check_index, digest, labels_of
from .metrics import METRICS, natural

NAME = re.compile(r'[\w.:*-]+')
KEPT = ('x', 'edge_index', 'edge_weight', 'edge_attr', 'y', 'pos')
MASKS = tuple(f'{split}_mask' for split in SPLITS)

Source = Any  # what :func:`register` takes


class Held:
    """Data in memory, as a dataset reads them."""

    def __init__(self, data: Data | Graphs):
        self.data = data

    def __call__(
        self, root: Path | None, mirrors: Sequence[str]
    ) -> Data | Graphs:
        """The data; changes do not come back."""
        if isinstance(self.data, Graphs):
            return self.data
        return self.data.clone()


def register(
    source: Source,
    name: str | None = None,
    split: str | None = None,
    metric: str | None = None,
    root: str | Path | None = None,
    features: str | Path | None = None,
    labels: str | Path | None = None,
) -> str:
    """Makes data known in this process, and in those that do its runs.

    Args:
        source: A ``Data``, a dataset of PyG or a list of ``Data``, a function
            that gives one of them, or a text that :func:`sources.read` knows:
            the path of a file or folder, ``MODULE:FUNCTION``, ``tu:NAME`` or
            ``pyg:CLASS``.
        name: What rows and tables call them; by default what the source says,
            else ``data``.
        split: ``masks`` for those that come with the data, ``60/20/20`` for
            percents, ``20:500:1000`` for so many of each class to train, and
            so many others to validate and to test. Without it, the masks if
            there are some, else ``60/20/20``.
        metric: A name of :data:`METRICS`; by default accuracy for classes,
            ROC-AUC for several tasks of 0 and 1, RMSE for other numbers.
        root: Folder with data, for sources that have files there.
        features: Where the source is a file of edges: that of features of
            the nodes.
        labels: Likewise, of their labels.

    Returns:
        The name.

    Raises:
        UsageError: If they cannot be read, or are no data to train on.
    """
    about = 'data that were given'
    if isinstance(source, str | Path):
        source, found, about = sources.read(
            str(source), root, features, labels
        )
        name = name or found
    elif callable(source) and not isinstance(source, Data | PyGDataset):
        about = f'what {getattr(source, "__name__", "a function")} gives'
        with reading(about):
            source = source()
    name = name or 'data'
    if not NAME.fullmatch(name) or name in DATASETS:
        raise UsageError(
            f'the name of data must be of letters, digits and _ . : * -, and '
            f'none of a built-in dataset (got {name!r})'
        )
    with reading(name):
        data = _plain(source)
        if metric is not None and metric not in METRICS:
            raise UsageError(
                f'unknown metric {metric!r}: known are {", ".join(METRICS)}'
            )
        measured = METRICS[metric] if metric else natural(labels_of(data))
        masks = _masks(data)
        split = split or (protocols.MASKS if masks else protocols.DRAWN)
        if split == protocols.MASKS and masks != [*MASKS]:
            raise ValueError(
                f'{", ".join(MASKS)} are meant, or a split such as '
                f'{protocols.DRAWN} (got {", ".join(masks) or "no masks"})'
            )
    protocol = protocols.find(protocols.own_name(split, measured))
    REGISTERED[name] = Dataset(
        name,
        about,
        (protocol.name,),
        Held(data),
        'graph' if isinstance(data, Data) else 'graphs',
        digest(data),
        isinstance(data, Graphs) and any(len(g.y) != 1 for g in data.graphs),
    )
    return name


def _masks(data: Data | Graphs) -> list[str]:
    """Names of the masks that come with the data."""
    if isinstance(data, Graphs):
        return [f'{split}_mask' for split in data.split]
    return [mask for mask in MASKS if mask in data]


def _plain(source: Any) -> Data | Graphs:
    """A graph, or many, with what is trained on and nothing else."""
    if isinstance(source, Graphs):
        return source
    if isinstance(source, Data):
        return _graph(source)
    if isinstance(source, PyGDataset | list | tuple):
        if not len(source):
            raise ValueError('a graph at least is meant (got none)')
        if len(source) == 1 and isinstance(source[0], Data):
            return _graph(source[0])
        return _graphs(source)
    raise ValueError(
        f'a Data, a dataset of PyG or a list of Data is meant (got '
        f'{type(source).__name__})'
    )


def _graphs(given: Iterable[Any]) -> Graphs:
    graphs = []
    for number, graph in enumerate(given):
        if not isinstance(graph, Data):
            raise ValueError(
                f'each graph must be a Data (got {type(graph).__name__} as '
                f'number {number})'
            )
        graphs.append(_graph(graph))
        for name in ('x', 'y', 'edge_weight', 'edge_attr'):
            first, this = (
                [*g[name].shape[1:]] if name in g else 'none'
                for g in (graphs[0], graphs[-1])
            )
            if this != first:
                raise ValueError(
                    f'{name} must be as wide in each graph (got {first} '
                    f'in the first and {this} in number {number})'
                )
    return Graphs(graphs)


def _graph(given: Data) -> Data:
    """A copy with features and edges as tensors of the usual types.

    Raises:
        ValueError: If a part is missing or is something else.
    """
    data = Data()
    for name in (*KEPT, *MASKS):
        value = given.get(name)
        if value is None:
            continue
        if not isinstance(value, Tensor):
            raise ValueError(
                f'{name} must be a tensor (got {type(value).__name__})'
            )
        if value.is_complex():
            raise ValueError(f'{name} must be real (got {value.dtype})')
        data[name] = value.detach().cpu()
    adj = given.get('adj_t')
    if 'edge_index' not in data and adj is not None:
        if not isinstance(adj, Tensor):  # of torch_sparse
            adj = adj.to_torch_sparse_csr_tensor()
        index, weight = to_edge_index(adj)
        data.edge_index = index.flip(0)
        if not bool((weight == 1).all()):
            data.edge_weight = weight
    for name, meant in (
        ('x', 'features of nodes, [N, F]'),
        ('y', 'labels'),
        ('edge_index', 'edges, [2, E]'),
    ):
        if name not in data:
            raise ValueError(
                f'{name} is missing: {meant} (got '
                f'{", ".join(given.keys()) or "nothing"})'
            )
    if data.edge_index.dim() != 2 or data.edge_index.size(0) != 2:
        raise ValueError(
            f'edge_index must be [2, E] (got {[*data.edge_index.shape]})'
        )
    if data.x.is_sparse or data.x.layout != torch.strided:
        data.x = data.x.to_dense()
    if data.x.dim() not in (1, 2):
        raise ValueError(
            f'x must be [N, F], a row for each node (got {[*data.x.shape]})'
        )
    data.x = data.x.view(-1, 1) if data.x.dim() == 1 else data.x
    data.x = data.x.float()
    check_index('edge_index', data.edge_index, len(data.x))
    data.edge_index = data.edge_index.long()
    data.y = data.y.view(1) if data.y.dim() == 0 else data.y
    if data.y.dim() > 2:
        raise ValueError(
            f'y must be a label, or a row of them (got {[*data.y.shape]})'
        )
    if data.y.dim() == 2 and data.y.size(1) == 1 and data.num_nodes > 1:
        data.y = data.y.view(-1)
    if not data.y.is_floating_point():
        data.y = data.y.long() if data.y.dim() < 2 else data.y.float()
    elif data.y.dim() == 1:  # numbers: one task
        data.y = data.y.view(-1, 1)
    for name in MASKS:
        if name in data and data[name].dtype != torch.bool:
            raise ValueError(
                f'{name} must hold true and false (got {data[name].dtype})'
            )
    if 'edge_attr' in data:
        if data.edge_attr.dim() == 1:
            data.edge_attr = data.edge_attr.unsqueeze(1)
        data.edge_attr = data.edge_attr.float()
    _check_rows(data)
    return data


def _check_rows(data: Data) -> None:
    """Raises a ``ValueError`` unless there is a row for each node or edge."""
    of_edges = ('edge_weight', 'edge_attr')
    for name in (*of_edges, 'pos', *MASKS):
        if name not in data:
            continue
        size = data.num_edges if name in of_edges else len(data.x)
        shape = [*data[name].shape]
        if shape[:1] != [size] or (name in MASKS and len(shape) > 2):
            raise ValueError(f'{name} must have {size} rows (got {shape})')
    for name in of_edges:
        if name in data and not data[name].isfinite().all():
            raise ValueError(f'{name} must be finite')
    columns = {
        data[m].size(1) for m in MASKS if m in data and data[m].dim() > 1
    }
    if len(columns) > 1:
        raise ValueError(
            f'masks must be of as many splits (got {sorted(columns)})'
        )
