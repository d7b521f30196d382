import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from pyg_ext.utils.checks import check_probability

_LEVELS = 2**16  # a mask entry is drawn as one 16-bit integer


def dropout(
    x: Tensor,
    p: float = 0.5,
    training: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Dropout from the `"Dropout: A Simple Way to Prevent Neural Networks
    from Overfitting" <https://jmlr.org/papers/v15/srivastava14a.html>`_
    paper, without the serial random numbers of
    :func:`torch.nn.functional.dropout` on the CPU.

    PyTorch draws each entry of a CPU mask by itself, which costs more than
    the matrix product of a usual graph layer.
    Here one 64-bit random integer decides over four entries. The probability
    to keep an entry is therefore rounded to a multiple of :math:`2^{-16}`;
    the entries that stay are scaled by the inverse of the rounded value, so
    that the expectation is exactly :obj:`x`.
    On other devices this calls :func:`torch.nn.functional.dropout` unless a
    generator is given.

    Args:
        x (torch.Tensor): The input, dense or a
            :class:`~pyg_ext.utils.CSRTensor`, of which only the stored
            entries are dropped.
        p (float, optional): Probability of an entry to become zero, in
            :math:`[0, 1]`. (default: :obj:`0.5`)
        training (bool, optional): If set to :obj:`False`, returns :obj:`x`
            as it is. (default: :obj:`True`)
        generator (torch.Generator, optional): Source of randomness, on the
            device of :obj:`x`. (default: :obj:`None`)

    Raises:
        ValueError: If :obj:`p` is outside :math:`[0, 1]`, or if :obj:`x` is
            not floating point or of another sparse kind.

    Shapes:
        - **input:** any shape :math:`(*)`, floating point
        - **output:** the same shape :math:`(*)`
    """
    check_probability('p', p)
    if not isinstance(x, Tensor):
        raise ValueError(f'x must be a tensor (got {type(x).__name__})')
    if not x.is_floating_point():
        raise ValueError(f'dropout needs floating point input (got {x.dtype})')
    if not training or p == 0.0:
        return x
    if has_torch_function_unary(x):
        return handle_torch_function(dropout, (x,), x, p, True, generator)
    if x.layout != torch.strided:
        raise ValueError(
            f'dropout needs a dense tensor or a CSRTensor (got {x.layout})'
        )
    if x.device.type != 'cpu' and generator is None:
        return F.dropout(x, p)

    keep = round((1.0 - p) * _LEVELS)
    lanes = torch.empty(-(-x.numel() // 4), dtype=torch.long, device=x.device)
    lanes.random_(-(2**63), None, generator=generator)
    lanes = lanes.view(torch.int16)[: x.numel()].view(x.shape)
    # An in-place comparison of floats is the one that PyTorch vectorizes:
    mask = lanes.to(torch.float).lt_(keep - _LEVELS // 2)
    scale = _LEVELS / max(keep, 1)
    if x.dtype.itemsize < 4:  # a half type would round the scale
        return x * mask.to(x.dtype) * scale
    return x * mask.mul_(scale).to(x.dtype)
