import torch
from torch import Tensor
from torch.nn import BatchNorm1d, Module, Parameter
from torch_geometric.typing import Adj
from torch_geometric.utils import add_remaining_self_loops

from pyg_ext.nn.block import GNNBlock
from pyg_ext.nn.conv.norm_gat_conv import NormGATConv
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.reversible import ReversibleSequential
from pyg_ext.utils import dropout as drop
from pyg_ext.utils import edge_list
from pyg_ext.utils.checks import check_features


class RevGAT(Module):
    r"""The reversible graph attention network of the `"Training Graph Neural
    Networks with 1000 Layers" <https://arxiv.org/abs/2106.07476>`_ paper: a
    :class:`~pyg_ext.nn.NormGATConv`, a
    :class:`~pyg_ext.nn.ReversibleSequential` of blocks (batch norm, ReLU,
    dropout with one mask for all blocks, such a convolution), batch norm,
    ReLU, dropout and a last convolution with a single head. Self-loops are
    added to the edges.

    Args:
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample of a head.
        num_layers (int): Number of convolutions, the first and the last
            included.
        out_channels (int): Size of each output sample.
        heads (int, optional): Number of heads. (default: :obj:`3`)
        num_groups (int, optional): Number of groups of channels, a divisor of
            :obj:`hidden_channels`. (default: :obj:`2`)
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)
        input_dropout (float, optional): Dropout probability of the input of
            the network. (default: :obj:`0.0`)
        attention_dropout (float, optional): Dropout probability of the
            attention. (default: :obj:`0.0`)
        edge_dropout (float, optional): Share of edges that each convolution
            leaves out in training. (default: :obj:`0.0`)

    Raises:
        ValueError: On less than two layers, or on channels that the groups do
            not divide.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`,
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency,
          whose weights do not count
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})`
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        heads: int = 3,
        num_groups: int = 2,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        edge_dropout: float = 0.0,
    ):
        super().__init__()
        if num_layers < 2:
            raise ValueError(
                f'num_layers must be at least 2 (got {num_layers})'
            )
        if hidden_channels % num_groups != 0:
            raise ValueError(
                f'hidden_channels must be a multiple of num_groups='
                f'{num_groups} (got {hidden_channels})'
            )
        width, part = heads * hidden_channels, hidden_channels // num_groups
        options = {'dropout': attention_dropout, 'edge_dropout': edge_dropout}

        def block() -> GNNBlock:
            inner = heads * part
            conv = NormGATConv(inner, part, heads, **options)
            return GNNBlock(conv, inner, 'batch', dropout)

        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_layers = num_layers
        self.input_dropout = Dropout(input_dropout)
        self.dropout = Dropout(dropout)
        self.first = NormGATConv(
            in_channels, hidden_channels, heads, **options
        )
        self.blocks = ReversibleSequential(
            [block() for _ in range(num_layers - 2)], num_groups
        )
        self.norm = BatchNorm1d(width)
        self.last = NormGATConv(width, out_channels, **options)
        self.bias = Parameter(torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for module in (self.first, self.blocks, self.norm, self.last):
            module.reset_parameters()
        torch.nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, edge_index: Adj) -> Tensor:
        check_features(x, self.in_channels, dense=False)
        edges = edge_list(edge_index, num_nodes=x.size(0))[0]
        edges = add_remaining_self_loops(edges, num_nodes=x.size(0))[0]
        x = self.first(self.input_dropout(x), edges)
        mask = None
        if self.training:
            width = x.size(1) // self.blocks.num_groups
            mask = drop(torch.ones_like(x[:, :width]), self.dropout.p)
        x = self.blocks(x, edges, None, mask)
        x = self.dropout(self.norm(x).relu())
        return self.last(x, edges) + self.bias

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, num_layers={self.num_layers}, '
            f'num_groups={self.blocks.num_groups})'
        )
