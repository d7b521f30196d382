from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch


def in_threads(
    kernel: Callable[..., None],
    shared: tuple[np.ndarray, ...],
    rest: tuple,
    most: int | None = None,
) -> None:
    """Calls a compiled loop in threads that share the rows of some arrays.

    Args:
        kernel: The loop.
        shared: The arrays of which it gets rows.
        rest: Its further arguments.
        most: The most rows of a call; an interruption waits for no more.
    """
    size = len(shared[0])
    threads = max(min(torch.get_num_threads(), size), 1)
    parts = threads if most is None else max(threads, -(-size // most))
    ends = [size * i // parts for i in range(parts + 1)]
    calls = [
        [*(array[start:stop] for array in shared), *rest]
        for start, stop in pairwise(ends)
    ]
    if parts == 1:
        kernel(*calls[0])
        return
    for _ in in_order(lambda arguments: kernel(*arguments), calls, threads):
        pass


def in_order(
    call: Callable[[Any], Any],
    parts: list,
    threads: int,
    stop: np.ndarray | None = None,
) -> Iterator[Any]:
    """Yields the results of calls in threads, in order.

    Whoever wants no more of them, such as after an interruption, waits for
    the calls that run, which ``stop[0]`` tells, and for no others.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(call, parts)
    finally:
        if stop is not None:
            stop[0] = True
        pool.shutdown(cancel_futures=True)
