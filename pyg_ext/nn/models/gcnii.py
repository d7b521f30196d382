import torch
from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.nn import GCN2Conv
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.utils import gcn_norm_once
from pyg_ext.utils.checks import check_features


class GCNII(torch.nn.Module):
    r"""The network of the `"Simple and Deep Graph Convolutional Networks"
    <https://arxiv.org/abs/2007.02133>`_ paper: a linear layer, a stack of
    :class:`torch_geometric.nn.GCN2Conv` with initial residual and identity
    mapping, and a linear layer.

    .. math::
        \mathbf{H}^{(\ell)} = \mathrm{ReLU} \left( \left( (1 - \alpha)
        \mathbf{\hat{P}} \mathbf{H}^{(\ell - 1)} + \alpha \mathbf{H}^{(0)}
        \right) \left( (1 - \beta_{\ell}) \mathbf{I} + \beta_{\ell}
        \mathbf{\Theta}^{(\ell)} \right) \right), \quad \beta_{\ell} =
        \log \left( \frac{\theta}{\ell} + 1 \right)

    with :math:`\mathbf{\hat{P}}` the normalized adjacency with self-loops.

    Args:
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of hidden blocks; the two linear layers do
            not count.
        out_channels (int): Size of each output sample.
        alpha (float, optional): Strength :math:`\alpha` of the initial
            residual. (default: :obj:`0.1`)
        theta (float, optional): :math:`\theta` (the paper's
            :math:`\lambda`) of the identity mapping. (default: :obj:`0.5`)
        shared_weights (bool, optional): If set to :obj:`False`, uses two
            matrices in each block (the paper's GCNII*).
            (default: :obj:`True`)
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
        alpha: float = 0.1,
        theta: float = 0.5,
        shared_weights: bool = True,
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
            GCN2Conv(
                hidden_channels,
                alpha,
                theta,
                layer,
                shared_weights,
                normalize=False,
            )
            for layer in range(1, num_layers + 1)
        )
        self.lin_out = Linear(hidden_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for module in (self.lin_in, *self.convs, self.lin_out):
            module.reset_parameters()

    def forward(
        self, x: Tensor, edge_index: Adj, edge_weight: OptTensor = None
    ) -> Tensor:
        check_features(x, self.in_channels, dense=False)
        edge_index, edge_weight = gcn_norm_once(
            edge_index, edge_weight, x.size(0), x.dtype
        )
        x = x_0 = self.state(self.lin_in(self.dropout(x)).relu())
        for conv in self.convs:
            x = conv(self.dropout(x), x_0, edge_index, edge_weight)
            x = self.state(x.relu())
        return self.lin_out(self.dropout(x))

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, num_layers={self.num_layers})'
        )
