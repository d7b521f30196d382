import torch
from torch import Tensor
from torch.nn import Linear
from torch_geometric.nn import SimpleConv
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import is_sparse

from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.utils import gcn_norm_once
from pyg_ext.utils.checks import check_features


class SGC(torch.nn.Module):
    r"""The network of the `"Simplifying Graph Convolutional Networks"
    <https://arxiv.org/abs/1902.07153>`_ paper: a linear layer on features
    that were propagated :math:`K` times,

    .. math::
        \mathbf{X}^{\prime} = \mathrm{dropout} \left( \mathbf{\hat{P}}^K
        \mathbf{X} \right) \mathbf{\Theta}

    It is :class:`torch_geometric.nn.SGConv` with dropout.

    Args:
        in_channels (int): Size of each input sample.
        K (int): Number of propagation steps.
        out_channels (int): Size of each output sample.
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)
        bias (bool, optional): If set to :obj:`False`, there is no additive
            bias. (default: :obj:`True`)
        cached (bool, optional): If set to :obj:`True`, keeps
            :math:`\mathbf{\hat{P}}^K \mathbf{X}` of the first call for all
            others, as :class:`torch_geometric.nn.SGConv` does: for one graph
            only. (default: :obj:`False`)

    Raises:
        ValueError: On a negative :obj:`K`, or on edge weights that require
            gradients.

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
        K: int,
        out_channels: int,
        dropout: float = 0.0,
        bias: bool = True,
        cached: bool = False,
    ):
        super().__init__()
        if K < 0:
            raise ValueError(f'K must not be negative (got {K})')
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.K = K
        self.cached = cached
        self.state = HiddenState()
        self.dropout = Dropout(dropout)
        self.conv = SimpleConv()
        self.lin = Linear(in_channels, out_channels, bias)
        self._cached_x: Tensor | None = None

    def reset_parameters(self) -> None:
        """Draws all parameters anew, and forgets what was kept."""
        self.lin.reset_parameters()
        self._cached_x = None

    def forward(
        self, x: Tensor, edge_index: Adj, edge_weight: OptTensor = None
    ) -> Tensor:
        if self._cached_x is not None:
            return self.lin(self.dropout(self._cached_x))
        check_features(x, self.in_channels, dense=False)
        edges = gcn_norm_once(edge_index, edge_weight, x.size(0), x.dtype)
        if is_sparse(x):
            x = x.to_dense()
        for _ in range(self.K):
            x = self.state(self.conv(x, *edges))
        if self.cached:
            self._cached_x = x
        return self.lin(self.dropout(x))

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, K={self.K})'
        )
