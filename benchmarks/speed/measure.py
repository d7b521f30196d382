import math
import statistics
import time
from collections.abc import Callable

import torch

from ..runs import processes


def interleave(
    functions: dict[str, Callable[[], object]], repeats: int, warm: int = 2
) -> dict[str, float]:
    """Median seconds of each function, called in turns after warm-ups.

    Turns spread whatever else the machine does over all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(repeats + warm):
        for name, function in functions.items():
            _wait()
            start = time.perf_counter()
            function()
            _wait()
            if turn >= warm:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(s) for name, s in seconds.items()}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_mb(device: str) -> float:
    """Peak memory so far: of the device, or resident of the process; NaN
    where the system does not tell.
    """
    if device.startswith('cuda'):
        return torch.cuda.max_memory_allocated() / 2**20
    own = processes.peak_mb()
    return math.nan if own is None else own
