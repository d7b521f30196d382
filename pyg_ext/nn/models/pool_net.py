import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, Module, ModuleList, Sequential
from torch_geometric.nn import SAGPooling, TopKPooling, aggr
from torch_geometric.nn.inits import reset
from torch_geometric.nn.resolver import aggregation_resolver
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import is_sparse

from pyg_ext.nn.diff_pool import diff_pool, ordered
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.nn.models.graph_model import GraphModel
from pyg_ext.utils.checks import (
    check_count,
    check_edges,
    check_features,
    check_name,
    check_real,
)

Edges = tuple[Adj, OptTensor, OptTensor]  # indices, weights, features
Pooled = tuple[Tensor, Edges, Tensor, Tensor]  # nodes, edges, batch, loss


class Select(Module):
    """Keeps some nodes of each graph."""

    def __init__(self, pool: TopKPooling | SAGPooling):
        super().__init__()
        self.pool = pool

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        self.pool.reset_parameters()

    def forward(
        self, given: Tensor, x: Tensor, edges: Edges, batch: Tensor, size: int
    ) -> Pooled:
        index, weight, attr = edges
        further = attr if weight is None else weight
        x, index, further, batch, *_ = self.pool(x, index, further, batch)
        parts = (None, further) if weight is None else (further, None)
        return x, (index, *parts), batch, x.new_zeros(())


class Cluster(Module):
    """Makes clusters of the nodes of each graph."""

    def __init__(self, model: GraphModel):
        super().__init__()
        self.model = model

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        self.model.reset_parameters()

    def forward(
        self, given: Tensor, x: Tensor, edges: Edges, batch: Tensor, size: int
    ) -> Pooled:
        s = self.model(given, *edges, batch)
        x, adj, *losses = diff_pool(x, s, *edges[:2], batch, size)
        # Pairs of clusters with their weights. Loops are those that a model
        # adds; a sum of weights that is zero has no inverse:
        num = adj.size(1)
        pairs = ~torch.eye(num, dtype=torch.bool, device=x.device)
        graph, source, target = pairs.expand_as(adj).nonzero().t()
        index = graph * num + torch.stack([source, target])
        weight = adj[graph, source, target].clamp(min=1e-6)
        batch = torch.arange(size, device=x.device).repeat_interleave(num)
        return x.flatten(0, 1), (index, weight, None), batch, sum(losses)


class PoolNet(Module):
    r"""A network of any depth for whole graphs: convolutions of a model of
    this package, pooling, and two linear layers.

    :obj:`pool` is either a readout, after all convolutions:

    * :obj:`'mean'`, :obj:`'sum'`, :obj:`'max'`;
    * :obj:`'attention'`:
      :class:`torch_geometric.nn.aggr.AttentionalAggregation` (`arXiv
      1511.05493 <https://arxiv.org/abs/1511.05493>`_);
    * :obj:`'set2set'`: :class:`torch_geometric.nn.aggr.Set2Set`
      (`arXiv 1511.06391 <https://arxiv.org/abs/1511.06391>`_);
    * any :class:`torch_geometric.nn.aggr.Aggregation` that keeps the number
      of channels;

    or a pooling, which makes a graph smaller between convolutions:

    * :obj:`'topk'`: :class:`torch_geometric.nn.pool.TopKPooling`
      (`arXiv 1905.05178 <https://arxiv.org/abs/1905.05178>`_);
    * :obj:`'sag'`: :class:`torch_geometric.nn.pool.SAGPooling`
      (`arXiv 1904.08082 <https://arxiv.org/abs/1904.08082>`_);
    * :obj:`'diffpool'`: :func:`~pyg_ext.nn.diff_pool`
      (`arXiv 1806.08804 <https://arxiv.org/abs/1806.08804>`_), whose
      assignment comes from a second stack of as many convolutions.

    All convolutions of a :class:`ConvStack` are hidden ones, with norm and
    activation, behind which it has a linear layer (:obj:`lin_out=True`).
    With poolings they fall into stages of like depth, the first
    ones deeper by one where they do not divide. Of each stage the mean and
    the maximum over a graph's nodes go to the linear layers, added up over
    the stages, as in the :obj:`'topk'` and :obj:`'sag'` papers.

    Args:
        model (Callable): A :class:`GraphModel` class whose :obj:`num_layers`
            counts convolutions, such as :class:`GCN`, or a function with its
            arguments.
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of graph convolutions, in all stages.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of each
            layer, linear ones but the first included. (default: :obj:`0.0`)
        pool (str or torch_geometric.nn.aggr.Aggregation, optional): See
            above. (default: :obj:`'mean'`)
        num_pools (int, optional): How often graphs become smaller, at most
            :obj:`num_layers - 1` times; twice if not given.
            (default: :obj:`None`)
        ratio (float, optional): The share of nodes that :obj:`'topk'` and
            :obj:`'sag'` keep, and of clusters that a further
            :obj:`'diffpool'` keeps; a half if not given.
            (default: :obj:`None`)
        clusters (int, optional): The number of clusters of the first
            :obj:`'diffpool'`; 16 if not given. (default: :obj:`None`)
        **kwargs (optional): Further arguments of :obj:`model`.

    Raises:
        ValueError: On an unknown :obj:`pool`, on :obj:`num_pools`,
            :obj:`ratio` or :obj:`clusters` without a pooling that they belong
            to, on a pooling with a single layer, on :obj:`'diffpool'` with a
            model that does not know weights of edges, and in the forward pass
            as in :class:`GraphModel`, on graphs that do not ascend, or with a
            pooling on edges that are no :obj:`edge_index`.

    Shapes:
        - **input:** those of :class:`GraphModel`; the graphs of nodes ascend
        - **output:** a row for each graph, :math:`(B, F_{out})`; with
          :obj:`return_losses` also the sum of the losses of :obj:`'diffpool'`,
          a number, zero for all others
    """

    READOUTS = ('mean', 'sum', 'max', 'attention', 'set2set')
    POOLINGS = ('topk', 'sag', 'diffpool')

    def __init__(
        self,
        model: Callable[..., GraphModel],
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        pool: str | aggr.Aggregation = 'mean',
        num_pools: int | None = None,
        ratio: float | None = None,
        clusters: int | None = None,
        **kwargs: Any,
    ):
        super().__init__()
        check_count('num_layers', num_layers)
        if not isinstance(pool, aggr.Aggregation):
            check_name('pool', pool, (*self.READOUTS, *self.POOLINGS))
        smaller = pool in self.POOLINGS
        for name, value, known in (
            ('num_pools', num_pools, smaller),
            ('ratio', ratio, smaller),
            ('clusters', clusters, pool == 'diffpool'),
        ):
            if value is not None and not known:
                raise ValueError(
                    f'{name} has no effect with pool={pool!r} (got {value})'
                )
        num_pools = 2 if num_pools is None else num_pools
        clusters = 16 if clusters is None else clusters
        ratio = 0.5 if ratio is None else ratio
        check_count('num_pools', num_pools)
        check_count('clusters', clusters)
        if not 0.0 < check_real('ratio', ratio) <= 1.0:
            raise ValueError(f'ratio must be in (0, 1] (got {ratio})')
        self.in_channels = in_channels
        self.out_channels = out_channels or hidden_channels
        self.num_layers = num_layers
        self.pool = pool
        if smaller and num_layers == 1:
            raise ValueError(
                f'pool={pool!r} stands between convolutions: num_layers must '
                f'be at least 2 (got 1)'
            )
        if smaller:
            num_pools = min(num_pools, num_layers - 1)
            self.readout = aggr.MultiAggregation(['mean', 'max'])
        else:
            num_pools = 0
            self.readout = readout(pool, hidden_channels)
        if isinstance(model, type) and issubclass(model, ConvStack):
            kwargs = {'lin_out': True, **kwargs}
        stages = num_pools + 1

        def stack(i: int, out_channels: int | None = None) -> GraphModel:
            known = dict(kwargs)
            if i > 0 and pool == 'diffpool':  # clusters have no edge_attr
                known.pop('edge_dim', None)
            return model(
                in_channels=hidden_channels if i else in_channels,
                hidden_channels=hidden_channels,
                num_layers=(num_layers + stages - 1 - i) // stages,
                out_channels=out_channels,
                dropout=dropout,
                **known,
            )

        def shrink(i: int) -> Module:
            if pool == 'diffpool':
                return Cluster(stack(i, math.ceil(clusters * ratio**i)))
            kind = TopKPooling if pool == 'topk' else SAGPooling
            return Select(kind(hidden_channels, ratio))

        self.stages = ModuleList(stack(i) for i in range(stages))
        self.pools = ModuleList(shrink(i) for i in range(num_pools))
        if pool == 'diffpool' and not self.stages[-1].supports_edge_weight:
            raise ValueError(
                f"pool='diffpool' gives weights of edges, which "
                f'{type(self.stages[0]).__name__} does not know'
            )
        width = hidden_channels * (1 + (num_pools > 0 or pool == 'set2set'))
        self.head = Sequential(
            Linear(width, hidden_channels),
            torch.nn.ReLU(),
            Dropout(dropout),
            Linear(hidden_channels, self.out_channels),
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for module in self.children():
            reset(module)

    def forward(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: OptTensor = None,
        edge_attr: OptTensor = None,
        batch: OptTensor = None,
        batch_size: int | None = None,
        return_losses: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        check_features(x, dense=False)
        batch, batch_size = ordered(batch, batch_size, x)
        if len(self.pools):
            if is_sparse(edge_index):
                raise ValueError(
                    f'pool={self.pool!r} needs edge_index, [2, E] (got a '
                    f'sparse adjacency)'
                )
            edge_index, edge_weight, _ = check_edges(
                edge_index, edge_weight, len(x)
            )
        out, losses = 0.0, 0.0
        edges = edge_index, edge_weight, edge_attr
        for i, stage in enumerate(self.stages):
            given, x = x, stage(x, *edges, batch).relu()
            out = out + self.readout(x, batch, dim_size=batch_size)
            if i < len(self.pools):
                x, edges, batch, loss = self.pools[i](
                    given, x, edges, batch, batch_size
                )
                losses = losses + loss
        out = self.head(out)
        if return_losses:
            return out, out.new_zeros(()) + losses
        return out

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({type(self.stages[0]).__name__}, '
            f'{self.in_channels}, {self.out_channels}, '
            f'num_layers={self.num_layers}, pool={self.pool})'
        )


def readout(name: str | aggr.Aggregation, channels: int) -> aggr.Aggregation:
    """A readout by its name, or itself."""
    if name == 'attention':
        return aggr.AttentionalAggregation(Linear(channels, 1))
    if name == 'set2set':
        return aggr.Set2Set(channels, processing_steps=3)
    return aggregation_resolver(name)
