"""Runs to do."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyg_ext

from ..data import datasets, protocols
from ..errors import UsageError
from ..methods import spec
from ..recipes import presets
from .store import Row


@dataclass(frozen=True)
class Cell:
    """One run to do: what a row of the store is before it is measured.

    Args:
        dataset: A name of a dataset.
        method: A specification string.
        depth: As the method counts it.
        seed: Of the parameters, and of a split that is drawn.
        preset: The name of a preset.
        protocol: The name of a protocol.
        config: All keys of the recipe and of the model.
        code: What the run is known by of a user's own data and network.
        recipe_of: Whose recipe it is, where the preset has none of its own.
        by_depth: True where the preset has a recipe for each depth.
    """

    dataset: str
    method: str
    depth: int
    seed: int
    preset: str
    protocol: str
    config: dict[str, Any]
    code: str | None = None
    recipe_of: str | None = None
    by_depth: bool | None = None

    def row(self) -> Row:
        """The part of the row that is known before the run."""
        metric = protocols.find(self.protocol).metric
        known = {k: v for k, v in vars(self).items() if v is not None}
        return {
            **known,
            'metric': metric.name,
            'direction': metric.direction,
        }


def plan(
    dataset: str,
    specs: Sequence[str],
    depths: Sequence[int],
    seeds: int | Sequence[int],
    preset: str,
    overrides: Mapping[str, Any],
    protocol: str | None = None,
) -> list[Cell]:
    """All runs of a sweep, seed by seed, so that a table fills evenly.

    Args:
        dataset: A name of a dataset.
        specs: Specification strings of methods.
        depths: Their depths.
        seeds: How many there are, from 0 on, or which.
        preset: The name of a preset.
        overrides: Keys of the recipe or model to set; ``METHOD:KEY`` for one
            method.
        protocol: One of the dataset's, the first by default.

    Raises:
        UsageError: If a name or a key is unknown, a value cannot be, or
            nothing is to be run, before any run.
    """
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    if not (specs and depths and seeds):
        raise UsageError(
            f'a sweep needs methods, depths and seeds (got {[*specs]}, '
            f'{[*depths]}, {[*seeds]})'
        )
    found = datasets.find(dataset)
    protocol = found.protocol(protocol)
    metric = protocols.find(protocol).metric
    parsed = {m.name: m for m in map(spec.parse, specs)}
    check_settings(overrides, specs)
    shown = {}
    for name, method in parsed.items():
        words = presets.borrowed(preset, dataset, method)
        own = settings(overrides, name)
        varies = presets.by_depth(preset, dataset, method)
        ends = {min(depths), max(depths)}  # some have a least, a most
        configs = {
            depth: presets.configure(preset, dataset, method, own, depth)
            for depth in (depths if varies else ends)
        }
        config = configs[max(depths)]
        if 'processes' in config:
            raise UsageError(
                'processes is what torchrun starts, and cannot be set: '
                'torchrun --nproc-per-node N -m benchmarks train ...'
            )
        if config.get('loss') and not metric.classes:
            raise UsageError(
                f'loss={config["loss"]} is for classes, and {dataset} is '
                f'judged by {metric.name}'
            )
        if method.unsupervised and not metric.classes:
            raise UsageError(
                f'{name} is judged by a classifier, and {dataset} by '
                f'{metric.name}'
            )
        more = code_of(found, method), words, varies or None
        for depth in depths:
            shown[name, depth] = configs.get(depth, config), *more
    return [
        Cell(dataset, name, depth, seed, preset, protocol, *what)
        for seed in seeds
        for (name, depth), what in shown.items()
    ]


def settings(overrides: Mapping[str, Any], method: str) -> dict[str, Any]:
    """What is set for a method: for all of them, or as ``METHOD:KEY``."""
    split = [(*key.rpartition(':'), value) for key, value in overrides.items()]
    return {
        key: value
        for whose, _, key, value in sorted(split, key=lambda s: bool(s[0]))
        if not whose or spec.parse(whose).name == method
    }


def check_settings(
    overrides: Mapping[str, Any], methods: Iterable[str]
) -> None:
    """Raises an error if something is set for a method that is not run, or
    for all of them and some do not know it.
    """
    known = {m.name: presets.kinds_of(m) for m in map(spec.parse, methods)}
    for key, value in overrides.items():
        whose = key.rpartition(':')[0]
        if whose and spec.parse(whose).name not in known:
            raise UsageError(
                f'{key} is for a method that is not run (got '
                f'{", ".join(known)})'
            )
        these = [name for name, kinds in known.items() if key in kinds]
        if not whose and 0 < len(these) < len(known):
            raise UsageError(
                f'{key} is a key of {", ".join(these)}, and not of '
                f'{", ".join(n for n in known if n not in these)}: set '
                f'{these[0]}:{key}={value}'
            )


def code_of(dataset: datasets.Dataset, method: spec.Method) -> str | None:
    """The digest of what a user brings to a run; none if it is nothing."""
    own = dataset.digest, method.backbone.code
    if not any(own):
        return None
    text = json.dumps([*own, pyg_ext.__version__])
    return f'code-{hashlib.sha1(text.encode()).hexdigest()[:12]}'
