from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from threading import Event, Semaphore
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


@contextmanager
def workers(
    threads: int,
) -> Iterator[Callable[[Callable[[Any], None], Iterable], None]]:
    """Gives a function that calls another one with each of some items, in
    threads that PyTorch computes in by themselves: the threads that it would
    start for a product wait for the next one by spinning, and take their time
    from whatever else runs.

    An interruption waits for the calls that run.
    """
    if threads == 1:
        yield lambda call, items: _all(map(call, items))
        return
    usual = torch.get_num_threads()
    ready, go = Semaphore(0), Event()

    def start() -> None:
        torch.get_num_threads()  # else the first operation sets it anew
        torch.set_num_threads(1)  # of this thread, and of those to come
        ready.release()
        go.wait()

    pool = ThreadPoolExecutor(threads, initializer=start)
    try:
        for _ in range(threads):
            pool.submit(int)  # starts a thread, since none is ready
        for _ in range(threads):
            ready.acquire()
        torch.set_num_threads(usual)
        go.set()
        inference = torch.is_inference_mode_enabled()

        def alike(call: Callable[[Any], None], item: Any) -> None:
            with torch.inference_mode(inference):
                call(item)

        yield lambda call, items: _all(pool.map(partial(alike, call), items))
    finally:
        torch.set_num_threads(usual)
        go.set()
        pool.shutdown(cancel_futures=True)


def _all(results: Iterable[None]) -> None:
    deque(results, maxlen=0)
