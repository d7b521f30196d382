from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import scatter


@dataclass(frozen=True)
class Graphs:
    """The graphs of a batch: nodes are sorted by graph, and no graph is
    empty.
    """

    index: Tensor  # the graph of each node, [N]
    sizes: Tensor  # the number of nodes of each graph, [G]

    def __len__(self) -> int:
        return len(self.sizes)

    def sum(self, values: Tensor, node: OptTensor = None) -> Tensor:
        """The sum over each graph, ``[G]``, of one value for each node, or
        for each edge that :obj:`node` is an end of.
        """
        if len(self) == 1:
            return values.sum(dim=0, keepdim=True)
        index = self.index if node is None else self.index[node]
        return scatter(values, index, 0, len(self))

    def map(self, function: Callable, *values: Sequence[Tensor]) -> Any:
        """What a function gives for each graph: one value, ``[G]``, or a
        tuple of some. A tensor of all nodes is split into their rows.
        """
        if len(self) == 1:  # the tensors themselves, which may be shared
            values = [[v] if isinstance(v, Tensor) else v for v in values]
        sizes = self.sizes.tolist()
        split = [
            v.split(sizes) if isinstance(v, Tensor) else v for v in values
        ]
        out = [function(*part) for part in zip(*split, strict=True)]
        if isinstance(out[0], tuple):
            return tuple(map(torch.stack, zip(*out, strict=True)))
        return torch.stack(out)

    def edges(self, edge_index: Tensor) -> tuple[Tensor, ...]:
        """The edges of each graph, whose nodes are counted from zero on."""
        graph = self.index[edge_index[1]]
        counts = graph.bincount(minlength=len(self)).tolist()
        inside = edge_index - (self.sizes.cumsum(0) - self.sizes)[graph]
        return inside[:, graph.argsort(stable=True)].split(counts, dim=1)
