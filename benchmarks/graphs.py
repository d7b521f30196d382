"""Many graphs, with properties of each or of its nodes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch_geometric.data import Data


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
    split: dict[str, Tensor]
    node_sizes: list[int] = field(default_factory=list)
    edge_sizes: list[int] = field(default_factory=list)


def one_hot(categories: Tensor, sizes: list[int]) -> Tensor:
    """One column for each category of each feature, ``[N, sum(sizes)]``: a
    linear layer on it is a sum of embeddings.

    Raises:
        ValueError: If there are more categories than their sizes say.
    """
    limits = categories.new_tensor(sizes)
    if (categories >= limits).any() or (categories < 0).any():
        raise ValueError(f'categories must be in [0, size) of {sizes}')
    places = categories + limits.cumsum(0) - limits  # [N, F]
    out = torch.zeros(len(places), sum(sizes), device=places.device)
    return out.scatter_(1, places, 1.0)
