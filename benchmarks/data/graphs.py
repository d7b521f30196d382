"""Many graphs, with properties of each or of its nodes; and what any data
must be to be trained on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch_geometric.data import Data

SPLITS = ('train', 'val', 'test')
CONTENT = ('x', 'edge_index', 'edge_weight', 'edge_attr', 'y', 'pos')


@dataclass(frozen=True)
class Graphs:
    """Graphs whose nodes and edges have features that are categories, or
    points whose features are numbers.

    Args:
        graphs: The graphs, each with ``y``: a row, or one for each node.
        split: For each split, the indices of its graphs.
        node_sizes: How many categories each node feature has; nothing if
            they are numbers.
        edge_sizes: How many categories each edge feature has.
    """

    graphs: Sequence[Data]
    split: dict[str, Tensor] = field(default_factory=dict)
    node_sizes: list[int] = field(default_factory=list)
    edge_sizes: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Sizes:
    """What is published of a graph; each edge counts in both directions."""

    nodes: int
    features: int
    edges: int
    classes: int


def one_hot(categories: Tensor, sizes: list[int]) -> Tensor:
    """One column for each category of each feature, ``[N, sum(sizes)]``: a
    linear layer on it is a sum of embeddings.

    Raises:
        ValueError: If there are more categories than their sizes say.
    """
    check_categories(categories, sizes)
    limits = categories.new_tensor(sizes)
    places = categories + limits.cumsum(0) - limits  # [N, F]
    out = torch.zeros(len(places), sum(sizes), device=places.device)
    return out.scatter_(1, places, 1.0)


def check_categories(categories: Tensor, sizes: list[int]) -> None:
    """Raises an error if there are more categories than their sizes say."""
    limits = categories.new_tensor(sizes)
    if (categories >= limits).any() or (categories < 0).any():
        raise ValueError(f'categories must be in [0, size) of {sizes}')


def csr(
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    shape: Sequence[int],
) -> csr_matrix:
    """A sparse matrix from a file. scipy's own functions do not look whether
    indices and pointers are in range, and reach beyond their arrays.

    Raises:
        ValueError: If the parts are no sparse matrix.
    """
    rows, columns = map(int, shape)
    if any(part.dtype.kind not in 'iu' for part in (indices, indptr)):
        raise ValueError('indices must be whole numbers')
    if (
        indptr.shape != (rows + 1,)
        or indices.shape != data.shape
        or indices.ndim != 1
        or indptr[0] != 0
        or indptr[-1] != len(indices)
        or (indptr[1:] < indptr[:-1]).any()
    ):
        raise ValueError('pointers must lead through all indices')
    if len(indices) and not 0 <= indices.min() <= indices.max() < columns:
        raise ValueError(f'indices must be in [0, {columns})')
    return csr_matrix((data, indices, indptr), (rows, columns))


def check_sizes(data: Data, sizes: Sizes) -> None:
    """Raises a ``ValueError`` if a graph is not as large as published."""
    found = Sizes(
        data.num_nodes,
        data.num_features,
        data.num_edges,
        int(data.y.max()) + 1,
    )
    if found != sizes:
        raise ValueError(f'it must have {sizes} (got {found})')


def check_index(what: str, index: Tensor, size: int) -> None:
    """Raises a ``ValueError`` unless all numbers are in ``[0, size)``."""
    if index.is_floating_point() or index.dtype == torch.bool:
        raise ValueError(f'{what} must be whole numbers (got {index.dtype})')
    if index.numel() and not 0 <= index.min() <= index.max() < size:
        raise ValueError(
            f'{what} must be in [0, {size}) (got {int(index.min())} to '
            f'{int(index.max())})'
        )


def labels_of(data: Data | Graphs) -> Tensor:
    """All labels, of nodes or of graphs."""
    if isinstance(data, Graphs):
        return torch.cat([graph.y for graph in data.graphs])
    return data.y


def split_of(data: Data) -> dict[str, Tensor]:
    """The nodes of each split, from masks."""
    return {s: data[f'{s}_mask'].nonzero().view(-1) for s in SPLITS}


def digest(data: Data | Graphs) -> str:
    """A short name of the content of data, whatever their split."""
    out = hashlib.sha1()
    some = data.graphs if isinstance(data, Graphs) else [data]
    for graph in some:
        for name in CONTENT:
            value = graph.get(name)
            if value is None:
                continue
            value = torch.as_tensor(value).detach().cpu().contiguous()
            out.update(f'{name} {value.dtype} {[*value.shape]}'.encode())
            out.update(value.numpy().data)
    return out.hexdigest()[:12]


def check_split(split: Mapping[str, Tensor], size: int) -> None:
    """Checks the indices of each split.

    Raises:
        ValueError: If a split is empty or out of range, or if anything
            stands in two of them, or twice.
    """
    for name, index in split.items():
        check_index(f'split {name}', index, size)
        if not len(index):
            raise ValueError(f'split {name} is empty')
    index = torch.cat([part.view(-1).long() for part in split.values()])
    twice = int((index.bincount() > 1).sum())
    if twice:
        raise ValueError(f'splits must not overlap (got {twice} in two)')


def check(data: Data | Graphs) -> None:
    """Checks what was read, before it is trained on.

    Raises:
        ValueError: If features are not finite, or if edges, labels or splits
            are out of range.
    """
    if isinstance(data, Data):
        _check_graph(data, data.num_nodes)
        split = split_of(data)
        check_split(split, data.num_nodes)
        _check_labels(data.y[torch.cat([*split.values()])])
        return
    check_split(data.split, len(data.graphs))
    if not data.node_sizes:
        for graph in data.graphs:
            _check_graph(graph, len(graph.y))
            _check_labels(graph.y)


def _check_graph(data: Data, num_labels: int) -> None:
    x, y, size = data.x, data.y, data.num_nodes
    if size == 0:
        raise ValueError('a graph must have nodes (got none)')
    if x.dim() != 2 or len(x) != size or not x.numel():
        raise ValueError(
            f'features must be {size} rows (got shape {list(x.shape)})'
        )
    if not torch.stack(x.aminmax()).isfinite().all():  # a NaN is both
        raise ValueError(
            f'features must be finite (got {int((~x.isfinite()).sum())} of '
            f'{x.numel()} that are not)'
        )
    if len(y) != num_labels or y.isinf().any():
        raise ValueError(f'labels must be {num_labels} (got {len(y)})')
    if data.edge_index is not None:
        check_index('edges', data.edge_index, size)


def _check_labels(y: Tensor) -> None:
    if not y.is_floating_point() and y.numel() and y.min() < 0:
        raise ValueError(f'labels must be at least 0 (got {int(y.min())})')
