import torch
from torch import Tensor


class NodeNorm(torch.nn.Module):
    r"""Scales the features of each node by their own deviation, from the
    `"Understanding and Resolving Performance Degradation in Graph
    Convolutional Networks" <https://arxiv.org/abs/2006.07107>`_ paper:

    .. math::
        \mathbf{x}^{\prime}_i = \frac{\mathbf{x}_i}
        {(\mathrm{Var}[\mathbf{x}_i] + \epsilon)^{1 / (2p)}}

    over the features of node :math:`i`. With :obj:`center` their mean is
    taken off before, which for :math:`p = 1` is a layer norm without
    parameters.

    Args:
        p (float, optional): The root :math:`p`. (default: :obj:`1.0`)
        center (bool, optional): Whether to take off the mean.
            (default: :obj:`False`)
        eps (float, optional): :math:`\epsilon`. (default: :obj:`1e-5`)

    Raises:
        ValueError: If :obj:`p` is not positive.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** node features :math:`(|\mathcal{V}|, F)`
    """

    def __init__(
        self, p: float = 1.0, center: bool = False, eps: float = 1e-5
    ):
        super().__init__()
        if not p > 0.0:
            raise ValueError(f'p must be positive (got {p})')
        self.p = p
        self.center = center
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        # The squares of a half type overflow:
        out = x.to(torch.promote_types(x.dtype, torch.float))
        variance = out.var(dim=-1, correction=0, keepdim=True)  # [N, 1]
        if self.center:
            out = out - out.mean(dim=-1, keepdim=True)
        return (out / (variance + self.eps).pow(0.5 / self.p)).to(x.dtype)

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(p={self.p}, center={self.center})'
