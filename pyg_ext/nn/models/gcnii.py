from torch import Tensor
from torch.nn import Linear, Module, ModuleList
from torch_geometric.nn import GCN2Conv, SimpleConv
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.models.graph_model import GraphModel, linear
from pyg_ext.nn.skip import InitialConnection


class _SpreadConv(Module):
    """A :class:`GCN2Conv` without weights."""

    def __init__(self, alpha: float):
        super().__init__()
        self.conv = SimpleConv()
        self.initial = InitialConnection(alpha)

    def forward(self, x: Tensor, x_0: Tensor, *edges: Adj) -> Tensor:
        return self.initial(self.conv(x, *edges), x_0)


class GCNII(GraphModel):
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
    With :obj:`static` its blocks have no weights, :math:`\beta_{\ell} = 0`, as
    the SS-GCN2 of `"It's PageRank All The Way Down: Simplifying Deep Graph
    Networks" <https://doi.org/10.1137/1.9781611977653.ch20>`_: steps of
    personalized PageRank between two linear layers, in which ReLU changes
    nothing.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of hidden blocks; the two linear layers do
            not count.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of each
            layer. (default: :obj:`0.0`)
        alpha (float, optional): Strength :math:`\alpha` of the initial
            residual. (default: :obj:`0.1`)
        theta (float, optional): :math:`\theta` (the paper's
            :math:`\lambda`) of the identity mapping; :obj:`0.5` if not given.
            (default: :obj:`None`)
        shared_weights (bool, optional): If set to :obj:`False`, uses two
            matrices in each block (the paper's GCNII*).
            (default: :obj:`True`)
        static (bool, optional): Whether blocks have no weights.
            (default: :obj:`False`)
        **kwargs (optional): :obj:`normalize`, :obj:`improved` and
            :obj:`add_self_loops` of :class:`GraphModel`.

    Raises:
        ValueError: On :obj:`theta` or :obj:`shared_weights=False` with
            :obj:`static`, and as in :class:`GraphModel`.

    Shapes are those of :class:`GraphModel`.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        alpha: float = 0.1,
        theta: float | None = None,
        shared_weights: bool = True,
        static: bool = False,
        **kwargs,
    ):
        if static and not (theta is None and shared_weights):
            raise ValueError(
                f'static=True has no weights for theta and shared_weights '
                f'(got {theta}, {shared_weights})'
            )
        super().__init__(
            *(in_channels, hidden_channels, num_layers, out_channels, dropout),
            **kwargs,
        )
        self.state = HiddenState()
        self.lin_in = linear(in_channels, hidden_channels)
        theta = 0.5 if theta is None else theta
        self.convs = ModuleList(
            _SpreadConv(alpha)
            if static
            else GCN2Conv(
                hidden_channels,
                alpha,
                theta,
                layer,
                shared_weights,
                normalize=False,
            )
            for layer in range(1, num_layers + 1)
        )
        self.lin_out = Linear(hidden_channels, self.out_channels)

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        x = x_0 = self.state(self.lin_in(self.dropout(x)).relu())
        for conv in self.convs:
            x = self.state(conv(self.dropout(x), x_0, *edges).relu())
        return self.lin_out(self.dropout(x))
