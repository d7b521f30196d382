from torch import Tensor
from torch_geometric.nn import SimpleConv
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import is_sparse

from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.models.graph_model import GraphModel, linear
from pyg_ext.utils.checks import check_count


class SGC(GraphModel):
    r"""The network of the `"Simplifying Graph Convolutional Networks"
    <https://arxiv.org/abs/1902.07153>`_ paper: a linear layer on features
    that were propagated :math:`K` times,

    .. math::
        \mathbf{X}^{\prime} = \mathrm{dropout} \left( \mathbf{\hat{P}}^K
        \mathbf{X} \right) \mathbf{\Theta}

    It is :class:`torch_geometric.nn.SGConv` with dropout.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        K (int): Number of propagation steps.
        out_channels (int): Size of each output sample.
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)
        bias (bool, optional): If set to :obj:`False`, there is no additive
            bias. (default: :obj:`True`)
        cached (bool, optional): If set to :obj:`True`, keeps
            :math:`\mathbf{\hat{P}}^K \mathbf{X}` of the first call for all
            others, as :class:`torch_geometric.nn.SGConv` does: for one graph
            only. (default: :obj:`False`)
        **kwargs (optional): :obj:`normalize`, :obj:`improved` and
            :obj:`add_self_loops` of :class:`GraphModel`.

    Raises:
        ValueError: On a negative :obj:`K`, and as in :class:`GraphModel`.

    Shapes are those of :class:`GraphModel`.
    """

    shown = ('K',)

    def __init__(
        self,
        in_channels: int,
        K: int,
        out_channels: int,
        dropout: float = 0.0,
        *,
        bias: bool = True,
        cached: bool = False,
        **kwargs,
    ):
        check_count('K', K, 0)
        super().__init__(
            in_channels, out_channels, 1, out_channels, dropout, **kwargs
        )
        self.K = K
        self.cached = cached
        self.state = HiddenState()
        self.conv = SimpleConv()
        self.lin = linear(in_channels, out_channels, bias)
        self._cached_x: Tensor | None = None

    def reset_parameters(self) -> None:
        """Draws all parameters anew, and forgets what was kept."""
        super().reset_parameters()
        self._cached_x = None

    def forward(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: OptTensor = None,
        edge_attr: OptTensor = None,
        batch: OptTensor = None,
    ) -> Tensor:
        if self._cached_x is not None:
            return self.lin(self.dropout(self._cached_x))
        return super().forward(x, edge_index, edge_weight, edge_attr, batch)

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        if is_sparse(x):
            x = x.to_dense()
        for _ in range(self.K):
            x = self.state(self.conv(x, *edges))
        if self.cached:
            self._cached_x = x
        return self.lin(self.dropout(x))
