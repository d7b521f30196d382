"""The code of what a user brings: found by name, and known by its content."""

import dis
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import torch

from ..code import load

PACKAGES = ('pyg_ext', __package__.partition('.')[0])  # ours
INSTALLED = [
    Path(sysconfig.get_path(name)).resolve()
    for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')
]
PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))
GENERATED = ('propagate', 'edge_updater')  # methods of layers, by PyG
ADDRESS = re.compile(r' at 0x[0-9a-fA-F]+')


def is_own(thing: Any) -> bool:
    """Whether a class, function or module is a user's, and none of a library
    that is installed.
    """
    name = getattr(thing, '__module__', None) or 'builtins'
    if inspect.ismodule(thing):
        name = thing.__name__
    elif not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return False
    if not isinstance(name, str) or name.partition('.')[0] in PACKAGES:
        return False
    if name == 'builtins':  # or run by exec, without the name of a module
        return inspect.isfunction(thing) or '__module__' in vars(thing)
    file = getattr(sys.modules.get(name), '__file__', None)
    if file is None:  # a notebook, a shell, or built in
        return name == '__main__' or name not in sys.builtin_module_names
    return not _is_installed(file)


def _is_installed(file: str) -> bool:
    place = Path(file).resolve()
    return any(place.is_relative_to(folder) for folder in INSTALLED)


class Source:
    """What a class or function is made of, down to where libraries begin: its
    code as this process runs it, and that of all functions, classes and own
    modules that it uses, with the values of constants, defaults and closures.
    Comments, layout and the place of a definition do not count.

    Args:
        thing: A class, a function, or another callable.
    """

    def __init__(self, thing: Any):
        self.modules: set[str] = set()  # where own definitions stand
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no id is of two things
        self._path: list[int] = []
        self._texts: list[str] = []
        self._texts.append(self._value(thing))

    def digest(self) -> str:
        """A short name of it, the same in each process."""
        text = '\0'.join(self._texts)
        return hashlib.sha1(text.encode('utf-8', 'surrogatepass')).hexdigest()[
            :12
        ]

    def _value(self, thing: Any, names: Set[str] = frozenset()) -> str:
        """A value in words; of a module, the names that are used."""
        if isinstance(thing, PLAIN) and type(thing) in PLAIN:
            return repr(thing)
        if inspect.ismodule(thing):
            known = vars(thing) if is_own(thing) else {}
            return f'{thing.__name__} {self._found(known, names)}'
        if isinstance(thing, types.FunctionType | type):
            return self._definition(thing)
        if isinstance(thing, types.MethodType):
            return self._value((thing.__func__, thing.__self__))
        if id(thing) in self._path:
            return f'itself {len(self._path) - self._path.index(id(thing))}'
        self._kept.append(thing)
        self._path.append(id(thing))
        text = f'{self._value(type(thing))}({self._content(thing)})'
        self._path.pop()
        return text

    def _content(self, thing: Any) -> str:
        if isinstance(thing, list | tuple):
            return ', '.join(map(self._value, thing))
        if isinstance(thing, set | frozenset):
            return ', '.join(map(self._value, sorted(thing, key=_name)))
        if isinstance(thing, dict):
            return ', '.join(map(self._value, thing.items()))
        if isinstance(thing, np.ndarray | torch.Tensor):
            return _numbers(thing)
        if isinstance(thing, types.CodeType):
            return self._code(thing)
        if isinstance(thing, torch.nn.Module):
            return self._value(vars(thing))
        if isinstance(thing, partial):
            return self._value((thing.func, thing.args, thing.keywords))
        wrapped = getattr(thing, '__wrapped__', None)  # as in a cache
        if wrapped is not None:
            return self._value(wrapped)
        if is_own(type(thing)):
            return self._value(_state(thing))
        return ADDRESS.sub('', repr(thing))

    def _found(self, known: Mapping[str, Any], names: Iterable[str]) -> str:
        texts = []
        for name in sorted(names):
            value, known_here = None, known
            for part in name.split('.'):
                if part not in known_here:
                    break
                value, known_here = known_here[part], {}
                if inspect.ismodule(value) and is_own(value):
                    known_here = vars(value)
            if value is not None:
                texts.append(f'{name}={self._value(value)}')
        return ', '.join(texts)

    def _definition(self, thing: Any) -> str:
        """Its number; what it is stands once, however often it is used."""
        if not is_own(thing):
            return f'{thing.__module__}.{thing.__qualname__}'
        if id(thing) not in self._numbers:
            number = self._numbers[id(thing)] = len(self._numbers)
            self._kept.append(thing)
            self.modules.add(thing.__module__)
            parts = self._class if inspect.isclass(thing) else self._function
            self._texts.append(f'{number}: {"; ".join(parts(thing))}')
        return f'{thing.__name__} {self._numbers[id(thing)]}'

    def _class(self, thing: type) -> Iterator[str]:
        yield ', '.join(map(self._value, thing.__mro__[1:]))
        for name, value in sorted(_as_written(thing).items()):
            if isinstance(value, property):
                value = value.fget, value.fset
            elif isinstance(value, cached_property):
                value = value.func
            value = getattr(value, '__func__', value)  # of class and static
            if not name.startswith('__') or inspect.isfunction(value):
                yield f'{name}={self._value(value)}'

    def _function(self, function: types.FunctionType) -> Iterator[str]:
        code, known = function.__code__, function.__globals__
        attributes = {*_names(code)}
        yield self._code(code)
        yield self._found(known, {*_variables(code)})
        for module in _imported(code, known.get('__package__')):
            yield self._value(module, attributes)
        yield self._value(function.__defaults__)
        yield self._value(function.__kwdefaults__)
        for cell in function.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:  # it is empty
                continue
            yield self._value(content, attributes)

    def _code(self, code: types.CodeType) -> str:
        return self._value(
            (
                code.co_code,
                code.co_consts,
                code.co_names,
                (*code.co_varnames, *code.co_freevars, *code.co_cellvars),
                (code.co_argcount, code.co_kwonlyargcount, code.co_flags),
                getattr(code, 'co_exceptiontable', b''),
            )
        )


def by_value(modules: Iterable[str]) -> None:
    """Lets other processes get the code of modules as it is here, not as
    their own import would find it.
    """
    for name in {*modules} - {'__main__', 'builtins'}:
        if name in sys.modules:
            cloudpickle.register_pickle_by_value(sys.modules[name])


def generated_by_value() -> None:
    """Lets other processes get the code that PyG has generated here for a
    user's layers, in modules that they cannot import.
    """
    for name, module in [*sys.modules.items()]:
        if name.endswith(tuple(f'_{method}' for method in GENERATED)):
            cloudpickle.register_pickle_by_value(module)


def _as_written(thing: type) -> dict[str, Any]:
    """The attributes of a class as it was defined, without the code that PyG
    puts in place of some methods when a layer is first made.
    """
    place = f'{thing.__module__}_{thing.__name__}'
    modules = {f'{place}_{name}' for name in GENERATED}
    found = {
        name: value
        for name, value in vars(thing).items()
        if getattr(value, '__module__', None) not in modules
    }
    for name in GENERATED:
        found.pop(f'_jinja_{name}', None)
        first = found.pop(f'_orig_{name}', None)
        if first is not None:
            found.pop(name, None)
            if first.__qualname__ == f'{thing.__qualname__}.{name}':
                found[name] = first  # and not inherited
    return found


def _name(thing: Any) -> str:
    return getattr(thing, '__qualname__', None) or repr(thing)


def _state(thing: Any) -> Any:
    """What tells an object of a user's class from others of it."""
    try:
        return thing.__reduce_ex__(4)[1:]
    except TypeError:  # it cannot be copied
        return getattr(thing, '__dict__', None)


def _numbers(values: np.ndarray | torch.Tensor) -> str:
    try:
        array = torch.as_tensor(values).detach().cpu().contiguous()
        content = array.view(-1).view(torch.uint8).numpy().data
    except (RuntimeError, TypeError):  # of another layout, or of no numbers
        return repr(values)
    found = hashlib.sha1(content).hexdigest()
    return f'{values.dtype} {[*values.shape]} {found}'


def _all(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code of a function, and of those that stand in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _all(constant)


def _variables(code: types.CodeType) -> Iterator[str]:
    """The global names in a function, with attributes behind: ``a.b.c``."""
    for part in _all(code):
        name = ''
        for step in dis.get_instructions(part):
            if step.opname in ('LOAD_GLOBAL', 'LOAD_NAME'):
                name = step.argval
            elif name and step.opname in ('LOAD_ATTR', 'LOAD_METHOD'):
                name = f'{name}.{step.argval}'
            else:
                name = ''
            if name:
                yield name


def _names(code: types.CodeType) -> Iterator[str]:
    """All names of variables and attributes in a function."""
    for part in _all(code):
        yield from part.co_names


def _imported(
    code: types.CodeType, package: str | None
) -> Iterator[types.ModuleType]:
    """A user's modules that a function imports itself."""
    for part in _all(code):
        steps = [*dis.get_instructions(part)]
        for before, step in zip(steps, steps[2:], strict=False):
            if step.opname != 'IMPORT_NAME':
                continue
            name = '.' * before.argval + step.argval  # its level is ahead
            name = importlib.util.resolve_name(name, package)
            found = importlib.util.find_spec(name.partition('.')[0])
            if found is None or not found.has_location:
                continue
            if not _is_installed(found.origin):
                yield load(name)
