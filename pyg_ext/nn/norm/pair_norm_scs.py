import torch
from torch import Tensor
from torch_geometric.nn import global_mean_pool
from torch_geometric.typing import OptTensor

from pyg_ext.utils.checks import check_batch


class PairNormSCS(torch.nn.Module):
    r"""The variant "scale, center, scale" of the `"PairNorm: Tackling
    Oversmoothing in GNNs" <https://arxiv.org/abs/1909.12223>`_ paper's code,
    which scales each node by itself and then takes off the mean:

    .. math::
        \mathbf{x}^{\prime}_i = s \cdot \frac{\mathbf{x}_i}
        {{\| \mathbf{x}_i \|}_2} - \frac{1}{|\mathcal{V}|} \sum_j \mathbf{x}_j

    The paper's two others are :class:`torch_geometric.nn.PairNorm`.

    Args:
        scale (float, optional): Scale :math:`s`. (default: :obj:`1.0`)
        eps (float, optional): Added to each squared norm.
            (default: :obj:`1e-6`)

    Raises:
        ValueError: If there is not one graph for each node.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, the graph of
          each node :math:`(|\mathcal{V}|)` *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F)`
    """

    def __init__(self, scale: float = 1.0, eps: float = 1e-6):
        super().__init__()
        self.scale = scale
        self.eps = eps

    def forward(self, x: Tensor, batch: OptTensor = None) -> Tensor:
        batch = check_batch(batch, len(x))
        # The squares of a half type overflow:
        out = x.to(torch.promote_types(x.dtype, torch.float))
        mean = global_mean_pool(out, batch)  # [B, F]
        if batch is not None:
            mean = mean[batch]
        norm = (self.eps + out.square().sum(dim=-1, keepdim=True)).sqrt()
        return (self.scale * out / norm - mean).to(x.dtype)

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(scale={self.scale})'
