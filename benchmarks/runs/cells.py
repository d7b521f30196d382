"""Runs to do."""

from dataclasses import dataclass
from typing import Any

from ..data import datasets, protocols
from ..errors import UsageError
from ..methods import spec
from ..recipes import presets
from .store import Row


@dataclass(frozen=True)
class Cell:
    """One run to do: what a row of the store is before it is measured."""

    dataset: str
    method: str
    depth: int
    seed: int
    preset: str
    protocol: str
    config: dict[str, Any]

    def row(self) -> Row:
        """The part of the row that is known before the run."""
        protocol = protocols.PROTOCOLS[self.protocol]
        return {
            **vars(self),
            'metric': protocol.metric,
            'direction': protocol.direction,
        }


def plan(
    dataset: str,
    specs: list[str],
    depths: list[int],
    seeds: int,
    preset: str,
    overrides: dict[str, Any],
    protocol: str | None = None,
) -> list[Cell]:
    """All runs of a sweep, seed by seed, so that a table fills evenly.

    The protocol is the dataset's first by default.

    Raises:
        UsageError: If a name or a key is unknown, a value cannot be, or
            nothing is to be run, before any run.
    """
    if not (specs and depths and seeds > 0):
        raise UsageError(
            f'a sweep needs methods, depths and seeds (got {specs}, {depths}, '
            f'{seeds})'
        )
    protocol = datasets.protocol_of(dataset, protocol)
    parsed = {m.name: m for m in map(spec.parse, specs)}
    configs = {
        name: presets.configure(
            preset, dataset, method, overrides, min(depths)
        )
        for name, method in parsed.items()
    }
    return [
        Cell(dataset, name, depth, seed, preset, protocol, config)
        for seed in range(seeds)
        for name, config in configs.items()
        for depth in depths
    ]
