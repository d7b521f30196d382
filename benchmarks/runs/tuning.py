"""Tuning on the validation nodes: candidates, and the best of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..data import protocols
from ..errors import UsageError
from ..methods import spec
from ..recipes import presets, spaces
from .cells import Cell, plan, settings
from .identity import key
from .store import Row

PRESET = 'augment'
DEPTHS = {'appnp': 10}  # all others:
DEPTH = 2
TUNING = (1000, 1001)  # seeds that are used for nothing else


def candidates(
    dataset: str,
    model: str,
    kind: str,
    protocol: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> list[list[Cell]]:
    """The runs to tune by, for each candidate of the preset.

    Args:
        dataset: The graph.
        model: The method without a kind of edges.
        kind: A kind of edges, or ``none``.
        protocol: The dataset's first by default.
        overrides: What is set for all of them.

    Raises:
        UsageError: On an unknown name.
    """
    method = model if kind == 'none' else f'{model}+{kind}'
    return tries(
        dataset,
        method,
        DEPTHS.get(model, DEPTH),
        PRESET,
        presets.read(PRESET).candidates[kind],
        protocol,
        overrides or {},
    )


def tries(
    dataset: str,
    method: str,
    depth: int,
    preset: str,
    changes: Sequence[Mapping[str, Any]],
    protocol: str | None,
    overrides: Mapping[str, Any],
) -> list[list[Cell]]:
    """For each candidate of what to set, its runs to tune by."""
    return [
        plan(
            dataset,
            [method],
            [depth],
            TUNING,
            preset,
            _both(change, overrides),
            protocol,
        )
        for change in changes
    ]


def _both(
    change: Mapping[str, Any], overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """A candidate with what is set for all: keys of edges side by side."""
    out = {**change, **overrides}
    if 'augment' in change and 'augment' in overrides:
        out['augment'] = {**change['augment'], **overrides['augment']}
    return out


def domains(
    space: spaces.Space, method: str, overrides: Mapping[str, Any]
) -> tuple[dict[str, spaces.Domain], list[str]]:
    """What a space has to try of a method, and in words what it has not.

    Args:
        space: The space.
        method: A specification string.
        overrides: What is set for the method, and so is not searched.

    Raises:
        UsageError: If there is nothing to try.
    """
    known = spaces.keys_of(spec.parse(method))
    by_hand = {*overrides} | {
        f'{part}.{key}'
        for part in spaces.PARTS
        for key in overrides.get(part, ())
    }
    mine = settings(space.domains, method)
    kept = {
        key: domain
        for key, domain in mine.items()
        if key in known and key not in by_hand
    }
    if not kept:
        raise UsageError(
            f'space {space.name} has nothing to try of {method} that it knows '
            f'and that is not set by hand (it has {", ".join(space.domains)})'
        )
    out = [key for key in mine if key not in known]
    words = f'{method}: {", ".join(out)} left out, which it does not know'
    return kept, [words] if out else []


def best(tried: Sequence[Sequence[Cell]], rows: Iterable[Row]) -> list[Cell]:
    """The runs of the candidate with the best mean score on validation.

    Raises:
        UsageError: If every candidate failed.
    """
    scores = {key(row): row['val'] for row in rows if row['status'] == 'ok'}
    sign = protocols.find(tried[0][0].protocol).metric.sign
    ranked = [
        (sign * sum(scores[key(cell.row())] for cell in cells), -place)
        for place, cells in enumerate(tried)
        if all(key(cell.row()) in scores for cell in cells)
    ]
    if not ranked:
        raise UsageError(f'all candidates of {tried[0][0].method} failed')
    return tried[-max(ranked)[1]]


def chosen(
    tried: Sequence[Sequence[Cell]], rows: Iterable[Row], seeds: int
) -> list[Cell]:
    """The runs that count, with the best configuration."""
    first = vars(best(tried, rows)[0])
    return [Cell(**{**first, 'seed': seed}) for seed in range(seeds)]
