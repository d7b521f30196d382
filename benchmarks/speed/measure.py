import math
import statistics
import time
from collections.abc import Callable

import torch

from .. import environment

QUICK, SLOW = 0.1, 10.0  # seconds


def interleave(
    functions: dict[str, Callable[[], object]], repeats: int, warm: int = 2
) -> dict[str, float]:
    """Median seconds of each function, called in turns after warm-ups.

    Turns spread whatever else the machine does over all of them. What takes
    less than a tenth of a second is called twice in its turn, and the second
    time counts: a loop of its own would find its data in the cache, and not
    those of the others. What takes more than ten seconds is called in two
    turns alone; in the first one it may have been compiled.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    left = dict(functions)
    for turn in range(repeats + warm):
        for name, function in [*left.items()]:
            taken = _seconds(function)
            if taken < QUICK:
                taken = _seconds(function)
            last = turn > 0 and taken > SLOW
            if last:
                del left[name]
            if last or turn >= warm:
                seconds[name].append(taken)
    return {name: statistics.median(s) for name, s in seconds.items()}


def _seconds(function: Callable[[], object]) -> float:
    wait()
    start = time.perf_counter()
    function()
    wait()
    return time.perf_counter() - start


def wait() -> None:
    """For what a GPU still does."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_mb(device: str) -> float:
    """Peak memory so far; NaN where the system does not tell."""
    peak = environment.peak_mb(device)
    return math.nan if peak is None else peak
