import torch
from torch import Tensor
from torch.nn import Linear

from pyg_ext.nn.models.decoupled import DecoupledNet


class DAGNN(DecoupledNet):
    r"""The network of the `"Towards Deeper Graph Neural Networks"
    <https://arxiv.org/abs/2007.09296>`_ paper: the perceptron of
    :class:`DecoupledNet`, and the sum of all its :math:`K` propagations, to
    which each node gives weights of its own,

    .. math::
        \mathbf{x}^{\prime}_i = \sum_{k=0}^K \sigma \left( \mathbf{s}^{\top}
        \mathbf{h}^{(k)}_i + b \right) \mathbf{h}^{(k)}_i, \qquad
        \mathbf{H}^{(k)} = \mathbf{\hat{P}}^k \mathbf{Z}^{(0)}

    With :obj:`static` all weights are one, as in the SS-DAGNN of `"It's
    PageRank All The Way Down: Simplifying Deep Graph Networks"
    <https://doi.org/10.1137/1.9781611977653.ch20>`_.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        K (int): Number of propagation steps.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of both
            linear layers. (default: :obj:`0.0`)
        static (bool, optional): Whether the propagations are summed without
            weights. (default: :obj:`False`)
        **kwargs (optional): :obj:`normalize`, :obj:`improved` and
            :obj:`add_self_loops` of :class:`GraphModel`.

    Errors and shapes are those of :class:`DecoupledNet`.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        K: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        static: bool = False,
        **kwargs,
    ):
        super().__init__(
            *(in_channels, hidden_channels, K, out_channels, dropout),
            **kwargs,
        )
        self.lin_score = None if static else Linear(self.out_channels, 1)

    def spread(self, x: Tensor, edges: tuple) -> Tensor:
        hops = [x]
        for _ in range(self.K):
            hops.append(self.state(self.conv(hops[-1], *edges)))
        states = torch.stack(hops, dim=1)  # [N, K + 1, F]
        if self.lin_score is None:
            return states.sum(dim=1)
        return (self.lin_score(states).sigmoid() * states).sum(dim=1)
