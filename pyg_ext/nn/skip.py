import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import remove_self_loops, scatter

from pyg_ext.utils.adjacency import edge_list, entries, is_normalized
from pyg_ext.utils.checks import check_probability, check_same_shape
from pyg_ext.utils.mix import mix


def _check_alpha(alpha: float) -> float:
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f'alpha must be in [0, 1] (got {alpha})')
    return alpha


class ResidualConnection(torch.nn.Module):
    r"""Adds the input :math:`\mathbf{X}` of a layer to its output
    :math:`\mathbf{H}`,

    .. math::
        \mathbf{H} + \mathbf{X} \quad \textrm{or, with } \alpha, \quad
        (1 - \alpha) \mathbf{H} + \alpha \mathbf{X}.

    These are two models: `"DeepGCNs: Can GCNs Go as Deep as CNNs?"
    <https://arxiv.org/abs/1904.03751>`_ and the ResGCN of `"DropEdge"
    <https://arxiv.org/abs/1907.10903>`_ add, `"Bag of Tricks for Training
    Deeper Graph Neural Networks" <https://arxiv.org/abs/2108.10521>`_ mixes.

    Args:
        alpha (float, optional): The share :math:`\alpha` of the input;
            :obj:`None` adds. (default: :obj:`None`)

    Raises:
        ValueError: If :obj:`alpha` is outside :math:`[0, 1]`, or if the two
            differ in shape.

    Shapes:
        - **input:** output and input of a layer, :math:`(|\mathcal{V}|, F)`
          each
        - **output:** :math:`(|\mathcal{V}|, F)`
    """

    def __init__(self, alpha: float | None = None):
        super().__init__()
        self.alpha = None if alpha is None else _check_alpha(alpha)

    def forward(self, out: Tensor, x: Tensor) -> Tensor:
        check_same_shape(out=out, x=x)
        return out + x if self.alpha is None else mix(out, x, self.alpha)

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(alpha={self.alpha})'


class InitialConnection(torch.nn.Module):
    r"""Mixes the output :math:`\mathbf{H}` of a layer with the first state
    :math:`\mathbf{H}^{(0)}` of the network,

    .. math::
        (1 - \alpha) \mathbf{H} + \alpha \mathbf{H}^{(0)},

    as in `"Predict then Propagate" <https://arxiv.org/abs/1810.05997>`_ and
    `"Simple and Deep Graph Convolutional Networks"
    <https://arxiv.org/abs/2007.02133>`_, where it stands before the weights.

    Args:
        alpha (float, optional): The share :math:`\alpha` of the first state.
            (default: :obj:`0.1`)

    Raises:
        ValueError: If :obj:`alpha` is outside :math:`[0, 1]`, or if the two
            differ in shape.

    Shapes:
        - **input:** output of a layer and the first state,
          :math:`(|\mathcal{V}|, F)` each
        - **output:** :math:`(|\mathcal{V}|, F)`
    """

    def __init__(self, alpha: float = 0.1):
        super().__init__()
        self.alpha = _check_alpha(alpha)

    def forward(self, out: Tensor, first: Tensor) -> Tensor:
        check_same_shape(out=out, first=first)
        return mix(out, first, self.alpha)

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(alpha={self.alpha})'


class DenseConnection(torch.nn.Module):
    r"""Concatenates the input of a layer and its output, so that the next
    layer reads all earlier ones, as in `"Densely Connected Convolutional
    Networks" <https://arxiv.org/abs/1608.06993>`_.

    Shapes:
        - **input:** output :math:`(|\mathcal{V}|, F_{out})` and input
          :math:`(|\mathcal{V}|, F_{in})` of a layer
        - **output:** :math:`(|\mathcal{V}|, F_{in} + F_{out})`
    """

    def forward(self, out: Tensor, x: Tensor) -> Tensor:
        return torch.cat([x, out], dim=-1)


class SkipNode(torch.nn.Module):
    r"""Lets randomly chosen nodes skip a layer in training, as in
    `"SkipNode: On Alleviating Performance Degradation for Deep Graph
    Convolutional Networks" <https://arxiv.org/abs/2112.11628>`_ (with uniform
    sampling): they keep the layer's input.

    Args:
        p (float, optional): Probability of a node to skip the layer.
            (default: :obj:`0.5`)

    Raises:
        ValueError: If :obj:`p` is outside :math:`[0, 1]`, or if output and
            input differ in shape.

    Shapes:
        - **input:** output and input of a layer, :math:`(|\mathcal{V}|, F)`
          each
        - **output:** :math:`(|\mathcal{V}|, F)`
    """

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = check_probability('p', p)

    def forward(self, out: Tensor, x: Tensor) -> Tensor:
        check_same_shape(out=out, x=x)
        if not self.training or self.p == 0.0:
            return out
        skips = torch.rand(len(x), 1, device=x.device) < self.p  # [N, 1]
        return torch.where(skips, x, out)

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(p={self.p})'


class GradientGating(torch.nn.Module):
    r"""Gradient gating (G\ :sup:`2`) of the `"Gradient Gating for Deep
    Multi-Rate Learning on Graphs" <https://arxiv.org/abs/2210.00513>`_ paper:
    a channel of a node moves on as fast as it differs from its neighbors,

    .. math::
        (1 - \boldsymbol{\tau}) \odot \mathbf{X} + \boldsymbol{\tau} \odot
        \mathbf{H}, \qquad \boldsymbol{\tau}_i = \tanh \left(
        \frac{1}{|\mathcal{N}(i)|} \sum_{j \in \mathcal{N}(i)}
        {| \mathbf{\hat{x}}_j - \mathbf{\hat{x}}_i |}^p \right), \qquad
        \mathbf{\hat{X}} = \mathrm{ReLU}(\mathrm{conv}(\mathbf{X}))

    for the input :math:`\mathbf{X}` and the output :math:`\mathbf{H}` of a
    layer. It takes the mean over neighbors, as the authors' code does, where
    the paper has the sum; self-loops do not count. With :math:`p < 1` the
    gradient of a power of zero is taken as zero.

    Args:
        conv (torch.nn.Module): A convolution that keeps the number of
            channels, called as ``conv(x, edge_index)``, or with edge weights
            after those. One may serve all layers.
        p (float, optional): The power :math:`p`. (default: :obj:`2.0`)

    Raises:
        ValueError: If :obj:`p` is negative, if output and input differ in
            shape, or on edges that name nodes beyond them.

    Shapes:
        - **input:** output and input of a layer, :math:`(|\mathcal{V}|, F)`
          each, and the edges as the convolution takes them
        - **output:** :math:`(|\mathcal{V}|, F)`
    """

    def __init__(self, conv: torch.nn.Module, p: float = 2.0):
        super().__init__()
        if not p >= 0.0:
            raise ValueError(f'p must not be negative (got {p})')
        self.conv = conv
        self.p = p

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        self.conv.reset_parameters()

    def forward(
        self,
        out: Tensor,
        x: Tensor,
        edge_index: Adj,
        edge_weight: OptTensor = None,
    ) -> Tensor:
        check_same_shape(out=out, x=x)
        if is_normalized(edge_index):
            edges, _ = entries(edge_index)
        else:
            edges = edge_list(edge_index, None, len(x))[0]
        (source, target), _ = remove_self_loops(edges)
        weight = () if edge_weight is None else (edge_weight,)
        gate = self.conv(x, edge_index, *weight).relu()
        apart = self._power((gate[source] - gate[target]).abs())  # [E, F]
        rate = scatter(apart, target, 0, len(x), 'mean').tanh()  # [N, F]
        return mix(x, out, rate)

    def _power(self, apart: Tensor) -> Tensor:
        if not 0.0 < self.p < 1.0:
            return apart.pow(self.p)
        equal = apart == 0.0
        return apart.masked_fill(equal, 1.0).pow(self.p).masked_fill(equal, 0)

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}({self.conv}, p={self.p})'
