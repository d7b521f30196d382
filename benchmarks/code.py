"""Things of users' code, by their names."""

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

from .errors import UsageError, reason


def find(text: str) -> Any:
    """What ``FILE.py:NAME`` or ``MODULE:NAME`` names.

    Raises:
        UsageError: If there is no such thing, or its module cannot be run.
    """
    place, _, name = text.rpartition(':')
    if not (place and name.isidentifier()):
        raise UsageError(
            f'FILE.py:NAME or MODULE:NAME is meant (got {text!r})'
        )
    module = _run(Path(place)) if place.endswith('.py') else load(place)
    if not hasattr(module, name):
        there = [
            n
            for n, value in vars(module).items()
            if getattr(value, '__module__', None) == module.__name__
        ]
        raise UsageError(
            f'{place} has no {name!r}: it has {", ".join(there) or "nothing"}'
        )
    return getattr(module, name)


def _run(file: Path) -> types.ModuleType:
    file = file.expanduser().resolve()
    if not file.is_file():
        raise UsageError(f'there is no file {file}')
    for module in [*sys.modules.values()]:
        if getattr(module, '__file__', None) == str(file):
            return module
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    beside = sys.path
    sys.path = [str(file.parent), *sys.path]  # as python FILE.py has it
    sys.modules.setdefault(file.stem, module)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the file does
        raise UsageError(_cannot(file, error)) from error
    finally:
        sys.path = beside
    return module


def load(name: str) -> types.ModuleType:
    """A module by its name.

    Raises:
        UsageError: If it cannot be run.
    """
    beside = sys.path
    sys.path = ['', *sys.path]  # as python -m has it
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever the module does
        raise UsageError(_cannot(name, error)) from error
    finally:
        sys.path = beside


def _cannot(place: object, error: Exception) -> str:
    return f'{place} cannot be run: {type(error).__name__}: {reason(error)}'
