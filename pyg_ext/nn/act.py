from collections.abc import Callable
from typing import Any

from torch_geometric.nn.resolver import activation_resolver


def make_act(act: str | Callable | None, **kwargs: Any) -> Callable | None:
    """Returns an activation by its name, as in PyG, or its class; a module or
    a function is taken as it is.

    Args:
        act: One of these, or :obj:`None` for none.
        **kwargs: Arguments for the name or the class.

    Raises:
        ValueError: On an unknown name, or arguments for something else.
    """
    if isinstance(act, str):
        return activation_resolver(act, **kwargs)
    if isinstance(act, type):
        return act(**kwargs)
    if kwargs:
        raise ValueError(
            f'act_kwargs need an act by its name or class (got {kwargs} for '
            f'{act!r})'
        )
    return act
