"""Other edges for a simple, undirected graph."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from pyg_ext.transforms.edge_attributes import carry_over, edge_attrs
from pyg_ext.transforms.graphs import check_data, graphs_of, weight_attr
from pyg_ext.utils.checks import (
    check_batch,
    check_edges,
    check_joins,
    check_undirected,
)
from pyg_ext.utils.random_walk import draw_seed
from pyg_ext.utils.simple_graph import SimpleGraph


class Rewiring(BaseTransform):
    """Base of transforms that add and remove single edges; each graph of a
    batch, or of a vector :obj:`batch`, by itself.
    """

    seed: int | None

    def rewire(self, graph: SimpleGraph, generator: torch.Generator) -> None:
        """Adds edges to a graph and removes some."""
        raise TypeError(f'{self.__class__.__name__} must define rewire')

    def forward(self, data: Data) -> Data:
        if isinstance(data, Batch):
            graphs, follow = graphs_of(data)
            graphs = [self.forward(graph) for graph in graphs]
            return Batch.from_data_list(graphs, follow)
        check_data(data)
        old, _, size = check_edges(
            data.edge_index, data.get('edge_weight'), data.num_nodes, True
        )
        check_undirected(old.unique(dim=1), None, size)
        batch = check_batch(data.get('batch'), size)
        parts = _split(old, old.new_zeros(size) if batch is None else batch)
        now = torch.cat([self._rewired(*part) for part in parts], dim=1)
        now, before = now[0] * size + now[1], old[0] * size + old[1]
        stays = torch.isin(before, now) | (old[0] == old[1])
        kept = stays.nonzero().view(-1)
        new = now[~torch.isin(now, before)]
        source = torch.cat([kept, torch.full_like(new, -1)])
        weight = weight_attr(data)
        for key in edge_attrs(data, size):
            data[key] = carry_over(key, data[key], source)
            if key == weight:
                data[key][len(kept) :] = 1.0
        new = torch.stack([new // max(size, 1), new % max(size, 1)])
        data.edge_index = torch.cat([old[:, kept], new], dim=1)
        return data

    def _rewired(self, nodes: Tensor, edges: Tensor) -> Tensor:
        graph = SimpleGraph(edges, len(nodes))
        generator = torch.Generator().manual_seed(draw_seed(self.seed))
        self.rewire(graph, generator)
        ends = np.stack([graph.source, graph.target])
        return nodes[torch.from_numpy(ends).to(nodes.device)]


def _split(edges: Tensor, batch: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The nodes of each graph, and its edges with them counted from zero."""
    check_joins(edges, batch)
    graph = batch[edges[0]]
    order, sizes = batch.argsort(stable=True), batch.bincount(minlength=1)
    inside = order.argsort()[edges] - (sizes.cumsum(0) - sizes)[graph]
    inside = inside[:, graph.argsort(stable=True)]
    counts = graph.bincount(minlength=len(sizes)).tolist()
    return zip(
        order.split(sizes.tolist()), inside.split(counts, 1), strict=True
    )
