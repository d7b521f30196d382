import torch
from torch import Tensor


def mix(x: Tensor, other: Tensor, share: float | Tensor) -> Tensor:
    """The sum of ``(1 - share) * x`` and ``share * other``, in the wider of
    their types, which may differ under autocast.
    """
    dtype = torch.promote_types(x.dtype, other.dtype)
    if isinstance(share, Tensor):
        share = share.to(dtype)
    return torch.lerp(x.to(dtype), other.to(dtype), share)
