"""Other edges for a simple, undirected graph."""

import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from pyg_ext.transforms.edge_attributes import carry_over, edge_attrs
from pyg_ext.transforms.graphs import check_data, graphs_of, weight_attr
from pyg_ext.utils.checks import check_edges, check_undirected
from pyg_ext.utils.random_walk import draw_seed
from pyg_ext.utils.simple_graph import SimpleGraph


class Rewiring(BaseTransform):
    """Base of transforms that add and remove single edges; each graph of a
    batch by itself.
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
        old, _, size = check_edges(data.edge_index, num_nodes=data.num_nodes)
        check_undirected(old.unique(dim=1), None, size)
        graph = SimpleGraph(old, size)
        generator = torch.Generator().manual_seed(draw_seed(self.seed))
        self.rewire(graph, generator)
        now = torch.from_numpy(graph.source * size + graph.target)
        now, before = now.to(old.device), old[0] * size + old[1]
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
