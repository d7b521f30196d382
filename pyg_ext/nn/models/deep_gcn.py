from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor
from torch.nn import BatchNorm1d, LayerNorm, Module, ModuleList, ReLU
from torch.utils.checkpoint import checkpoint
from torch_geometric.nn import (
    MLP,
    DeepGCNLayer,
    global_max_pool,
    global_mean_pool,
)
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.conv import DilatedKNNConv
from pyg_ext.nn.conv.dilated_knn_conv import Factory
from pyg_ext.nn.models.graph_model import GraphModel
from pyg_ext.utils.checks import (
    check_batch,
    check_features,
    check_name,
    check_vector,
)

SKIPS = {None: 'plain', 'res': 'res', 'res+': 'res+', 'dense': 'dense'}
NORMS = {'batch': BatchNorm1d, 'layer': LayerNorm}
LEVELS = ('node', 'graph')


class DeepGCN(GraphModel):
    r"""The deep network on nearest neighbors of the `"DeepGCNs: Can GCNs Go as
    Deep as CNNs?" <https://arxiv.org/abs/1904.03751>`_ paper.

    * **Backbone:** :obj:`num_layers` dilated graph convolutions
      (:class:`DilatedKNNConv`), each with norm, ReLU and a skip connection;
      the first has none, and block :math:`i > 1` has dilation :math:`i - 1`.
    * **Fusion:** the outputs of all blocks, concatenated, go through a linear
      layer, norm and ReLU; their maximum over the graph is given to each
      node beside the outputs themselves.
    * **Prediction:** a multi-layer perceptron.

    ResGCN-28 and DenseGCN-28 for points with 9 features and 13 classes:

    .. code-block:: python

        DeepGCN(9, 64, 28, 13, skip='res', dilated=True)
        DeepGCN(9, 64, 28, 13, skip='dense', growth=32, dilated=True)

    Args:
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of graph convolutions.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability in the perceptron.
            (default: :obj:`0.0`)
        k (int, optional): The number of neighbors. (default: :obj:`16`)
        skip (str, optional): :obj:`None` (plain), :obj:`'res'`,
            :obj:`'res+'` (norm and ReLU ahead of the convolution) or
            :obj:`'dense'`. (default: :obj:`None`)
        dilated (bool, optional): If set to :obj:`True`, the dilation grows
            with depth; else it is one. (default: :obj:`False`)
        conv (str or callable, optional): As in :class:`DilatedKNNConv`.
            (default: :obj:`'edge'`)
        growth (int, optional): Channels that a dense block adds;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dynamic (bool, optional): If set to :obj:`False`, neighbors are those
            of the input in all blocks; else those of each block's own input.
            (default: :obj:`True`)
        stochastic (bool, optional): As in :class:`DilatedKNNConv`.
            (default: :obj:`False`)
        epsilon (float, optional): As in :class:`DilatedKNNConv`.
            (default: :obj:`0.2`)
        norm (str, optional): :obj:`'batch'` or :obj:`'layer'`.
            (default: :obj:`'batch'`)
        fusion_channels (int, optional): Channels of the fusion.
            (default: :obj:`1024`)
        level (str, optional): :obj:`'node'`, or :obj:`'graph'`, which
            predicts from the maximum and the mean of the fusion over each
            graph. (default: :obj:`'node'`)
        checkpoint_blocks (bool, optional): If set to :obj:`True`, blocks are
            computed again in the backward pass, which saves memory.
            (default: :obj:`False`)

    Raises:
        ValueError: On an unknown :obj:`skip`, :obj:`norm`, :obj:`level` or
            :obj:`conv`, on less than one block, on a batch vector or positions
            that do not fit, and as in :class:`DilatedKNNConv`.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`,
          edge indices or a sparse adjacency in place of nearest neighbors in
          all blocks *(optional)*,
          batch vector :math:`(|\mathcal{V}|)` *(optional)*,
          positions :math:`(|\mathcal{V}|, D)` for the neighbors of the first
          block and of a static graph *(optional)*
        - **output:** :math:`(|\mathcal{V}|, F_{out})`, or
          :math:`(|\mathcal{G}|, F_{out})` for graphs
    """

    shown = ('num_layers', 'skip', 'dilated')

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        k: int = 16,
        skip: str | None = None,
        dilated: bool = False,
        conv: str | Factory = 'edge',
        growth: int | None = None,
        dynamic: bool = True,
        stochastic: bool = False,
        epsilon: float = 0.2,
        norm: str = 'batch',
        fusion_channels: int = 1024,
        level: str = 'node',
        checkpoint_blocks: bool = False,
    ):
        super().__init__(
            in_channels, hidden_channels, num_layers, out_channels, dropout
        )
        check_name('skip', skip, SKIPS)
        check_name('norm', norm, NORMS)
        check_name('level', level, LEVELS)
        self.skip = skip
        self.dilated = dilated
        self.dynamic = dynamic
        self.level = level
        self.checkpoint_blocks = checkpoint_blocks
        self.blocks = ModuleList()
        width, widths = in_channels, []
        for i in range(num_layers):
            kind = SKIPS[skip] if i > 0 else 'plain'
            out = hidden_channels
            if kind == 'dense':
                out = growth or hidden_channels
            dilation = max(i, 1) if dilated else 1
            graph_conv = DilatedKNNConv(
                *(width, out, k, dilation, conv, stochastic, epsilon)
            )
            normed = width if kind == 'res+' else out
            self.blocks.append(
                DeepGCNLayer(graph_conv, NORMS[norm](normed), ReLU(), kind)
            )
            width = width + out if kind == 'dense' else out
            widths.append(width)
        # The last dense block holds the outputs of all the others already:
        fused = widths[-1] if skip == 'dense' else sum(widths)
        self.fusion = MLP([fused, fusion_channels], plain_last=False)
        pooled = 2 if level == 'graph' else 1
        width = pooled * fusion_channels + (fused if level == 'node' else 0)
        self.mlp = MLP([width, 512, 256, self.out_channels], dropout=dropout)

    def forward(
        self,
        x: Tensor,
        edge_index: Adj | None = None,
        edge_weight: OptTensor = None,
        edge_attr: OptTensor = None,
        batch: OptTensor = None,
        pos: OptTensor = None,
    ) -> Tensor:
        check_features(x, self.in_channels)
        if edge_weight is not None or edge_attr is not None:
            raise ValueError(
                'edge_weight and edge_attr have no effect in DeepGCN, whose '
                'convolutions know neither (got one)'
            )
        if pos is not None and len(pos) != len(x):
            raise ValueError(
                f'pos must have a row for each of the {len(x)} nodes (got '
                f'shape {list(pos.size())})'
            )
        if batch is None and len(x) == 0:  # of which there is no maximum
            batch = torch.zeros(0, dtype=torch.long, device=x.device)
        if self.level == 'node':
            batch = check_batch(batch, len(x))
        elif batch is not None:
            batch = check_vector('batch', batch, len(x), None, 'graphs')
        nearest = None
        if edge_index is None:
            place = x if pos is None else pos
            widest = self.blocks[0] if self.dynamic else self.blocks[-1]
            nearest = widest.conv.nearest(place, batch)
        states = []
        for i, block in enumerate(self.blocks):
            edges = edge_index
            if nearest is not None and (i == 0 or not self.dynamic):
                edges = block.conv.edges(nearest)
            if self.checkpoint_blocks and torch.is_grad_enabled():
                x = checkpoint(
                    *(block, x, batch, edges),
                    use_reentrant=False,
                    context_fn=partial(_contexts, block),
                )
            else:
                x = block(x, batch, edges)
            states.append(x)
        x = x if self.skip == 'dense' else torch.cat(states, dim=-1)
        fused = self.fusion(x)  # [N, fusion_channels]
        top = global_max_pool(fused, batch)
        if self.level == 'graph':
            mean = global_mean_pool(fused, batch)
            return self.mlp(torch.cat([top, mean], dim=-1))
        top = top.expand(len(x), -1) if batch is None else top[batch]
        return self.mlp(torch.cat([top, x], dim=-1))


def _contexts(block: Module) -> tuple:
    """Of a checkpoint: running statistics count the first evaluation."""
    return nullcontext(), _kept_buffers(block)


@contextmanager
def _kept_buffers(module: Module) -> Iterator[None]:
    before = [buffer.clone() for buffer in module.buffers()]
    try:
        yield
    finally:  # PyTorch leaves by an exception when it has what it needs
        for buffer, value in zip(module.buffers(), before, strict=True):
            buffer.data.copy_(value)  # unseen by autograd, which may hold it
