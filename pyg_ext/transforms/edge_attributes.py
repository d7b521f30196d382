"""Attributes of edges, carried over to the edges of another graph."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data


def edge_attrs(data: Data, num_nodes: int) -> list[str]:
    """The attributes with a row for each edge, but for the edges."""
    number = data.edge_index.size(1)
    found = []
    for key, value in data.to_dict().items():
        if key == 'y' or (key != 'edge' and f'{key}_index' in data):
            continue
        tensor = isinstance(value, Tensor)
        if isinstance(value, (str, dict)) or not hasattr(value, '__len__'):
            continue
        if isinstance(value, (Tensor, np.ndarray)) and (
            value.ndim == 0 or data.__cat_dim__(key, value) != 0
        ):
            continue
        other = tensor and number != num_nodes
        if ('edge' in key or other) and len(value) == number:
            found.append(key)
    return found


def source_edges(old: Tensor, new: Tensor, size: int) -> Tensor:
    """For each of the new edges, which are sorted, the first of the old ones
    that it is, or -1.
    """
    keys, place = (old[0] * size + old[1]).unique(return_inverse=True)
    first = torch.full_like(keys, len(place)).scatter_reduce(
        0, place, torch.arange(len(place), device=place.device), 'amin'
    )
    wanted = new[0] * size + new[1]
    if not len(keys):
        return torch.full_like(wanted, -1)
    at = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(keys[at] == wanted, first[at], -1)


def carry_over(name: str, value: Any, source: Tensor) -> Any:
    """Gives the rows of old edges to the same new edges, and zeros to the
    others.
    """
    if isinstance(value, Tensor) and value.layout == torch.strided:
        out = value.new_zeros(len(source), *value.size()[1:])
        old = (source >= 0).to(value.device)
        out[old] = value[source.to(value.device)[old]]
        return out
    places = source.cpu().numpy()
    if isinstance(value, np.ndarray):
        out = np.zeros((len(places), *value.shape[1:]), value.dtype)
        out[places >= 0] = value[places[places >= 0]]
        return out
    if type(value) in (list, tuple):
        return type(value)(value[i] if i >= 0 else None for i in places)
    raise ValueError(
        f'new edges cannot get {name} (got {type(value).__name__}): it must '
        f'be a dense tensor, an array, a list or a tuple'
    )
