import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any


def renamed(old: str, new: str) -> Callable[[Callable], Callable]:
    """Takes an argument of a function by its old name too, and warns."""

    def decorate(function: Callable) -> Callable:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if old in kwargs:
                text = f'{old} is {new} now: the old name will go'
                warnings.warn(text, DeprecationWarning, stacklevel=2)
                if new in kwargs:
                    raise ValueError(f'{new} and {old} are one (got both)')
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper

    return decorate
