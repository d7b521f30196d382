import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.inits import glorot
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import spmm

from pyg_ext.utils.checks import (
    check_adj,
    check_features,
    check_options,
    check_same_shape,
)


class GCN2DenseConv(MessagePassing):
    r"""The layer that the authors of the `"Simple and Deep Graph
    Convolutional Networks" <https://arxiv.org/abs/2007.02133>`_ paper use on
    ogbn-arxiv in place of :class:`torch_geometric.nn.GCN2Conv`:

    .. math::
        \mathbf{X}^{\prime} = \mathbf{\hat{P}} (\mathbf{X} + \mathbf{X}
        \mathbf{\Theta}_1) + \alpha \mathbf{X}^{(0)} + \mathbf{X}^{(0)}
        \mathbf{\Theta}_2

    with :math:`\mathbf{\hat{P}}` the adjacency as it is given.

    Args:
        channels (int): Size of each input and output sample.
        alpha (float, optional): Strength :math:`\alpha` of the initial
            residual. (default: :obj:`0.5`)
        **kwargs (optional): Further arguments of
            :class:`torch_geometric.nn.MessagePassing`.

    Raises:
        ValueError: On edges that name nodes beyond those with features, on
            weights of another shape or not finite, on initial features of
            another shape, or on an argument that the layer cannot follow.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F)`,
          initial node features :math:`(|\mathcal{V}|, F)`,
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency,
          edge weights :math:`(|\mathcal{E}|)` *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F)`
    """

    def __init__(self, channels: int, alpha: float = 0.5, **kwargs):
        kwargs.setdefault('aggr', 'add')
        check_options(kwargs, node_dim=[-2, 0])
        super().__init__(**kwargs)
        self.channels = channels
        self.alpha = alpha
        self.weight1 = Parameter(torch.empty(channels, channels))
        self.weight2 = Parameter(torch.empty(channels, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        super().reset_parameters()
        glorot(self.weight1)
        glorot(self.weight2)

    def forward(
        self,
        x: Tensor,
        x_0: Tensor,
        edge_index: Adj,
        edge_weight: OptTensor = None,
    ) -> Tensor:
        check_features(x, self.channels)
        check_same_shape(x=x, x_0=x_0)
        edge_index, edge_weight = check_adj(
            *(edge_index, edge_weight, x.size(0)),
            signed=True,
            normalized=('gcn', 'mean'),
        )
        x = torch.addmm(x, x, self.weight1)
        if edge_weight is not None:
            edge_weight = edge_weight.to(x.dtype)
        out = self.propagate(edge_index, x=x, edge_weight=edge_weight)
        return out + torch.addmm(x_0, x_0, self.weight2, beta=self.alpha)

    def message(self, x_j: Tensor, edge_weight: OptTensor) -> Tensor:
        return x_j if edge_weight is None else edge_weight.view(-1, 1) * x_j

    def message_and_aggregate(self, adj_t: Adj, x: Tensor) -> Tensor:
        # PyTorch has no sparse product of half types on the CPU:
        wide = torch.promote_types(x.dtype, torch.float)
        with torch.autocast(x.device.type, enabled=False):
            out = spmm(adj_t.to(wide), x.to(wide), reduce=self.aggr)
        return out.to(x.dtype)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.channels}, alpha={self.alpha})'
        )
