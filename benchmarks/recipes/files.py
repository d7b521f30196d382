"""The files of built-in presets and search spaces."""

from pathlib import Path
from typing import Any

from ..values import read_file

PRESETS = Path(__file__).with_name('presets')
SPACES = Path(__file__).with_name('spaces')


def names(folder: Path) -> list[str]:
    """The names of all files of a folder."""
    return sorted(path.stem for path in folder.glob('*.yaml'))


def contents(folder: Path) -> dict[str, dict[str, Any]]:
    """What each file of a folder holds, by its name, as it stands there."""
    return {n: read_file(folder / f'{n}.yaml') for n in names(folder)}
