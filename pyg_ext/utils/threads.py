from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch


def in_threads(
    kernel: Callable[..., None], shared: tuple[np.ndarray, ...], rest: tuple
) -> None:
    """Calls a compiled loop in threads that share the rows of some arrays."""
    size = len(shared[0])
    parts = max(min(torch.get_num_threads(), size), 1)
    ends = [size * i // parts for i in range(parts + 1)]
    calls = [
        [*(array[start:stop] for array in shared), *rest]
        for start, stop in pairwise(ends)
    ]
    if parts == 1:
        kernel(*calls[0])
        return
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(lambda arguments: kernel(*arguments), calls))
