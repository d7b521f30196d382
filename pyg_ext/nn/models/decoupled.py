from torch import Tensor
from torch.nn import Linear
from torch_geometric.nn import SimpleConv
from torch_geometric.typing import OptTensor

from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.models.graph_model import GraphModel, linear
from pyg_ext.utils.checks import check_count


class DecoupledNet(GraphModel):
    r"""A perceptron of two layers on each node by itself,

    .. math::
        \mathbf{Z}^{(0)} = \mathrm{dropout} \left( \mathrm{ReLU} \left(
        \mathrm{dropout}(\mathbf{X}) \mathbf{\Theta}_1 \right) \right)
        \mathbf{\Theta}_2,

    then :math:`K` steps of propagation without parameters, which subclasses
    define in :meth:`spread`, with :obj:`self.conv` for each, which they hand
    through :obj:`self.state`, with :math:`\mathbf{\hat{P}}` the normalized
    adjacency with self-loops.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        K (int): Number of propagation steps.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of both
            linear layers. (default: :obj:`0.0`)
        **kwargs (optional): :obj:`normalize`, :obj:`improved` and
            :obj:`add_self_loops` of :class:`GraphModel`.

    Raises:
        ValueError: On a negative :obj:`K`, and as in :class:`GraphModel`.

    Shapes are those of :class:`GraphModel`.
    """

    shown: tuple[str, ...] = ('K',)

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        K: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        **kwargs,
    ):
        check_count('K', K, 0)
        super().__init__(
            *(in_channels, hidden_channels, 2, out_channels, dropout),
            **kwargs,
        )
        self.K = K
        self.state = HiddenState()
        self.conv = SimpleConv()
        self.lin_in = linear(in_channels, hidden_channels)
        self.lin_out = Linear(hidden_channels, self.out_channels)

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        x = self.lin_in(self.dropout(x)).relu()
        return self.spread(self.state(self.lin_out(self.dropout(x))), edges)

    def spread(self, x: Tensor, edges: tuple) -> Tensor:
        r"""Propagates :math:`\mathbf{Z}^{(0)}`.

        Args:
            x: That state.
            edges: Normalized edges and their weights, or a matrix that holds
                both.
        """
        raise TypeError(f'{self.__class__.__name__} must define spread')
