"""Tuning on the validation nodes: candidates, and the best of them."""

from collections.abc import Iterable
from typing import Any

from ..data import datasets
from ..errors import UsageError
from ..methods import spec
from ..recipes import presets
from .cells import Cell
from .store import Row, key

PRESET = 'augment'


DEPTHS = {'appnp': 10}  # all others:


DEPTH = 2


TUNING = (1000, 1001)  # seeds that are used for nothing else


def candidates(
    dataset: str, model: str, kind: str, protocol: str | None = None
) -> list[list[Cell]]:
    """The runs to tune by, for each candidate of the preset.

    Args:
        dataset: The graph.
        model: The method without a kind of edges.
        kind: A kind of edges, or ``none``.
        protocol: The dataset's first by default.

    Raises:
        UsageError: On an unknown name.
    """
    protocol = datasets.protocol_of(dataset, protocol)
    method = spec.parse(model if kind == 'none' else f'{model}+{kind}')
    configs = [
        presets.configure(PRESET, dataset, method, change)
        for change in presets.read(PRESET)['candidates'][kind]
    ]
    depth = DEPTHS.get(model, DEPTH)
    return [
        [
            Cell(dataset, method.name, depth, seed, PRESET, protocol, config)
            for seed in TUNING
        ]
        for config in configs
    ]


def best(tried: list[list[Cell]], rows: Iterable[Row]) -> dict[str, Any]:
    """The configuration with the best mean score on the validation nodes.

    Raises:
        UsageError: If every candidate failed.
    """
    scores = {key(row): row['val'] for row in rows if row['status'] == 'ok'}
    ranked = [
        (sum(scores[key(cell.row())] for cell in cells), -place)
        for place, cells in enumerate(tried)
        if all(key(cell.row()) in scores for cell in cells)
    ]
    if not ranked:
        raise UsageError(f'all candidates of {tried[0][0].method} failed')
    return tried[-max(ranked)[1]][0].config


def chosen(
    tried: list[list[Cell]], rows: Iterable[Row], seeds: int
) -> list[Cell]:
    """The runs that count, with the best configuration."""
    config = best(tried, rows)
    first = vars(tried[0][0])
    return [
        Cell(**{**first, 'config': config, 'seed': seed})
        for seed in range(seeds)
    ]
