import torch
from torch import Tensor
from torch.nn import Linear
from torch_geometric.nn import SimpleConv
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.utils import gcn_norm_once
from pyg_ext.utils.checks import check_features


class DecoupledNet(torch.nn.Module):
    r"""A perceptron of two layers on each node by itself,

    .. math::
        \mathbf{Z}^{(0)} = \mathrm{dropout} \left( \mathrm{ReLU} \left(
        \mathrm{dropout}(\mathbf{X}) \mathbf{\Theta}_1 \right) \right)
        \mathbf{\Theta}_2,

    then :math:`K` steps of propagation without parameters, which subclasses
    define in :meth:`spread`, with :obj:`self.conv` for each, which they hand
    through :obj:`self.state`, with :math:`\mathbf{\hat{P}}` the normalized
    adjacency with self-loops.

    Args:
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample.
        K (int): Number of propagation steps.
        out_channels (int): Size of each output sample.
        dropout (float, optional): Dropout probability of the input of both
            linear layers. (default: :obj:`0.0`)

    Raises:
        ValueError: On a negative :obj:`K`, or on edges or weights of another
            shape or type than below, beyond the nodes, negative or not
            finite.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`, dense or a
          :class:`~pyg_ext.utils.CSRTensor`;
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency
          (of which a :class:`~pyg_ext.utils.CSRTensor` is used as it is),
          edge weights :math:`(|\mathcal{E}|)` *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})`
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        K: int,
        out_channels: int,
        dropout: float = 0.0,
    ):
        super().__init__()
        if K < 0:
            raise ValueError(f'K must not be negative (got {K})')
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.K = K
        self.state = HiddenState()
        self.dropout = Dropout(dropout)
        self.conv = SimpleConv()
        self.lin_in = Linear(in_channels, hidden_channels)
        self.lin_out = Linear(hidden_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        self.lin_in.reset_parameters()
        self.lin_out.reset_parameters()

    def forward(
        self, x: Tensor, edge_index: Adj, edge_weight: OptTensor = None
    ) -> Tensor:
        check_features(x, self.in_channels, dense=False)
        edges = gcn_norm_once(edge_index, edge_weight, x.size(0), x.dtype)
        x = self.lin_in(self.dropout(x)).relu()
        x = self.state(self.lin_out(self.dropout(x)))
        return self.spread(x, *edges)

    def spread(
        self, x: Tensor, edge_index: Adj, edge_weight: OptTensor
    ) -> Tensor:
        r"""Propagates :math:`\mathbf{Z}^{(0)}` by normalized edges, or by a
        normalized matrix that has no other weights.
        """
        raise TypeError(f'{self.__class__.__name__} must define spread')

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, K={self.K})'
        )
