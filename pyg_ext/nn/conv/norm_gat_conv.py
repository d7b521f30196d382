from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn import Linear, MessagePassing
from torch_geometric.nn.inits import glorot
from torch_geometric.typing import Adj
from torch_geometric.utils import degree, softmax

from pyg_ext.utils import dropout, edge_list
from pyg_ext.utils.checks import (
    check_features,
    check_options,
    check_probability,
)


class NormGATConv(MessagePassing):
    r"""The graph attention of the `"Bag of Tricks for Node Classification
    with Graph Neural Networks" <https://arxiv.org/abs/2103.13355>`_ paper
    ("GAT + norm. adj."): features are scaled by degrees, the attention looks
    at the source only, and a linear layer of the input is added.

    .. math::
        \mathbf{h}_j = d_j^{-1/2} \mathbf{\Theta} \mathbf{x}_j, \quad
        \alpha_{i, j} = \mathrm{softmax}_{j \in \mathcal{N}(i)} \left(
        \mathrm{LeakyReLU}(\mathbf{a}^{\top} \mathbf{h}_j) \right), \quad
        \mathbf{x}^{\prime}_i = d_i^{1/2} \sum_{j \in \mathcal{N}(i)}
        \alpha_{i, j} \mathbf{h}_j + \mathbf{W} \mathbf{x}_i

    with :math:`d_j` the edges out of node :math:`j` and :math:`d_i` those
    into node :math:`i`, at least one. Self-loops are not added.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        out_channels (int): Size of each output sample of a head.
        heads (int, optional): Number of heads. (default: :obj:`1`)
        concat (bool, optional): If set to :obj:`False`, the heads are
            averaged instead of concatenated. (default: :obj:`True`)
        negative_slope (float, optional): Slope of the LeakyReLU.
            (default: :obj:`0.2`)
        dropout (float, optional): Dropout probability of the attention.
            (default: :obj:`0.0`)
        edge_dropout (float, optional): Share of edges that a training step
            leaves out. (default: :obj:`0.0`)
        **kwargs (optional): Further arguments of
            :class:`torch_geometric.nn.MessagePassing`.

    Raises:
        ValueError: On edges that name nodes beyond those with features, on a
            probability outside :math:`[0, 1]`, or on an argument that the
            layer cannot follow.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`,
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency,
          whose weights do not count
        - **output:** node features :math:`(|\mathcal{V}|, H \cdot F_{out})`,
          or :math:`(|\mathcal{V}|, F_{out})` without :obj:`concat`
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        edge_dropout: float = 0.0,
        **kwargs,
    ):
        kwargs.setdefault('aggr', 'add')
        check_options(kwargs, node_dim=[0])
        super().__init__(**{'node_dim': 0, **kwargs})
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.heads = heads
        self.concat = concat
        self.negative_slope = negative_slope
        self.dropout = check_probability('dropout', dropout)
        self.edge_dropout = check_probability('edge_dropout', edge_dropout)
        linear = partial(Linear, bias=False, weight_initializer='glorot')
        self.lin = linear(in_channels, heads * out_channels)
        self.lin_skip = linear(in_channels, heads * out_channels)
        self.att = Parameter(torch.empty(1, heads, out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        super().reset_parameters()
        self.lin.reset_parameters()
        self.lin_skip.reset_parameters()
        glorot(self.att)

    def forward(self, x: Tensor, edge_index: Adj) -> Tensor:
        check_features(x, self.in_channels, dense=False)
        size, heads = x.size(0), (x.size(0), self.heads, self.out_channels)
        edge_index = edge_list(edge_index, num_nodes=size)[0]
        j, i = (0, 1) if self.flow == 'source_to_target' else (1, 0)
        # A half type cannot count:
        wide = torch.promote_types(x.dtype, torch.float)
        source, target = (
            degree(edge_index[end], size, wide).clamp(min=1).view(-1, 1, 1)
            for end in (j, i)
        )
        h = self.lin(x).view(heads) * source.rsqrt().to(x.dtype)  # [N, H, C]
        alpha = F.leaky_relu((h * self.att).sum(-1), self.negative_slope)
        if self.training and self.edge_dropout > 0.0:
            count = edge_index.size(1)
            order = torch.randperm(count, device=x.device)
            edge_index = edge_index[:, order[int(count * self.edge_dropout) :]]
        row, col = edge_index[j], edge_index[i]
        alpha = softmax(alpha[row].to(wide), col, num_nodes=size)  # [E, H]
        alpha = dropout(alpha.to(h.dtype), self.dropout, self.training)
        out = self.propagate(edge_index, x=h, alpha=alpha)
        out = out * target.sqrt().to(x.dtype)
        out = out + self.lin_skip(x).view(heads)
        return out.flatten(1) if self.concat else out.mean(1)

    def message(self, x_j: Tensor, alpha: Tensor) -> Tensor:
        return alpha.unsqueeze(-1) * x_j

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, heads={self.heads})'
        )
