"""What users bring gets a name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data

from ..data import datasets, sources, tasks
from ..data import own as own_data
from ..data.graphs import Graphs
from ..errors import UsageError, find_name
from ..methods import own as own_methods
from ..methods import spec
from ..recipes import presets
from ..values import nested

Methods = (
    str | Sequence[str] | Mapping[str, str | Callable[..., torch.nn.Module]]
)
Recipe = str | Path | Mapping[str, Any]


def register_dataset(
    name: str,
    source: own_data.Source,
    split: str | None = None,
    metric: str | None = None,
    root: str | Path | None = None,
    features: str | Path | None = None,
    labels: str | Path | None = None,
) -> None:
    """Makes data known by a name.

    Args:
        name: What rows and tables call them.
        source: As ``data`` of :func:`sweep`.
        split: As there.
        metric: As there.
        root: As there.
        features: As there.
        labels: As there.

    Raises:
        UsageError: As there.
    """
    own_data.register(source, name, split, metric, root, features, labels)


def register_method(name: str, model: Callable[..., torch.nn.Module]) -> None:
    """Makes a network known by a name, also in front of remedies, as in
    ``name+res`` for a subclass of :class:`pyg_ext.nn.ConvStack`.

    Args:
        name: What rows and tables call it.
        model: As in ``methods`` of :func:`sweep`.

    Raises:
        UsageError: If the name belongs to a built-in method, or if the model
            does not take the four sizes.
    """
    own_methods.register(name, model)


def register_preset(recipe: Recipe) -> str:
    """Makes a recipe known, and returns its name.

    Args:
        recipe: As in :func:`sweep`.

    Raises:
        UsageError: If it cannot be read, or has a built-in preset's name.
    """
    return presets.register(recipe)


def load_dataset(
    data: own_data.Source,
    *,
    protocol: str | None = None,
    seed: int = 0,
    split: str | None = None,
    features: str | Path | None = None,
    labels: str | Path | None = None,
    root: str | Path | None = None,
    mirrors: Sequence[str] = (),
    strict: bool = False,
) -> Data | Graphs:
    """Reads data with the split of a seed, as a run sees them.

    Args:
        data: As in :func:`sweep`.
        protocol: One of the dataset's protocols, the first by default.
        seed: Of the split, where the protocol draws one.
        split: As in :func:`sweep`.
        features: As in :func:`sweep`.
        labels: As in :func:`sweep`.
        root: Folder with the data.
        mirrors: Addresses to look for missing files at.
        strict: Whether files must be the published ones.

    Returns:
        A ``Data`` with ``train_mask``, ``val_mask`` and ``test_mask``, or
        many graphs with their split.

    Raises:
        UsageError: If they cannot be read, or are no data to train on.
    """
    name = dataset_name(data, None, split, None, root, features, labels)
    return datasets.load(name, root, protocol, seed, mirrors, strict)


def dataset_name(
    data: own_data.Source,
    name: str | None,
    split: str | None,
    metric: str | None,
    root: str | Path | None,
    features: str | Path | None = None,
    labels: str | Path | None = None,
) -> str:
    """The name of a dataset, which is registered if it is a user's own."""
    if isinstance(data, str) and name is None:
        known = [*datasets.DATASETS, *datasets.REGISTERED]
        near = [known for known in known if known.lower() == data.lower()]
        task = tasks.parse(data)
        if near or task or not sources.is_source(data):
            given = (split, metric, features, labels)
            if any(value is not None for value in given):
                raise UsageError(
                    f'a split and a metric are for your own data, as are '
                    f'features and labels, and {data} has its own'
                )
            if task:
                return tasks.full_name(*task)
            return find_name('dataset', data, known)
        first, _, options = data.partition(':')
        if '=' in options and first.lower() in map(str.lower, known):
            raise UsageError(f'{first} has no options (got {options})')
    return own_data.register(data, name, split, metric, root, features, labels)


def preset_name(recipe: Recipe | None, dataset: str) -> str:
    """The name of a preset, which is registered if it is a user's own."""
    if recipe is None:
        return presets.usual(datasets.find(dataset))
    return presets.register(recipe)


def method_names(methods: Methods) -> list[str]:
    """Specification strings of what is asked for, each once.

    Raises:
        UsageError: If there is no such method, or if it has another name in
            tables than the one given.
    """
    if isinstance(methods, str):
        methods = spec.expand(methods)
    if isinstance(methods, Mapping):
        letters = [str(name).lower() for name in methods]
        for name in methods:
            if letters.count(str(name).lower()) > 1:
                raise UsageError(f'two methods are called {name!r}')
        methods = [_named(name, what) for name, what in methods.items()]
    elif not isinstance(methods, Iterable) or not all(
        isinstance(text, str) for text in methods
    ):
        raise UsageError(
            f"methods must be specification strings such as 'gcn+res', or "
            f"names with networks, as in {{'mine': MyNet}} (got {methods!r})"
        )
    return [*dict.fromkeys(spec.parse(text).name for text in methods)]


def _named(name: str, what: str | Callable[..., torch.nn.Module]) -> str:
    if not isinstance(what, str):
        own_methods.register(name, what)
        return name
    if ':' in what and '=' not in what:  # of a file or module
        what = f'{name}={what}'
    called = spec.parse(what).name
    if str(name).lower() not in (called.lower(), what.lower()):
        raise UsageError(
            f'{name!r} cannot stand for {what!r}: tables call it {called!r}'
        )
    return called


def whole_numbers(
    what: str, given: int | Iterable[int], least: int, limit: int
) -> list[int]:
    """The numbers, each once.

    Raises:
        UsageError: If they are not whole, or not in ``[least, limit)``.
    """
    numbers = [*given] if isinstance(given, Iterable) else [given]
    for number in numbers:
        whole = isinstance(number, Integral) and not isinstance(number, bool)
        if not whole or not least <= number < limit:
            raise UsageError(
                f'{what} must be whole numbers in [{least}, {limit}) (got '
                f'{given!r})'
            )
    return [*dict.fromkeys(map(int, numbers))]


def seeds_of(given: int | Iterable[int]) -> list[int]:
    """The seeds that are given, or so many from 0 on.

    Raises:
        UsageError: If they cannot be seeds, or are none.
    """
    if isinstance(given, Iterable):
        return whole_numbers('seeds', given, 0, 2**32)
    [number] = whole_numbers('seeds', given, 1, 2**31)
    return [*range(number)]


def depths_of(given: Iterable[int]) -> list[int]:
    """The depths, in order.

    Raises:
        UsageError: If they cannot be depths.
    """
    if not isinstance(given, Iterable):
        raise UsageError(f'depths must be several, as in [4] (got {given!r})')
    return sorted(whole_numbers('depths', given, 1, 2**31))


def overrides_of(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Keys and values; ``augment.p`` is ``p`` of what ``augment`` holds.

    Raises:
        UsageError: If they are something else.
    """
    if given is not None and not isinstance(given, Mapping):
        raise UsageError(f'overrides must be keys with values (got {given!r})')
    return nested(given or {})
