from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import is_
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.nn.parameter import is_lazy

_MISSING = object()

Entry = tuple[dict[str, Any], str, Any]  # a dictionary, a key and its value


def version_of(tensor: Tensor) -> int:
    """Counts changes in place; inference tensors do not."""
    return 0 if tensor.is_inference() else tensor._version


def copy_of(tensor: Tensor, requires_grad: bool = False) -> Tensor:
    """A leaf of autograd with the values of a tensor; one that requires
    gradients shares its memory.
    """
    out = tensor.detach() if requires_grad else tensor.clone()
    if isinstance(tensor, Parameter):
        return Parameter(out, requires_grad)
    return out.requires_grad_(requires_grad)


def _set(entries: dict[str, Any], key: str, value: Any) -> None:
    if value is _MISSING:
        entries.pop(key, None)
    else:
        entries[key] = value


class Contents:
    """The parameters, buffers and attributes of a module and of all modules
    in it: to see what a call changes, and to call it again with what was
    there before, without a trace.
    """

    def __init__(self, module: Module):
        self.modules = list(module.modules())
        self.training = [m.training for m in self.modules]
        self.parameters: list[Entry] = []  # and others that learn
        self._dicts: list[dict[str, Any]] = []
        self._constants: list[tuple[dict[str, Any], str]] = []
        for m in self.modules:
            if isinstance(m, torch.jit.ScriptModule):
                raise RuntimeError(
                    'a scripted module cannot stand in a reversible stack: '
                    'compile it, or set enabled=False'
                )
            is_replica = getattr(m, '_is_replica', False)  # of DataParallel
            for entries in (m._parameters, m._buffers, vars(m)):
                self._dicts.append(entries)
                for key, value in entries.items():
                    if not isinstance(value, Tensor):
                        continue
                    if is_lazy(value):
                        raise RuntimeError(
                            f'{key} in a reversible stack has no shape yet: '
                            f'call the stack once under torch.no_grad() first'
                        )
                    if entries is m._parameters or (
                        value.requires_grad and (value.is_leaf or is_replica)
                    ):
                        self.parameters.append((entries, key, value))
                    if not value.requires_grad:
                        self._constants.append((entries, key))

    def _copied(self) -> list[tuple[Entry, int, Tensor]]:
        """Entries that a call may change in place, versions and copies."""
        return [
            ((entries, key, tensor), version_of(tensor), copy_of(tensor))
            for entries, key in self._constants
            if isinstance(tensor := entries.get(key), Tensor)
            and tensor.layout == torch.strided
        ]

    def _changes(self, before: list[dict[str, Any]]) -> list[Entry]:
        """What was there before where now there is something else."""
        return [
            (entries, key, old.get(key, _MISSING))
            for entries, old in zip(self._dicts, before, strict=True)
            if len(entries) != len(old)
            or not all(map(is_, entries.values(), old.values()))
            for key in {**old, **entries}
            if entries.get(key, _MISSING) is not old.get(key, _MISSING)
        ]

    @contextmanager
    def recorded(self) -> Iterator[list[Entry]]:
        """Yields a list, which in the end holds what a call has changed, as
        it was before.
        """
        before = [entries.copy() for entries in self._dicts]
        copied = self._copied()
        changes: list[Entry] = []
        yield changes
        changes += self._changes(before)
        changes += [
            (entries, key, copy)
            for (entries, key, tensor), version, copy in copied
            if version_of(tensor) != version
        ]

    @contextmanager
    def restored(self, past: Mapping[int, dict[str, Any]]) -> Iterator[None]:
        """Puts back the parameters, and entries by the id of their
        dictionary, for a call that leaves no trace.
        """
        now = [entries.copy() for entries in self._dicts]
        for entry in self.parameters:
            _set(*entry)
        for entries in self._dicts:
            for key, value in past.get(id(entries), {}).items():
                _set(entries, key, value)
        for (entries, key, _), _, copy in self._copied():
            entries[key] = copy
        try:
            yield
        finally:
            for entry in self._changes(now):
                _set(*entry)
