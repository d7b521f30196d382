import torch
from torch import Tensor

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
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        K (int): Number of propagation steps.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of both
            linear layers. (default: :obj:`0.0`)
        alpha (float, optional): Teleport probability :math:`\alpha`.
            (default: :obj:`0.1`)
        edge_dropout (float, optional): Dropout probability of the entries of
            :math:`\mathbf{\hat{P}}` in each step. (default: :obj:`0.0`)
        **kwargs (optional): :obj:`normalize`, :obj:`improved` and
            :obj:`add_self_loops` of :class:`GraphModel`.

    Errors and shapes are those of :class:`DecoupledNet`.
    """

    shown = ('K', 'alpha')

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        K: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        alpha: float = 0.1,
        edge_dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(
            *(in_channels, hidden_channels, K, out_channels, dropout),
            **kwargs,
        )
        self.alpha = alpha
        self.edge_dropout = Dropout(edge_dropout)

    def spread(self, x: Tensor, edges: tuple) -> Tensor:
        *first, values = edges  # a matrix, or the weights of edges
        x_0 = x
        for _ in range(self.K):
            x = self.conv(x, *first, self.edge_dropout(values))
            # Under autocast of another type:
            x = self.state(torch.lerp(x, x_0.to(x.dtype), self.alpha))
        return x
