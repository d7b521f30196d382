from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.nn import (
    GATConv,
    GCNConv,
    JumpingKnowledge,
    MessagePassing,
    SAGEConv,
)
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.dropout import Dropout
from pyg_ext.utils import CSRTensor, edges_of, gcn_norm_once, mean_adj

SKIPS = ('res', 'dense')


class ConvStack(torch.nn.Module):
    r"""A stack of graph convolutions of any depth with skip connections.

    Layer :math:`\ell` of :math:`L` computes

    .. math::
        \mathbf{H}^{(\ell)} = \mathrm{ReLU} \left( \mathrm{conv}^{(\ell)}
        \left( \mathrm{dropout}(\mathbf{H}^{(\ell - 1)}) \right) \right)

    and, depending on :obj:`skip`,

    * :obj:`'res'`: adds :math:`\mathbf{H}^{(\ell - 1)}` where the widths
      agree, as in `"Deep Residual Learning for Image Recognition"
      <https://arxiv.org/abs/1512.03385>`_ and, on graphs, `"DeepGCNs: Can GCNs
      Go as Deep as CNNs?" <https://arxiv.org/abs/1904.03751>`_;
    * :obj:`'dense'`: concatenates :math:`\mathbf{H}^{(\ell - 1)}`, so that
      each layer reads all earlier ones and adds :obj:`growth` channels, as in
      `"Densely Connected Convolutional Networks"
      <https://arxiv.org/abs/1608.06993>`_.

    The last convolution gives the output, without activation.
    With :obj:`jk` all :math:`L` layers are hidden ones, and a linear layer
    reads their combination, as in `"Representation Learning on Graphs with
    Jumping Knowledge Networks" <https://arxiv.org/abs/1806.03536>`_.

    Subclasses choose the convolution in :meth:`init_conv` and may prepare the
    edges once for all layers in :meth:`prepare`.

    Args:
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of graph convolutions :math:`L`, the first
            and the last included.
        out_channels (int): Size of each output sample.
        dropout (float, optional): Dropout probability of the input of each
            layer. (default: :obj:`0.0`)
        skip (str, optional): :obj:`'res'`, :obj:`'dense'` or :obj:`None`.
            (default: :obj:`None`)
        growth (int, optional): The channels that a layer adds with
            :obj:`skip='dense'`; :obj:`hidden_channels` if not given.
            (default: :obj:`None`)
        jk (str, optional): :obj:`'cat'`, :obj:`'max'`, :obj:`'lstm'` or
            :obj:`None`. (default: :obj:`None`)
        **kwargs (optional): Further arguments of :meth:`init_conv`.

    Raises:
        ValueError: On an unknown :obj:`skip`, on less than one layer, on
            :obj:`growth` without dense connections, or on dense connections
            with :obj:`jk`, which repeat each other.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`, dense or a
          :class:`~pyg_ext.utils.CSRTensor`;
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency,
          edge weights :math:`(|\mathcal{E}|)` *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})`
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        dropout: float = 0.0,
        skip: str | None = None,
        growth: int | None = None,
        jk: str | None = None,
        **kwargs: Any,
    ):
        super().__init__()
        if num_layers < 1:
            raise ValueError(
                f'num_layers must be at least 1 (got {num_layers})'
            )
        if skip is not None and skip not in SKIPS:
            raise ValueError(f'skip must be one of {SKIPS} (got {skip!r})')
        if growth is not None and skip != 'dense':
            raise ValueError(f'growth needs skip="dense" (got skip={skip!r})')
        if skip == 'dense' and jk is not None:
            raise ValueError(
                f'dense connections hand all layers to the last one already '
                f'(got jk={jk!r} on top)'
            )
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.out_channels = out_channels
        self.skip = skip
        self.growth = growth or hidden_channels

        self.dropout = Dropout(dropout)
        self.convs = ModuleList()
        width = in_channels
        for i in range(num_layers):
            last = i == num_layers - 1 and jk is None
            if last:
                out = out_channels
            elif i > 0 and skip == 'dense':
                out = self.growth
            else:
                out = hidden_channels
            self.convs.append(self.init_conv(width, out, last, **kwargs))
            width = width + out if i > 0 and skip == 'dense' else out
        self.jk = self.lin = None
        if jk is not None:
            self.jk = JumpingKnowledge(jk, hidden_channels, num_layers)
            width = hidden_channels * (num_layers if jk == 'cat' else 1)
            self.lin = Linear(width, out_channels)

    def init_conv(
        self, in_channels: int, out_channels: int, last: bool, **kwargs: Any
    ) -> MessagePassing:
        """Returns one convolution of the given widths; :obj:`last` if its
        output is that of the network.
        """
        raise TypeError(f'{self.__class__.__name__} must define init_conv')

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        """Prepares the edges once for all layers."""
        return edge_index, edge_weight

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for module in (*self.convs, self.jk, self.lin):
            if module is not None:
                module.reset_parameters()

    def forward(
        self, x: Tensor, edge_index: Adj, edge_weight: OptTensor = None
    ) -> Tensor:
        edge_index, edge_weight = self.prepare(edge_index, edge_weight, x)
        edges = (
            (edge_index,)
            if edge_weight is None
            else (
                edge_index,
                edge_weight,
            )
        )
        states = []
        for i, conv in enumerate(self.convs):
            out = conv(self.dropout(x), *edges)
            if i == self.num_layers - 1 and self.jk is None:
                return out
            out = out.relu()
            if i > 0 and self.skip == 'res':
                out = out + x
            elif i > 0 and self.skip == 'dense':
                out = torch.cat([x, out], dim=-1)  # [N, hidden + i * growth]
            x = out
            states.append(x)
        return self.lin(self.dropout(self.jk(states)))

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, num_layers={self.num_layers}, '
            f'skip={self.skip}, jk={self.jk})'
        )


class GCN(ConvStack):
    r"""The graph convolutional network of the `"Semi-supervised
    Classification with Graph Convolutional Networks"
    <https://arxiv.org/abs/1609.02907>`_ paper at any depth, with the skip
    connections of :class:`ConvStack`.

    The layers are :class:`torch_geometric.nn.GCNConv`.
    The adjacency is normalized once for all of them, or not at all when it
    comes from :func:`pyg_ext.utils.gcn_adj`, which is the fast way to train
    on one graph:

    .. code-block:: python

        adj = gcn_adj(data.edge_index, num_nodes=data.num_nodes)
        x = CSRTensor.from_dense(data.x)  # where most entries are zero
        out = model(x, adj)

    Args, errors and shapes are those of :class:`ConvStack`.
    """

    def init_conv(
        self, in_channels: int, out_channels: int, last: bool
    ) -> MessagePassing:
        return GCNConv(in_channels, out_channels, normalize=False)

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        return gcn_norm_once(edge_index, edge_weight, x.size(0), x.dtype)


class GAT(ConvStack):
    r"""The graph attention network of the `"Graph Attention Networks"
    <https://arxiv.org/abs/1710.10903>`_ paper at any depth, with the skip
    connections of :class:`ConvStack`.

    The layers are :class:`torch_geometric.nn.GATConv`, of which the last
    takes the mean of its heads. They know no weights of edges.

    Args, errors and shapes are those of :class:`ConvStack`, and

    Args:
        heads (int, optional): Number of heads, a divisor of
            :obj:`hidden_channels`. (default: :obj:`8`)
        attention_dropout (float, optional): Dropout probability of the
            attention. (default: :obj:`0.0`)
    """

    def init_conv(
        self,
        in_channels: int,
        out_channels: int,
        last: bool,
        heads: int = 8,
        attention_dropout: float = 0.0,
    ) -> MessagePassing:
        if not last and out_channels % heads:
            raise ValueError(
                f'heads must divide the {out_channels} channels of a layer '
                f'(got {heads})'
            )
        return GATConv(
            in_channels,
            out_channels if last else out_channels // heads,
            heads,
            concat=not last,
            dropout=attention_dropout,
        )

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        return edges_of(edge_index, edge_weight)[0], None


class GraphSAGE(ConvStack):
    r"""The network of the `"Inductive Representation Learning on Large
    Graphs" <https://arxiv.org/abs/1706.02216>`_ paper with mean aggregation
    at any depth, with the skip connections of :class:`ConvStack`.

    The layers are :class:`torch_geometric.nn.SAGEConv`. The adjacency is
    divided by its sums once for all of them, so that weights of edges give a
    weighted mean, or not at all when it comes from
    :func:`pyg_ext.utils.mean_adj`. Node features must be dense.

    Args, errors and shapes are those of :class:`ConvStack`.
    """

    def init_conv(
        self, in_channels: int, out_channels: int, last: bool
    ) -> MessagePassing:
        return SAGEConv(in_channels, out_channels, aggr='sum')

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        if isinstance(edge_index, CSRTensor):
            return edge_index, None
        return mean_adj(edge_index, edge_weight, x.size(0), x.dtype), None
