"""Training on parts of one graph.

Parts are graphs of their own: an adjacency is normalized inside of each.
"""

import copy
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch_geometric.data import Data
from torch_geometric.loader import (
    GraphSAINTRandomWalkSampler,
    NeighborLoader,
    RandomNodeLoader,
)
from torch_geometric.typing import OptTensor
from torch_geometric.utils import remove_self_loops, to_undirected
from torch_geometric.utils.sparse import index2ptr

from ..data.metrics import Metric
from ..methods.network import Network
from ..recipes.recipe import Recipe
from .distributed import ALONE, Team

COVERAGE = 20  # samples of a node that GraphSAINT estimates its norms from


def clusters(data: Data, parts: int) -> Tensor:
    """The cluster of each node, ``[N]``, by METIS (Cluster-GCN, arXiv
    1905.07953).
    """
    import pymetis

    edges = remove_self_loops(data.edge_index.cpu())[0]
    row, col = to_undirected(edges, num_nodes=data.num_nodes)  # sorted
    starts = index2ptr(row, data.num_nodes)
    adjacency = pymetis.CSRAdjacency(starts.numpy(), col.numpy())
    return torch.tensor(pymetis.part_graph(parts, adjacency).vertex_part)


def make(
    data: Data, recipe: Recipe, team: Team = ALONE
) -> Callable[[], Iterable[Data]]:
    """What gives the parts of an epoch, in new order each time; ``learn``
    masks the nodes to learn from, and ``number`` says which they are in the
    whole graph, in place of features. Each process of a team gets its share.
    """
    parts = recipe.parts
    if parts is not None and parts > data.num_nodes:
        raise ValueError(
            f'parts must be at most {data.num_nodes}, the number of nodes '
            f'(got {parts})'
        )
    data = copy.copy(data)
    data.num_nodes = data.num_nodes  # which features have said so far
    data.number, data.x = torch.arange(data.num_nodes), None
    graph = data.batch if 'batch' in data else None
    shared = {
        'random': data.num_nodes,
        'cluster': parts,
        'neighbor': int(data.train_mask.sum()),
        'saint': 0,
    }
    sampler = team.sampler(shared[recipe.batch])
    order = {'sampler': sampler, 'shuffle': sampler is None}
    if recipe.batch == 'random':
        loader = RandomNodeLoader(data, num_parts=parts, **order)
    elif recipe.batch == 'cluster':
        cluster = clusters(data, parts)
        loader = DataLoader(
            range(parts),
            recipe.batch_size,
            collate_fn=lambda some: data.subgraph(
                torch.isin(cluster, torch.tensor(some))
            ),
            **order,
        )
    elif recipe.batch == 'neighbor':
        with warnings.catch_warnings():  # PyG would rather have pyg-lib
            warnings.filterwarnings('ignore', "Using 'NeighborSampler'")
            loader = NeighborLoader(
                data,
                recipe.fanout,
                input_nodes=data.train_mask,
                batch_size=recipe.batch_size,
                **order,
            )
    else:
        loader = GraphSAINTRandomWalkSampler(
            data,
            batch_size=recipe.batch_size,
            walk_length=recipe.walk_length,
            num_steps=math.ceil(parts / team.size),
            sample_coverage=COVERAGE,
            log=False,
        )

    def parts_of_epoch() -> Iterator[Data]:
        team.shuffle(sampler)
        return map(partial(_learn, graph=graph), loader)

    return parts_of_epoch


def _learn(part: Data, graph: OptTensor) -> Data:
    part.learn = part.train_mask
    if 'n_id' in part:  # of a neighbor loader: the seeds come first
        part.learn = torch.arange(part.num_nodes) < part.batch_size
        if graph is not None:  # which it has lost
            part.batch = graph[part.n_id]
    return part


def learn(
    model: torch.nn.Module,
    plain: torch.nn.Module,
    network: Network,
    x: Tensor,
    parts: Iterator[Data],
    optimizer: torch.optim.Optimizer,
    metric: Metric,
    team: Team = ALONE,
) -> float:
    """A step on each part; those without nodes to learn from are left out.
    The plain model, without what is around it, says what inputs it takes.

    Returns:
        The mean loss.
    """
    model.train()
    losses = []
    with team.uneven(model):
        for part in parts:
            if not part.learn.any():
                continue
            adj = network.adjacency(part).to(x.device)
            part = part.to(x.device)
            optimizer.zero_grad()
            features = x.index_select(0, part.number)
            out = model(features, adj, **network.inputs(plain, part))
            loss = _loss(out, part, metric)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    return team.mean(losses, x.device)


def _loss(out: Tensor, part: Data, metric: Metric) -> Tensor:
    out, y = out[part.learn], part.y[part.learn]
    if 'node_norm' not in part:
        return metric.loss(out, y)
    return metric.loss(out, y, part.node_norm[part.learn])  # of GraphSAINT
