from collections.abc import Callable

from torch import Tensor
from torch_geometric.nn import GCNConv, MessagePassing
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.block import GNNBlock
from pyg_ext.nn.reversible import ReversibleSequential
from pyg_ext.utils import gcn_norm_once
from pyg_ext.utils.checks import (
    check_batch,
    check_features,
    check_normalization,
)
from pyg_ext.utils.deprecation import renamed


class RevGCNConv(MessagePassing):
    r"""Reversible residual graph convolutions from the `"Training Graph
    Neural Networks with 1000 Layers" <https://arxiv.org/abs/2106.07476>`_
    paper, in place of one layer or of any number of residual ones.

    The channels are split into :math:`C` groups. With
    :math:`\mathbf{X}^{\prime}_0 = \sum_{i=2}^C \mathbf{X}_i`, each of
    :obj:`num_layers` blocks computes, for :math:`i = 1, \ldots, C`,

    .. math::
        \mathbf{X}^{\prime}_i = \mathbf{X}_i + \mathbf{\hat{P}} \,
        \mathrm{dropout} \left( \mathrm{ReLU} \left( \mathrm{norm}
        (\mathbf{X}^{\prime}_{i-1}) \right) \right) \mathbf{\Theta}_i

    on an adjacency :math:`\mathbf{\hat{P}}` that is normalized once for all.
    Only the output of the last block is stored for the backward pass.

    Args:
        channels (int): Size of each input and output sample; a multiple of
            :obj:`num_groups`.
        num_layers (int, optional): Number of blocks. (default: :obj:`1`)
        num_groups (int, optional): Number of groups :math:`C`.
            (default: :obj:`2`)
        norm (str or callable, optional): As in :class:`~pyg_ext.nn.GNNBlock`.
            (default: :obj:`'layer'`)
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)
        checkpoint_every (int, optional): Stores the state after every so many
            blocks. (default: :obj:`None`)
        normalize (bool, optional): If set to :obj:`False`, weights of edges
            are used as they are; else they are normalized, as in
            :class:`torch_geometric.nn.GCNConv`. (default: :obj:`True`)
        improved (bool, optional): As in :func:`~pyg_ext.utils.gcn_adj`.
            (default: :obj:`False`)
        add_self_loops (bool, optional): As in
            :func:`~pyg_ext.utils.gcn_adj`. (default: :obj:`True`)
        bias (bool, optional): If set to :obj:`False`, convolutions have no
            additive bias. (default: :obj:`True`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`, for the
            convolutions.

    Raises:
        ValueError: On an unknown norm, on channels that the groups do not
            divide, or on another :obj:`flow` or :obj:`node_dim` than the
            convolutions have.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F)`,
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency
          (of which a :class:`~pyg_ext.utils.CSRTensor` is used as it is),
          edge weights :math:`(|\mathcal{E}|)` *(optional)*,
          the graph of each node :math:`(|\mathcal{V}|)` *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F)`
    """

    @renamed('anchor_every', 'checkpoint_every')
    def __init__(
        self,
        channels: int,
        num_layers: int = 1,
        num_groups: int = 2,
        norm: str | Callable | None = 'layer',
        dropout: float = 0.0,
        checkpoint_every: int | None = None,
        normalize: bool = True,
        improved: bool = False,
        add_self_loops: bool = True,
        bias: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_normalization(
            'with normalize=False', normalize, improved, add_self_loops
        )
        if self.flow != 'source_to_target' or self.node_dim != -2:
            raise ValueError(
                f'flow must be "source_to_target" and node_dim -2, as the '
                f'adjacency is normalized (got {self.flow!r} and '
                f'{self.node_dim})'
            )
        if channels % num_groups != 0:
            raise ValueError(
                f'channels must be a multiple of num_groups={num_groups} '
                f'(got {channels})'
            )
        self.channels = channels
        self.num_layers = num_layers
        self.norm_options = (improved, add_self_loops, normalize)
        width = channels // num_groups
        self.blocks = ReversibleSequential(
            [
                GNNBlock(
                    GCNConv(
                        *(width, width), bias=bias, normalize=False, **kwargs
                    ),
                    width,
                    norm,
                    dropout,
                )
                for _ in range(num_layers)
            ],
            num_groups,
            checkpoint_every,
        )

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        super().reset_parameters()
        self.blocks.reset_parameters()

    def forward(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: OptTensor = None,
        batch: OptTensor = None,
    ) -> Tensor:
        check_features(x, self.channels, stacked=True)
        edge_index, edge_weight = gcn_norm_once(
            *(edge_index, edge_weight, x.size(self.node_dim), x.dtype),
            *self.norm_options,
        )
        batch = check_batch(batch, x.size(-2))
        return self.blocks(x, edge_index, edge_weight, None, batch)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.channels}, '
            f'num_layers={self.num_layers}, '
            f'num_groups={self.blocks.num_groups})'
        )
