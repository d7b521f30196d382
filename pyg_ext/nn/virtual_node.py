import torch
from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.nn import MLP, global_add_pool

from pyg_ext.nn.dropout import Dropout
from pyg_ext.utils.checks import check_same_shape, check_vector


class VirtualNode(torch.nn.Module):
    r"""A node that all nodes of a graph write to and read from between two
    layers, as in the `"Neural Message Passing for Quantum Chemistry"
    <https://arxiv.org/abs/1704.01212>`_ paper, the way the `"Open Graph
    Benchmark" <https://arxiv.org/abs/2005.00687>`_ has it:

    .. math::
        \mathbf{v}^{(\ell)} = \mathrm{dropout} \left( \mathrm{MLP}^{(\ell)}
        \left( \mathbf{v}^{(\ell - 1)} + \sum_{i} \mathbf{x}_i^{(\ell)}
        \right) \right), \quad \mathbf{v}^{(0)} = \mathbf{0}

    and the input of each later layer is :math:`\mathbf{x}_i +
    \mathbf{v}^{(\ell)}`.

    Args:
        channels (int): Size of each sample.
        num_layers (int): Number of layers :math:`L`; between them lie
            :math:`L - 1` perceptrons.
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)

    Raises:
        ValueError: On less than one layer, on a layer that has no perceptron
            behind it, or on graphs or a state that do not fit the nodes.

    Shapes:
        - **input:** the layer ahead, from zero; node features
          :math:`(|\mathcal{V}|, F)`; the graph of each node
          :math:`(|\mathcal{V}|)`, or :obj:`None` for one graph; what the call
          for the layer before returned second, or :obj:`None`
        - **output:** node features :math:`(|\mathcal{V}|, F)` for the next
          layer, and the state of the virtual nodes :math:`(B, F)`
    """

    def __init__(self, channels: int, num_layers: int, dropout: float = 0.0):
        super().__init__()
        if num_layers < 1:
            raise ValueError(
                f'num_layers must be at least 1 (got {num_layers})'
            )
        self.channels = channels
        self.dropout = Dropout(dropout)
        self.mlps = ModuleList(
            MLP(
                [channels, 2 * channels, channels],
                norm_kwargs={'allow_single_element': True},
                plain_last=False,
            )
            for _ in range(num_layers - 1)
        )

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for mlp in self.mlps:
            mlp.reset_parameters()

    def forward(
        self,
        layer: int,
        x: Tensor,
        batch: Tensor | None = None,
        state: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        if not 0 <= layer < len(self.mlps):
            raise ValueError(
                f'layer must be in [0, {len(self.mlps) - 1}] (got {layer})'
            )
        if batch is not None:
            batch = check_vector('batch', batch, len(x), None, 'graphs')
        # A half type cannot sum up many nodes:
        wide = torch.promote_types(x.dtype, torch.float)
        total = global_add_pool(x.to(wide), batch).to(x.dtype)  # [B, F]
        if state is not None:
            check_same_shape(total=total, state=state)
            total = total + state
        state = self.dropout(self.mlps[layer](total))
        return x + (state if batch is None else state[batch]), state

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.channels}, '
            f'num_layers={len(self.mlps) + 1})'
        )
