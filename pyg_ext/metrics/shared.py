"""What measures of the same features compute alike, computed once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

Memo = dict[tuple, tuple[Any, tuple]]
MEMO: ContextVar[Memo | None] = ContextVar('memo', default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Within it, a function that is :func:`shared` is computed once for the
    same tensors, which must not change.
    """
    token = MEMO.set({})
    try:
        yield
    finally:
        MEMO.reset(token)


def shared(function: Callable) -> Callable:
    """A function whose value is kept within :func:`sharing`."""

    @wraps(function)
    def call(*args: Any) -> Any:
        memo = MEMO.get()
        if memo is None:
            return function(*args)
        key = function, *(_known_by(arg) for arg in args)
        if key not in memo:
            memo[key] = function(*args), args  # so that no id is of two
        return memo[key][0]

    return call


def _known_by(arg: Any) -> Any:
    """Tensors and matrices by what they are, and not by their values."""
    return arg if isinstance(arg, (int, str, type(None))) else id(arg)
