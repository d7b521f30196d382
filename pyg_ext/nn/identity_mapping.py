import torch
from torch import Tensor
from torch_geometric.nn import Linear, MessagePassing

from pyg_ext.utils.mix import mix


class IdentityLinear(torch.nn.Module):
    r"""A linear layer that is partly the identity, the identity mapping of
    the `"Simple and Deep Graph Convolutional Networks"
    <https://arxiv.org/abs/2007.02133>`_ paper,

    .. math::
        (1 - \beta) \mathbf{X} + \beta \mathbf{X} \mathbf{\Theta}.

    Args:
        channels (int): Size of each sample.
        beta (float): The share :math:`\beta` of the weights.

    Raises:
        ValueError: If :obj:`beta` is outside :math:`[0, 1]`.

    Shapes:
        - **input:** features :math:`(*, F)`
        - **output:** features :math:`(*, F)`
    """

    def __init__(self, channels: int, beta: float):
        super().__init__()
        if not 0.0 <= beta <= 1.0:
            raise ValueError(f'beta must be in [0, 1] (got {beta})')
        self.beta = beta
        self.lin = Linear(
            channels, channels, bias=False, weight_initializer='glorot'
        )

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        self.lin.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return mix(x, self.lin(x), self.beta)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.lin.in_channels}, '
            f'beta={self.beta:.4g})'
        )


def identity_mapping(conv: MessagePassing, beta: float) -> MessagePassing:
    r"""Gives a convolution the identity mapping: each of its linear layers
    that keeps the number of channels and has no bias becomes an
    :class:`IdentityLinear`. (PyG's convolutions add their bias themselves.)

    The paper's share is :math:`\beta_{\ell} = \log(\theta / \ell + 1)` in
    layer :math:`\ell`, with :math:`\theta = 0.5`.

    Args:
        conv (torch_geometric.nn.MessagePassing): The convolution, which is
            changed in place.
        beta (float): The share of the weights.

    Raises:
        ValueError: If the convolution has no such layer, or if :obj:`beta`
            is outside :math:`[0, 1]`.

    Returns:
        The same convolution.
    """
    square = [
        name
        for name, child in conv.named_children()
        if isinstance(child, Linear)
        and child.in_channels == child.out_channels
        and child.bias is None
    ]
    if not square:
        raise ValueError(
            f'identity mapping needs a linear layer that keeps the number of '
            f'channels and has no bias (got {conv})'
        )
    for name in square:
        lin = getattr(conv, name)
        mapping = IdentityLinear(lin.in_channels, beta)
        setattr(conv, name, mapping.to(lin.weight))
    return conv
