import torch
from torch import Tensor
from torch.nn import BatchNorm1d, Parameter
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import add_remaining_self_loops

from pyg_ext.nn.block import GNNBlock
from pyg_ext.nn.conv.norm_gat_conv import NormGATConv
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.models.graph_model import GraphModel
from pyg_ext.nn.reversible import ReversibleSequential
from pyg_ext.utils import dropout as drop
from pyg_ext.utils import edge_list


class RevGAT(GraphModel):
    r"""The reversible graph attention network of the `"Training Graph Neural
    Networks with 1000 Layers" <https://arxiv.org/abs/2106.07476>`_ paper: a
    :class:`~pyg_ext.nn.NormGATConv`, a
    :class:`~pyg_ext.nn.ReversibleSequential` of blocks (batch norm, ReLU,
    dropout with one mask for all blocks, such a convolution), batch norm,
    ReLU, dropout and a last convolution with a single head. Self-loops are
    added to the edges.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample of a head.
        num_layers (int): Number of convolutions, the first and the last
            included.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)
        heads (int, optional): Number of heads. (default: :obj:`3`)
        num_groups (int, optional): Number of groups of channels, a divisor of
            :obj:`hidden_channels`. (default: :obj:`2`)
        input_dropout (float, optional): Dropout probability of the input of
            the network. (default: :obj:`0.0`)
        attention_dropout (float, optional): Dropout probability of the
            attention. (default: :obj:`0.0`)
        edge_dropout (float, optional): Share of edges that each convolution
            leaves out in training. (default: :obj:`0.0`)

    Raises:
        ValueError: On less than two layers, on channels that the groups do
            not divide, and as in :class:`GraphModel`.

    Shapes are those of :class:`GraphModel`; weights of a sparse adjacency do
    not count.
    """

    supports_edge_weight = False
    least_layers = 2
    shown = ('num_layers', 'num_groups')

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        heads: int = 3,
        num_groups: int = 2,
        input_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        edge_dropout: float = 0.0,
    ):
        super().__init__(
            in_channels, hidden_channels, num_layers, out_channels, dropout
        )
        self.input_dropout = Dropout(input_dropout)
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

        self.num_groups = num_groups
        self.first = NormGATConv(
            in_channels, hidden_channels, heads, **options
        )
        self.blocks = ReversibleSequential(
            [block() for _ in range(num_layers - 2)], num_groups
        )
        self.norm = BatchNorm1d(width)
        self.last = NormGATConv(width, self.out_channels, **options)
        self.bias = Parameter(torch.empty(self.out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        super().reset_parameters()
        torch.nn.init.zeros_(self.bias)

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        edges = edge_list(edge_index, None, x.size(0))[0]
        return add_remaining_self_loops(edges, num_nodes=x.size(0))[0], None

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        x = self.first(self.input_dropout(x), *edges)
        mask = None
        if self.training:
            width = x.size(1) // self.num_groups
            mask = drop(torch.ones_like(x[:, :width]), self.dropout.p)
        x = self.blocks(x, *edges, None, mask)
        x = self.dropout(self.norm(x).relu())
        return self.last(x, *edges) + self.bias
