"""Data that a text names: files, functions, and datasets of PyG."""

import os
from pathlib import Path
from typing import Any

from ..errors import UsageError


def is_source(text: str) -> bool:
    """Whether a text names data that are not in the registry."""
    return (
        ':' in text
        or os.sep in text
        or Path(text).suffix != ''
        or Path(text).exists()
    )


def read(text: str, root: str | Path | None) -> tuple[Any, str, str]:
    """Reads what a text names.

    Returns:
        A ``Data``, many of them or a dataset of PyG; a name; and what it is,
        in words.

    Raises:
        UsageError: If there is no such thing, or it cannot be read.
    """
    raise UsageError(f'{text} is no source of data')
