from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.nn import BatchNorm
from torch_geometric.typing import OptTensor

from pyg_ext.nn.conv.gcn2_dense_conv import GCN2DenseConv
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.models.graph_model import GraphModel, linear


class DenseGCNII(GraphModel):
    r"""The network that the authors of the `"Simple and Deep Graph
    Convolutional Networks" <https://arxiv.org/abs/2007.02133>`_ paper use on
    ogbn-arxiv: a linear layer, a stack of
    :class:`~pyg_ext.nn.GCN2DenseConv`, and a linear layer. It has two full
    matrices in each block, a batch norm and a residual connection, and no
    identity mapping that grows with depth:

    .. math::
        \mathbf{H}^{(\ell)} = \mathrm{ReLU} \left( \mathrm{BN} \left(
        \mathrm{conv}^{(\ell)}(\mathbf{H}^{(\ell - 1)}, \mathbf{H}^{(0)})
        \right) \right) + \mathbf{H}^{(\ell - 1)}

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
            residual. (default: :obj:`0.5`)
        **kwargs (optional): :obj:`normalize`, :obj:`improved` and
            :obj:`add_self_loops` of :class:`GraphModel`.

    Errors and shapes are those of :class:`GraphModel`.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        alpha: float = 0.5,
        **kwargs,
    ):
        super().__init__(
            *(in_channels, hidden_channels, num_layers, out_channels, dropout),
            **kwargs,
        )
        self.state = HiddenState()
        self.lin_in = linear(in_channels, hidden_channels)
        self.convs = ModuleList(
            GCN2DenseConv(hidden_channels, alpha) for _ in range(num_layers)
        )
        self.norms = ModuleList(
            BatchNorm(hidden_channels) for _ in range(num_layers)
        )
        self.lin_out = Linear(hidden_channels, self.out_channels)

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        x = x_0 = self.state(self.lin_in(self.dropout(x)).relu())
        for conv, norm in zip(self.convs, self.norms, strict=True):
            out = conv(self.dropout(x), x_0, *edges)
            x = self.state(norm(out).relu() + x)
        return self.lin_out(self.dropout(x))
