import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.models.decoupled import DecoupledNet


class APPNPNet(DecoupledNet):
    r"""The network of the `"Predict then Propagate: Graph Neural Networks
    meet Personalized PageRank" <https://arxiv.org/abs/1810.05997>`_ paper:
    the perceptron of :class:`DecoupledNet`, then :math:`K` steps of

    .. math::
        \mathbf{Z}^{(k)} = (1 - \alpha) \mathbf{\hat{P}} \mathbf{Z}^{(k - 1)}
        + \alpha \mathbf{Z}^{(0)}

    where each training step drops other entries of :math:`\mathbf{\hat{P}}`.
    It equals :class:`torch_geometric.nn.APPNP` on top of the perceptron.

    Args:
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample.
        K (int): Number of propagation steps.
        out_channels (int): Size of each output sample.
        alpha (float, optional): Teleport probability :math:`\alpha`.
            (default: :obj:`0.1`)
        dropout (float, optional): Dropout probability of the input of both
            linear layers. (default: :obj:`0.0`)
        edge_dropout (float, optional): Dropout probability of the entries of
            :math:`\mathbf{\hat{P}}` in each step. (default: :obj:`0.0`)

    Errors and shapes are those of :class:`DecoupledNet`.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        K: int,
        out_channels: int,
        alpha: float = 0.1,
        dropout: float = 0.0,
        edge_dropout: float = 0.0,
    ):
        super().__init__(
            in_channels, hidden_channels, K, out_channels, dropout
        )
        self.alpha = alpha
        self.edge_dropout = Dropout(edge_dropout)

    def spread(
        self, x: Tensor, edge_index: Adj, edge_weight: OptTensor
    ) -> Tensor:
        x_0 = x
        for _ in range(self.K):
            if edge_weight is None:
                edges = (self.edge_dropout(edge_index),)
            else:
                edges = (edge_index, self.edge_dropout(edge_weight))
            x = self.conv(x, *edges)  # under autocast of another type
            x = self.state(torch.lerp(x, x_0.to(x.dtype), self.alpha))
        return x

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, K={self.K}, alpha={self.alpha})'
        )
