import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.models.decoupled import DecoupledNet


class GPRGNN(DecoupledNet):
    r"""The network of the `"Adaptive Universal Generalized PageRank Graph
    Neural Network" <https://arxiv.org/abs/2006.07988>`_ paper: the perceptron
    of :class:`DecoupledNet`, and a sum of its propagations whose weights are
    learned,

    .. math::
        \mathbf{X}^{\prime} = \sum_{k=0}^K \gamma_k \mathbf{\hat{P}}^k
        \mathbf{Z}^{(0)}

    which start as those of personalized PageRank,
    :math:`\gamma_k = \alpha (1 - \alpha)^k` and
    :math:`\gamma_K = (1 - \alpha)^K`.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        K (int): Number of propagation steps.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of both
            linear layers. (default: :obj:`0.0`)
        alpha (float, optional): Teleport probability :math:`\alpha` to start
            with. (default: :obj:`0.1`)
        spread_dropout (float, optional): Dropout probability of
            :math:`\mathbf{Z}^{(0)}`. (default: :obj:`0.0`)
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
        spread_dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(
            *(in_channels, hidden_channels, K, out_channels, dropout),
            **kwargs,
        )
        self.alpha = alpha
        self.spread_dropout = Dropout(spread_dropout)
        self.gamma = Parameter(torch.empty(K + 1))
        self._reset_gamma()

    def _reset_gamma(self) -> None:
        left = (1.0 - self.alpha) ** torch.arange(self.K + 1.0)
        with torch.no_grad():
            self.gamma[:-1] = self.alpha * left[:-1]
            self.gamma[-1] = left[-1]

    def reset_parameters(self) -> None:
        """Draws all parameters anew, but for the weights of the steps, which
        start as described.
        """
        super().reset_parameters()
        self._reset_gamma()

    def spread(self, x: Tensor, edges: tuple) -> Tensor:
        x = self.spread_dropout(x)
        out = self.gamma[0] * x
        for weight in self.gamma[1:]:
            x = self.state(self.conv(x, *edges))
            out = out + weight * x
        return out
