from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.nn import GENConv
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import add_self_loops

from pyg_ext.nn.act import make_act
from pyg_ext.nn.aggr import PowerSumAggregation, SoftmaxSumAggregation
from pyg_ext.nn.block import GNNBlock, norm_ahead
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.models.graph_model import GraphModel, linear
from pyg_ext.nn.norm import apply_norm
from pyg_ext.utils import edge_list

# Arguments of aggregations: what they usually are, and who knows them.
LEARNED = {
    't': (1.0, ('softmax', 'softmax_sg', 'softmax_sum')),
    'p': (1.0, ('power', 'powermean', 'power_sum')),
    'y': (0.0, ('softmax_sum', 'power_sum')),
}


class DeeperGCN(GraphModel):
    r"""The network of the `"DeeperGCN: All You Need to Train Deeper GCNs"
    <https://arxiv.org/abs/2006.07739>`_ paper: a linear layer, a
    :class:`torch_geometric.nn.GENConv`, blocks of norm, ReLU, dropout and
    such a convolution with a residual connection ("res+",
    :class:`~pyg_ext.nn.GNNBlock`), then norm, ReLU, dropout and a linear
    layer.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of graph convolutions; the two linear layers
            do not count.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)
        norm (str or callable, optional): As in :class:`~pyg_ext.nn.GNNBlock`.
            (default: :obj:`'batch'`)
        act (str or callable, optional): As in :class:`~pyg_ext.nn.GNNBlock`.
            (default: :obj:`'relu'`)
        aggr (str, optional): :obj:`'softmax'`, :obj:`'powermean'`,
            :obj:`'softmax_sum'` (:class:`~pyg_ext.nn.SoftmaxSumAggregation`),
            :obj:`'power_sum'` (:class:`~pyg_ext.nn.PowerSumAggregation`), or
            another aggregation. (default: :obj:`'softmax'`)
        t (float, optional): Inverse temperature of the softmax.
            (default: :obj:`1.0`)
        learn_t (bool, optional): Whether each layer learns it.
            (default: :obj:`False`)
        mlp_layers (int, optional): Number of linear layers of each
            convolution. (default: :obj:`2`)
        bias (bool, optional): Whether these have a bias.
            (default: :obj:`False`)
        edge_dim (int, optional): Size of each edge feature.
            (default: :obj:`None`)
        add_self_loops (bool, optional): Whether each node is a neighbor of
            itself. (default: :obj:`False`)
        **kwargs (optional): Further arguments of
            :class:`torch_geometric.nn.GENConv`, and :obj:`y` and
            :obj:`learn_y` of the sums.

    Raises:
        ValueError: On an unknown norm, or :obj:`'message'`, which goes behind
            a convolution, on arguments of another aggregation, and as in
            :class:`GraphModel`.

    Shapes are those of :class:`GraphModel`; weights of a sparse adjacency do
    not count.
    """

    supports_edge_weight = False

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        norm: str | Callable | None = 'batch',
        act: str | Callable | None = 'relu',
        aggr: str = 'softmax',
        t: float = 1.0,
        learn_t: bool = False,
        mlp_layers: int = 2,
        bias: bool = False,
        edge_dim: int | None = None,
        add_self_loops: bool = False,
        **kwargs: Any,
    ):
        super().__init__(
            *(in_channels, hidden_channels, num_layers, out_channels, dropout),
            add_self_loops=add_self_loops,
        )
        self.edge_dim = edge_dim
        given = {'t': t, 'learn_t': learn_t, **kwargs}
        for name, (usual, known) in LEARNED.items():
            learned = given.get(f'learn_{name}', False)
            if aggr not in known and (
                learned or given.get(name, usual) != usual
            ):
                raise ValueError(
                    f'{name} and learn_{name} need aggr={" or ".join(known)} '
                    f'(got {aggr!r})'
                )

        def conv() -> GENConv:
            width, options, kind = hidden_channels, {**given}, aggr
            if aggr in ('softmax_sum', 'power_sum'):
                name, cls = 't', SoftmaxSumAggregation
                if aggr == 'power_sum':
                    name, cls = 'p', PowerSumAggregation
                kind = cls(
                    options.pop(name, 1.0),
                    options.pop('y', 0.0),
                    options.pop('learn_y', False),
                    learn=options.pop(f'learn_{name}', False),
                )
            return GENConv(
                *(width, width, kind),
                num_layers=mlp_layers,
                bias=bias,
                edge_dim=edge_dim,
                **options,
            )

        self.state = HiddenState()
        self.act = make_act(act)
        self.lin_in = linear(in_channels, hidden_channels)
        self.first = conv()
        self.blocks = ModuleList(
            GNNBlock(conv(), hidden_channels, norm, dropout, act)
            for _ in range(num_layers - 1)
        )
        self.norm = norm_ahead(norm, hidden_channels)
        self.lin_out = Linear(hidden_channels, self.out_channels)

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        return edge_list(edge_index, None, x.size(0))[0], None

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        if self.add_self_loops:
            edge_index, *attr = edges
            edges = add_self_loops(
                edge_index, attr[0] if attr else None, 'mean', x.size(0)
            )
        x = self.state(self.first(self.lin_in(x), *edges))
        for block in self.blocks:
            x = self.state(x + block(x, *edges, batch=batch))
        if self.norm is not None:
            x = apply_norm(self.norm, x, batch)
        if self.act is not None:
            x = self.act(x)
        return self.lin_out(self.dropout(x))
