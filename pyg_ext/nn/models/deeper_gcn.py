from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.nn import GENConv
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import add_self_loops

from pyg_ext.nn.block import GNNBlock
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.norm import NORMS, apply_norm, make_norm
from pyg_ext.utils import edge_list
from pyg_ext.utils.checks import (
    check_batch,
    check_edge_attr,
    check_features,
    check_name,
)


class DeeperGCN(torch.nn.Module):
    r"""The network of the `"DeeperGCN: All You Need to Train Deeper GCNs"
    <https://arxiv.org/abs/2006.07739>`_ paper: a linear layer, a
    :class:`torch_geometric.nn.GENConv`, blocks of norm, ReLU, dropout and
    such a convolution with a residual connection ("res+",
    :class:`~pyg_ext.nn.GNNBlock`), then norm, ReLU, dropout and a linear
    layer.

    Args:
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of graph convolutions; the two linear layers
            do not count.
        out_channels (int): Size of each output sample.
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)
        norm (str, optional): As in :class:`~pyg_ext.nn.GNNBlock`.
            (default: :obj:`'batch'`)
        aggr (str, optional): :obj:`'softmax'`, :obj:`'powermean'`, or
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
            :class:`torch_geometric.nn.GENConv`.

    Raises:
        ValueError: On an unknown norm, or :obj:`'message'`, which goes behind
            a convolution, on less than one layer, on arguments of another
            aggregation, on edges that name nodes beyond those with features,
            on edge features where :obj:`edge_dim` does not say so, or on them
            with a sparse adjacency.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`, dense or a
          :class:`~pyg_ext.utils.CSRTensor`;
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency,
          whose weights do not count,
          edge features :math:`(|\mathcal{E}|, D)` with :obj:`edge_dim`,
          the graph of each node :math:`(|\mathcal{V}|)` *(optional)* for
          norms that look at all nodes of a graph
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})`
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        dropout: float = 0.0,
        norm: str | None = 'batch',
        aggr: str = 'softmax',
        t: float = 1.0,
        learn_t: bool = False,
        mlp_layers: int = 2,
        bias: bool = False,
        edge_dim: int | None = None,
        add_self_loops: bool = False,
        **kwargs: Any,
    ):
        super().__init__()
        if num_layers < 1:
            raise ValueError(
                f'num_layers must be at least 1 (got {num_layers})'
            )
        ahead = [name for name in NORMS if name != 'message']
        check_name('norm', norm, [None, *ahead])
        if (learn_t or t != 1.0) and aggr not in ('softmax', 'softmax_sg'):
            raise ValueError(
                f't and learn_t need aggr="softmax" (got {aggr!r})'
            )
        power = kwargs.get('learn_p', False) or kwargs.get('p', 1.0) != 1.0
        if power and aggr not in ('power', 'powermean'):
            raise ValueError(
                f'p and learn_p need aggr="powermean" (got {aggr!r})'
            )

        def conv() -> GENConv:
            width = hidden_channels
            return GENConv(
                *(width, width, aggr, t, learn_t),
                num_layers=mlp_layers,
                bias=bias,
                edge_dim=edge_dim,
                **kwargs,
            )

        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_layers = num_layers
        self.edge_dim = edge_dim
        self.add_self_loops = add_self_loops
        self.state = HiddenState()
        self.dropout = Dropout(dropout)
        self.lin_in = Linear(in_channels, hidden_channels)
        self.first = conv()
        self.blocks = ModuleList(
            GNNBlock(conv(), hidden_channels, norm, dropout)
            for _ in range(num_layers - 1)
        )
        self.norm = None
        if norm is not None:
            self.norm = make_norm(norm, hidden_channels)
        self.lin_out = Linear(hidden_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for module in self.children():
            reset(module)

    def forward(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_attr: OptTensor = None,
        batch: OptTensor = None,
    ) -> Tensor:
        check_features(x, self.in_channels, dense=False)
        edges = edge_list(edge_index, num_nodes=x.size(0))[0]
        check_edge_attr(edge_index, edge_attr, self.edge_dim)
        batch = check_batch(batch, x.size(0))
        if self.add_self_loops:
            edges, edge_attr = add_self_loops(
                edges, edge_attr, 'mean', x.size(0)
            )
        x = self.state(self.first(self.lin_in(x), edges, edge_attr))
        for block in self.blocks:
            x = self.state(x + block(x, edges, edge_attr, batch=batch))
        if self.norm is not None:
            x = apply_norm(self.norm, x, batch)
        return self.lin_out(self.dropout(x.relu()))

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, num_layers={self.num_layers})'
        )
