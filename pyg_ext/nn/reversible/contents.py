from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import is_
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.nn.parameter import is_lazy

_MISSING = object()

Entry = tuple[dict[str, Any], str, Any]  # a value, and where it is


def versions_of(tensors: Sequence[Tensor]) -> list[int]:
    """Counts of changes in place; inference tensors do not keep one."""
    return [0 if t.is_inference() else t._version for t in tensors]


def put(place: dict[str, Any], key: str, value: Any) -> Any:
    """Sets an entry, or takes it away; returns what was there."""
    now = place.get(key, _MISSING)
    if value is not _MISSING:
        place[key] = value
    elif now is not _MISSING:
        del place[key]
    return now


def _clone(tensor: Tensor) -> Tensor:
    out = tensor.clone()
    is_parameter = isinstance(tensor, Parameter)
    return Parameter(out, requires_grad=False) if is_parameter else out


class Contents:
    """Where a module, and each one in it, keeps its parameters, buffers and
    attributes: to see what a call changes, and to call it again with what was
    there before, without a trace.

    Attributes:
        held: The parameters, and other tensors that require gradients.

    Raises:
        RuntimeError: If a parameter has no shape yet, or a module is a
            scripted one.
    """

    def __init__(self, module: Module):
        self.places: list[dict[str, Any]] = []
        self.held: list[Entry] = []
        self.loose: list[tuple[dict[str, Any], str]] = []  # other tensors
        self.modules = list(module.modules())
        for m in self.modules:
            if isinstance(m, torch.jit.ScriptModule):
                raise RuntimeError(
                    'a scripted module cannot stand in a reversible stack, '
                    'which puts other tensors into it: compile it, or set '
                    'enabled=False'
                )
            places = (m._parameters, m._buffers, vars(m))
            self.places += places
            inner = getattr(m, '_is_replica', False)  # of DataParallel
            for place in places:
                for key, value in place.items():
                    if not isinstance(value, Tensor):
                        continue
                    if is_lazy(value):
                        raise RuntimeError(
                            f'{key} in a reversible stack has no shape yet: '
                            f'call the stack once under torch.no_grad() first'
                        )
                    if place is m._parameters or (
                        value.requires_grad and (value.is_leaf or inner)
                    ):
                        self.held.append((place, key, value))
                    if not value.requires_grad:
                        self.loose.append((place, key))

    def _tensors(self) -> list[Entry]:
        """The present tensors that a call may change in place."""
        found = [(place, key, place.get(key)) for place, key in self.loose]
        return [
            entry
            for entry in found
            if isinstance(entry[2], Tensor)
            and entry[2].layout == torch.strided
        ]

    def _changed(self, before: list[dict[str, Any]]) -> list[Entry]:
        """What was there before where now there is something else."""
        return [
            (place, key, old.get(key, _MISSING))
            for place, old in zip(self.places, before, strict=True)
            if len(place) != len(old)
            or not all(map(is_, place.values(), old.values()))
            for key in {**old, **place}
            if place.get(key, _MISSING) is not old.get(key, _MISSING)
        ]

    @contextmanager
    def watched(self) -> Iterator[list[Entry]]:
        """Yields a list, which on leaving holds what was there before where
        something changed.
        """
        before = [place.copy() for place in self.places]
        tensors = self._tensors()
        copies = [(*entry[:2], _clone(entry[2])) for entry in tensors]
        tensors = [tensor for *_, tensor in tensors]
        versions = versions_of(tensors)
        changes: list[Entry] = []
        yield changes
        changes += self._changed(before)
        changes += [
            entry
            for entry, old, new in zip(
                copies, versions, versions_of(tensors), strict=True
            )
            if old != new
        ]

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leaves all as it is; what is changed in place is a copy."""
        before = [place.copy() for place in self.places]
        for place, key, tensor in self._tensors():
            place[key] = _clone(tensor)
        try:
            yield
        finally:
            for entry in self._changed(before):
                put(*entry)
