"""What other packages bring, by their entry points."""

from importlib.metadata import entry_points
from typing import Any

from .errors import UsageError, reason


def names(kind: str) -> list[str]:
    """The names of what packages bring of a kind, such as ``datasets``."""
    return sorted(entry_points(group=f'pyg_ext.{kind}').names)


def load(kind: str, name: str) -> Any:
    """What a package brings under a name; none if no package does.

    Raises:
        UsageError: If it cannot be loaded.
    """
    for point in entry_points(group=f'pyg_ext.{kind}', name=name):
        try:
            return point.load()
        except Exception as error:  # whatever the package raises
            raise UsageError(
                f'{name} of {point.value} cannot be loaded: {reason(error)}'
            ) from error
    return None
