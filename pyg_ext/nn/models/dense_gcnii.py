import torch
from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.nn import BatchNorm
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.conv.gcn2_dense_conv import GCN2DenseConv
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.utils import gcn_norm_once
from pyg_ext.utils.checks import check_features


class DenseGCNII(torch.nn.Module):
    r"""The network that the authors of the `"Simple and Deep Graph
    Convolutional Networks" <https://arxiv.org/abs/2007.02133>`_ paper use on
    ogbn-arxiv: a linear layer, a stack of
    :class:`~pyg_ext.nn.GCN2DenseConv`, and a linear layer. It has two full
    matrices in each block, a batch norm and a residual connection, and no
    identity mapping that grows with depth:

    .. math::
        \mathbf{H}^{(\ell)} = \mathrm{ReLU} \left( \mathrm{BN} \left(
        \mathrm{conv}^{(\ell)}(\mathbf{H}^{(\ell - 1)}, \mathbf{H}^{(0)})
        \right) \right) + \mathbf{H}^{(\ell - 1)}

    Args:
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of hidden blocks; the two linear layers do
            not count.
        out_channels (int): Size of each output sample.
        alpha (float, optional): Strength :math:`\alpha` of the initial
            residual. (default: :obj:`0.5`)
        dropout (float, optional): Dropout probability of the input of each
            layer. (default: :obj:`0.0`)

    Raises:
        ValueError: On less than one block.

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
        num_layers: int,
        out_channels: int,
        alpha: float = 0.5,
        dropout: float = 0.0,
    ):
        super().__init__()
        if num_layers < 1:
            raise ValueError(
                f'num_layers must be at least 1 (got {num_layers})'
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_layers = num_layers
        self.state = HiddenState()
        self.dropout = Dropout(dropout)
        self.lin_in = Linear(in_channels, hidden_channels)
        self.convs = ModuleList(
            GCN2DenseConv(hidden_channels, alpha) for _ in range(num_layers)
        )
        self.norms = ModuleList(
            BatchNorm(hidden_channels) for _ in range(num_layers)
        )
        self.lin_out = Linear(hidden_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for module in (self.lin_in, *self.convs, *self.norms, self.lin_out):
            module.reset_parameters()

    def forward(
        self, x: Tensor, edge_index: Adj, edge_weight: OptTensor = None
    ) -> Tensor:
        check_features(x, self.in_channels, dense=False)
        edge_index, edge_weight = gcn_norm_once(
            edge_index, edge_weight, x.size(0), x.dtype
        )
        x = x_0 = self.state(self.lin_in(self.dropout(x)).relu())
        for conv, norm in zip(self.convs, self.norms, strict=True):
            out = conv(self.dropout(x), x_0, edge_index, edge_weight)
            x = self.state(norm(out).relu() + x)
        return self.lin_out(self.dropout(x))

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, num_layers={self.num_layers})'
        )
