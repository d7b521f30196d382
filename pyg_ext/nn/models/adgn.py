import math

from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.nn import AntiSymmetricConv, GCNConv
from torch_geometric.typing import OptTensor

from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.models.graph_model import GraphModel, linear
from pyg_ext.utils.checks import check_real


class ADGN(GraphModel):
    r"""The network of the `"Anti-Symmetric DGN: a stable architecture for Deep
    Graph Networks" <https://arxiv.org/abs/2210.09789>`_ paper: a linear
    layer, :math:`L` steps of :class:`torch_geometric.nn.AntiSymmetricConv`,
    and a linear layer.

    .. math::
        \mathbf{H}^{(\ell)} = \mathbf{H}^{(\ell - 1)} + \epsilon \, \tanh
        \left( \mathbf{H}^{(\ell - 1)} {(\mathbf{W} - \mathbf{W}^{\top} -
        \gamma \mathbf{I})}^{\top} + \mathbf{\hat{P}} \mathbf{H}^{(\ell - 1)}
        \mathbf{V} + \mathbf{b} \right)

    with :math:`\mathbf{\hat{P}}` the normalized adjacency with self-loops, or
    the sum over neighbors with :obj:`normalize=False`, the two cases of the
    paper. These are Euler steps of an equation whose Jacobian has eigenvalues
    of real part near zero, so that what is far away neither vanishes nor
    explodes with depth.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of steps :math:`L`; the two linear layers do
            not count.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of both
            linear layers. (default: :obj:`0.0`)
        epsilon (float, optional): The step size :math:`\epsilon`.
            (default: :obj:`0.1`)
        gamma (float, optional): The strength :math:`\gamma` of the diffusion
            that keeps the steps stable. (default: :obj:`0.1`)
        shared_weights (bool, optional): If set to :obj:`False`, each step has
            weights of its own; else all have the same, as the paper's
            results. (default: :obj:`True`)
        **kwargs (optional): :obj:`normalize`, :obj:`improved` and
            :obj:`add_self_loops` of :class:`GraphModel`.

    Raises:
        ValueError: If :obj:`epsilon` is not above zero, or :obj:`gamma` below
            zero, or one infinite, and as in :class:`GraphModel`.

    Shapes are those of :class:`GraphModel`.
    """

    shown = ('num_layers', 'shared_weights')

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        epsilon: float = 0.1,
        gamma: float = 0.1,
        shared_weights: bool = True,
        **kwargs,
    ):
        super().__init__(
            *(in_channels, hidden_channels, num_layers, out_channels, dropout),
            **kwargs,
        )
        if not 0.0 < check_real('epsilon', epsilon) < math.inf:
            raise ValueError(
                f'epsilon must be finite and above zero (got {epsilon})'
            )
        if not 0.0 <= check_real('gamma', gamma) < math.inf:
            raise ValueError(
                f'gamma must be finite and at least zero (got {gamma})'
            )
        self.shared_weights = shared_weights
        self.state = HiddenState()
        self.lin_in = linear(in_channels, hidden_channels)
        self.convs = ModuleList(
            AntiSymmetricConv(
                hidden_channels,
                GCNConv(
                    hidden_channels,
                    hidden_channels,
                    bias=False,
                    normalize=False,
                ),
                epsilon=epsilon,
                gamma=gamma,
            )
            for _ in range(1 if shared_weights else num_layers)
        )
        self.lin_out = Linear(hidden_channels, self.out_channels)

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        x = self.state(self.lin_in(self.dropout(x)))
        for layer in range(self.num_layers):
            conv = self.convs[0 if self.shared_weights else layer]
            x = self.state(conv(x, *edges))
        return self.lin_out(self.dropout(x))
