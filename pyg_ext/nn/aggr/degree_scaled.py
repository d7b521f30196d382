import math

import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn.aggr import PowerMeanAggregation, SoftmaxAggregation

from pyg_ext.utils.checks import check_ptr, check_vector


class _DegreeScaled:
    """Multiplies a mean-like aggregation by a power of the group's size."""

    def _set_exponent(self, y: float, learn_y: bool) -> None:
        self._init_y = y
        self.y = Parameter(torch.tensor(float(y))) if learn_y else float(y)

    def reset_parameters(self) -> None:
        """Sets all parameters to their initial values."""
        super().reset_parameters()
        if isinstance(getattr(self, 'y', None), Tensor):
            self.y.data.fill_(self._init_y)

    def forward(
        self,
        x: Tensor,
        index: Tensor | None = None,
        ptr: Tensor | None = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        num = x.size(dim)
        if index is not None:
            index = check_vector('index', index, num, dim_size, 'groups')
        if ptr is not None:
            ptr = check_ptr('ptr', ptr, num, 'elements')
            groups = torch.arange(len(ptr) - 1, device=ptr.device)
            index = groups.repeat_interleave(ptr.diff(), output_size=num)
            dim_size = len(groups)
        # A half type cannot count, nor sum up many elements:
        wide = torch.promote_types(x.dtype, torch.float)
        out = super().forward(x.to(wide), index, None, dim_size, dim)
        shape = [1] * x.dim()
        shape[dim] = num
        ones = x.new_ones(shape, dtype=wide)
        size = self.reduce(ones, index, None, dim_size, dim, reduce='sum')
        exponent = torch.as_tensor(self.y, device=x.device).sigmoid()
        return (out * size.pow(exponent.to(wide))).to(x.dtype)


class SoftmaxSumAggregation(_DegreeScaled, SoftmaxAggregation):
    r"""The softmax-sum aggregation of the `"DeeperGCN: All You Need to Train
    Deeper GCNs" <https://arxiv.org/abs/2006.07739>`_ paper: that of
    :class:`torch_geometric.nn.aggr.SoftmaxAggregation` times a power of the
    number of elements,

    .. math::
        \mathrm{softmax\_sum}(\mathcal{X}|t, y) = |\mathcal{X}|^{\sigma(y)}
        \cdot \mathrm{softmax}(\mathcal{X}|t)

    which lies between the mean and the sum, and is zero for an empty group.

    Args:
        t (float, optional): Initial inverse temperature. (default:
            :obj:`1.0`)
        y (float, optional): Initial :math:`y`; :math:`\sigma(y)` is the
            exponent. (default: :obj:`0.0`)
        learn_y (bool, optional): If set to :obj:`True`, :math:`y` is learned.
            (default: :obj:`False`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.aggr.SoftmaxAggregation`.

    Raises:
        ValueError: If there is not one group for each element, or one beyond
            :obj:`dim_size`.

    Shapes:
        - **input:** elements :math:`(E, F)`, groups :math:`(E)`
        - **output:** groups' features :math:`(N, F)`
    """

    def __init__(
        self, t: float = 1.0, y: float = 0.0, learn_y: bool = False, **kwargs
    ):
        super().__init__(t, **kwargs)
        self._set_exponent(y, learn_y)


class PowerSumAggregation(_DegreeScaled, PowerMeanAggregation):
    r"""The power-sum aggregation of the `"DeeperGCN: All You Need to Train
    Deeper GCNs" <https://arxiv.org/abs/2006.07739>`_ paper: that of
    :class:`torch_geometric.nn.aggr.PowerMeanAggregation` times a power of the
    number of elements,

    .. math::
        \mathrm{power\_sum}(\mathcal{X}|p, y) = |\mathcal{X}|^{\sigma(y)}
        \cdot \mathrm{powermean}(\mathcal{X}|p)

    which lies between the mean and the sum, and is zero for an empty group.
    Unless :math:`p` is a constant one, values and the mean of their powers
    are clamped to :math:`[10^{-4}, 100]`, as in PyG, so that negative values
    count as almost zero.

    Args:
        p (float, optional): Initial power, not zero. (default: :obj:`1.0`)
        y (float, optional): Initial :math:`y`; :math:`\sigma(y)` is the
            exponent. (default: :obj:`0.0`)
        learn_y (bool, optional): If set to :obj:`True`, :math:`y` is learned.
            (default: :obj:`False`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.aggr.PowerMeanAggregation`.

    Raises:
        ValueError: If :obj:`p` is zero or not finite, or if groups are not
            given as in :class:`SoftmaxSumAggregation`.

    Shapes:
        - **input:** elements :math:`(E, F)`, groups :math:`(E)`
        - **output:** groups' features :math:`(N, F)`
    """

    def __init__(
        self, p: float = 1.0, y: float = 0.0, learn_y: bool = False, **kwargs
    ):
        if p == 0.0 or not math.isfinite(p):
            raise ValueError(f'p must be finite and not zero (got {p})')
        super().__init__(p, **kwargs)
        self._set_exponent(y, learn_y)
