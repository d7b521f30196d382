from collections.abc import Collection

import numpy as np
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import is_sparse
from torch_geometric.utils.num_nodes import maybe_num_nodes


def check_name(what: str, name: str | None, known: Collection) -> None:
    """Raises a ValueError if a name is not a known one."""
    if name not in known:
        names = ', '.join(map(str, known))
        raise ValueError(f'{what} must be one of {names} (got {name!r})')


def check_edges(
    edge_index: Tensor, edge_weight: OptTensor, num_nodes: int | None
) -> int:
    """Checks a weighted graph and returns its number of nodes.

    Raises:
        ValueError: On another shape, nodes out of range, or weights that are
            negative, infinite or no numbers.
    """
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(
            f'edge_index must be of shape [2, E] (got '
            f'{list(edge_index.size())})'
        )
    num_nodes = maybe_num_nodes(edge_index, num_nodes)
    if edge_index.numel() > 0:
        low, high = int(edge_index.min()), int(edge_index.max())
        if low < 0 or high >= num_nodes:
            raise ValueError(
                f'edge_index must name nodes from 0 to {num_nodes - 1} (got '
                f'{low if low < 0 else high})'
            )
    if edge_weight is not None:
        if edge_weight.size() != edge_index.size()[1:]:
            raise ValueError(
                f'edge_weight must be of shape [{edge_index.size(1)}], one '
                f'for each edge (got {list(edge_weight.size())})'
            )
        if not (edge_weight.isfinite() & (edge_weight >= 0)).all():
            raise ValueError('edge_weight must be finite and not negative')
    return num_nodes


def check_targets(
    targets: OptTensor, num_nodes: int, name: str = 'targets'
) -> np.ndarray:
    """The seeds as an array, all nodes by default."""
    if targets is None:
        return np.arange(num_nodes)
    seeds = targets.cpu().numpy().astype(np.int64)
    if seeds.ndim != 1 or (
        seeds.size and not 0 <= seeds.min() <= seeds.max() < num_nodes
    ):
        raise ValueError(
            f'{name} must be a vector of nodes from 0 to {num_nodes - 1} '
            f'(got shape {list(targets.size())}, from '
            f'{int(targets.min()) if seeds.size else None} to '
            f'{int(targets.max()) if seeds.size else None})'
        )
    return seeds


def check_edge_attr(
    edge_index: Adj, edge_attr: OptTensor, edge_dim: int | None
) -> None:
    """Raises an error if features of edges are missing, not foreseen, or come
    with an adjacency that has edges in another order.
    """
    if (edge_attr is None) != (edge_dim is None):
        given = None if edge_attr is None else tuple(edge_attr.shape)
        raise ValueError(
            f'edge_attr goes with edge_dim, which is {edge_dim} (got '
            f'edge_attr of shape {given})'
        )
    if edge_attr is not None and is_sparse(edge_index):
        raise ValueError(
            f'edge_attr needs edge indices: a sparse adjacency has its edges '
            f'in another order (got {type(edge_index).__name__})'
        )
