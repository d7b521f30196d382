"""The code of what a user brings: found by name, and known by its content."""

import hashlib
import importlib
import importlib.util
import inspect
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle

from ..errors import UsageError, reason

PACKAGES = ('pyg_ext', __package__.partition('.')[0])  # ours
INSTALLED = [
    Path(sysconfig.get_path(name)).resolve()
    for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')
]
PLAIN = (bool, int, float, complex, str, bytes, type(None))


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
    module = _run(Path(place)) if place.endswith('.py') else _import(place)
    if not hasattr(module, name):
        there = [n for n, v in vars(module).items() if is_own(v)]
        raise UsageError(
            f'{place} has no {name!r}: it has {", ".join(there) or "nothing"}'
        )
    return getattr(module, name)


def _run(file: Path) -> types.ModuleType:
    file = file.expanduser().resolve()
    if not file.is_file():
        raise UsageError(f'there is no file {file}')
    known = [
        m
        for m in sys.modules.values()
        if getattr(m, '__file__', 0) == str(file)
    ]
    if known:
        return known[0]
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


def _import(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever the module does
        raise UsageError(_cannot(name, error)) from error


def _cannot(place: object, error: Exception) -> str:
    return f'{place} cannot be run: {type(error).__name__}: {reason(error)}'


def is_own(thing: Any) -> bool:
    """Whether a class, function or module is a user's, and none of a library
    that is installed.
    """
    name = getattr(thing, '__module__', None)
    if inspect.ismodule(thing):
        name = thing.__name__
    elif not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return False
    if not isinstance(name, str) or name.partition('.')[0] in PACKAGES:
        return False
    file = getattr(sys.modules.get(name), '__file__', None)
    if file is None:  # a notebook, a shell, or built in
        return name == '__main__' or name not in sys.builtin_module_names
    place = Path(file).resolve()
    return not any(place.is_relative_to(folder) for folder in INSTALLED)


def digest(thing: Any) -> str:
    """A short name of the source of a class or function and of all that it
    uses of the user's own: functions, classes, modules and constants.
    """
    out = hashlib.sha1()
    for text in sorted(_sources(thing, {})):
        out.update(text.encode('utf-8', 'surrogatepass') + b'\0')
    return out.hexdigest()[:12]


def by_value(thing: Any) -> None:
    """Lets other processes get the code as it is here, not as their own
    import would find it.
    """
    module = sys.modules.get(getattr(thing, '__module__', None))
    if module is None or module.__name__ == '__main__' or not is_own(thing):
        return
    cloudpickle.register_pickle_by_value(module)


def _sources(thing: Any, seen: dict[int, Any]) -> Iterator[str]:
    if id(thing) in seen:
        return
    seen[id(thing)] = thing
    if isinstance(thing, PLAIN):
        yield repr(thing)
    elif isinstance(thing, (list, tuple, set, frozenset)):
        for item in thing:
            yield from _sources(item, seen)
    elif isinstance(thing, dict):
        for item in [*thing, *thing.values()]:
            yield from _sources(item, seen)
    elif inspect.ismodule(thing):
        if is_own(thing):
            yield _text(thing) or thing.__name__
    elif isinstance(thing, partial):
        yield from _sources((thing.func, thing.args, thing.keywords), seen)
    elif is_own(thing):
        yield from _own(thing, seen)
    elif not callable(thing):
        yield from _sources(type(thing), seen)


def _own(thing: Any, seen: dict[int, Any]) -> Iterator[str]:
    if inspect.isclass(thing):
        text = _text(thing)
        yield text or thing.__qualname__
        for base in thing.__mro__[1:]:
            yield from _sources(base, seen)
        for name, value in vars(thing).items():
            value = inspect.unwrap(getattr(value, '__func__', value))
            value = getattr(value, 'fget', value)
            if isinstance(value, types.FunctionType):
                yield from _function(value, seen, source=text is None)
            elif not name.startswith('__'):
                yield from _sources(value, seen)
        return
    yield from _function(thing, seen)


def _function(
    function: Callable[..., Any], seen: dict[int, Any], source: bool = True
) -> Iterator[str]:
    code = function.__code__
    if source:
        yield _text(function) or repr((code.co_code, code.co_names))
    for name in _names(code):
        if name in function.__globals__:
            yield from _sources(function.__globals__[name], seen)
    values = (function.__defaults__, function.__kwdefaults__)
    yield from _sources(values, seen)
    for cell in function.__closure__ or ():
        try:
            yield from _sources(cell.cell_contents, seen)
        except ValueError:  # it is empty
            continue


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _text(thing: Any) -> str | None:
    """Its source, where that can be had: not of a shell."""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return None
