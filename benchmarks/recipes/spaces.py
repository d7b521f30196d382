"""Search spaces: what is tried of which keys of a recipe, with its source."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ..errors import UsageError, find_name, unknown
from ..methods import own, spec
from ..methods.edges import EDGES
from ..values import read_file
from . import files, presets
from .recipe import KINDS, OBJECTIVE_KINDS

FOLDER = files.SPACES
MEANT = (
    'a list of values, or {low: 0.1, high: 0.9} with log: true or a step, if '
    'you like'
)
PARTS = ('augment', 'objective')  # keys that hold keys


class Range(BaseModel):
    """Numbers between two ends, which are among them: whole ones if both are.

    Args:
        low: The least.
        high: The most.
        log: Whether their logarithms are drawn evenly.
        step: The distance between them; any number by default.
    """

    model_config = ConfigDict(
        extra='forbid', strict=True, frozen=True, allow_inf_nan=False
    )

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @model_validator(mode='after')
    def _fits(self) -> 'Range':
        if self.low >= self.high:
            raise ValueError('low must be less than high')
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError('log is for positive numbers without a step')
        if self.step is not None and self.step <= 0:
            raise ValueError('a step must be positive')
        if self.whole and isinstance(self.step, float):
            raise ValueError('the step of whole numbers must be one')
        return self

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Domain = Range | Sequence[Any]


@dataclass(frozen=True, eq=False)
class Space:
    """What is tried.

    Args:
        name: What tables call it.
        source: Where it is from.
        domains: For each key of a recipe what is tried; ``METHOD:KEY`` is
            that of one method, ``augment.KEY`` one of what changes edges.
        published: The preset whose published numbers were tuned likewise.
    """

    name: str
    source: str
    domains: Mapping[str, Domain]
    published: str | None = None


class Content(BaseModel):
    """What a file of a space holds."""

    model_config = ConfigDict(extra='forbid', strict=True)

    source: str
    space: dict[str, Any]
    published: str | None = None


def names() -> list[str]:
    """The names of all built-in spaces."""
    return files.names(FOLDER)


@cache
def read(name: str) -> Space:
    """A built-in space.

    Raises:
        UsageError: On an unknown name.
    """
    name = find_name('search space', name, names())
    return _of_file(FOLDER / f'{name}.yaml')


def find(space: str | Path | Mapping[str, Any]) -> Space:
    """A space.

    Args:
        space: The name of a built-in one, the path of a YAML file, or for
            each key what is tried.

    Raises:
        UsageError: If it is none of these.
    """
    if isinstance(space, Mapping):
        return _checked(Space('space', 'given as keys and values', space))
    if Path(space).suffix in ('.yaml', '.yml'):
        return _of_file(Path(space))
    return read(str(space))


def _of_file(path: Path) -> Space:
    content = read_file(path)
    try:
        found = Content.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(
            f'{path.name} must hold source, space and perhaps published: '
            f'{".".join(map(str, first["loc"]))}: {first["msg"]} (got '
            f'{", ".join(map(str, content))})'
        ) from error
    if found.published is not None:
        presets.read(found.published)
    return _checked(
        Space(path.stem, found.source, found.space, found.published)
    )


def _checked(space: Space) -> Space:
    """A space whose keys are known, with what is tried of each."""
    if not space.domains:
        raise UsageError(f'{space.name} has nothing to try')
    domains = {
        key: _domain(f'{space.name}: {key}', tried)
        for key, tried in space.domains.items()
    }
    known = _known()
    for key in domains:
        whose, _, bare = str(key).rpartition(':')
        here = keys_of(spec.parse(whose)) if whose else known
        if bare not in here:
            raise unknown(f'key of {whose or space.name}', bare, here)
    return Space(space.name, space.source, domains, space.published)


def _domain(place: str, tried: Any) -> Domain:
    if isinstance(tried, (list, tuple)) and tried:
        return [*tried]
    if isinstance(tried, Range):
        return tried
    if not isinstance(tried, Mapping):
        raise UsageError(f'{place} must be {MEANT} (got {tried!r})')
    try:
        return Range.model_validate(dict(tried))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        inside = ''.join(f'{name}: ' for name in first['loc'][:1])
        message = re.sub('^Value error, ', '', first['msg'])
        raise UsageError(
            f'{place} must be {MEANT}: {inside}{message} (got {tried!r})'
        ) from error


def keys_of(method: spec.Method) -> set[str]:
    """What may be tried of a method."""
    known = {*KINDS, *method.kinds()} - {*PARTS}
    known |= {f'augment.{key}' for key in method.edge_kinds()}
    if method.unsupervised:
        pairs = presets.objective_of(method)
        known |= {f'objective.{key}' for key in pairs}
    return known


def _known() -> set[str]:
    """What may be tried of any method."""
    of_gcn = (f'gcn+{word}' for word in (*EDGES, 'pool-mean'))
    methods = [*own.known(), *of_gcn]
    pairs = {f'objective.{key}' for key in OBJECTIVE_KINDS}
    return pairs.union(*(keys_of(spec.parse(name)) for name in methods))
