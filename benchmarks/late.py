"""What is imported when it is used, and not when its name is read."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

Place = str | Callable[..., Any]  # MODULE:NAME, or the function itself


def find(place: Place) -> Callable[..., Any]:
    """The function or class of a place, imported now; a module that begins
    with a dot is one of this package.
    """
    if not isinstance(place, str):
        return place
    module, _, name = place.partition(':')
    return getattr(import_module(module, __package__), name)


def call(place: Place, *args: Any, **kwargs: Any) -> Any:
    """What the function of a place gives."""
    return find(place)(*args, **kwargs)
