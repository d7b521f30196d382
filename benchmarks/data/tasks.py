"""Generated tasks of which is known how many layers they need at least.

Their names may have options behind, as in ``ring-transfer:distance=16``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ..errors import UsageError, check_name, check_words
from ..late import Place, call
from ..values import Kind, check, whole
from . import sizes

if TYPE_CHECKING:
    from torch_geometric.data import Data

    from .graphs import Graphs


NUMBER = re.compile(r'-?\d{1,18}')


def _between(low: int, high: int) -> Kind:
    return Kind(
        f'a whole number from {low} to {high}',
        Annotated[int, Interval(ge=low, le=high)],
    )


KINDS = {
    'distance': _between(2, 1000),
    'classes': _between(2, 1000),
    'radius': _between(1, 10),
    'permutations': _between(10, 10_000),
    'chains': _between(10, 100_000),
    'graphs': _between(10, 100_000),
    'seed': whole(0),
}
LEAST = {'clique-path': {'distance': _between(3, 1000)}}


@dataclass(frozen=True)
class Task:
    """A task, its options with their defaults, and who makes it.

    Args:
        about: What it is, and where it is from.
        options: Whole numbers.
        place: What makes the data.
        size: Of them, by the options.
        needs: The option that says how far away all answers are, and so how
            many layers are needed; where there is none, distances vary, and
            the data have the longest.
        classes: How many answers there are to guess from, by the options.
        protocol: What is measured.
        many: Whether labels are of graphs.
    """

    about: str
    options: Mapping[str, int]
    place: Place
    size: Callable[..., sizes.Size]
    needs: str | None = None
    classes: Callable[[Mapping[str, int]], int] | None = None
    protocol: str = 'generated'
    many: bool = False


def _transfer(about: str, function: str, source: str) -> Task:
    return Task(
        f'{about} ({source})',
        {'distance': 5, 'classes': 5},
        f'.data.transfer:{function}',
        getattr(sizes, function),
        'distance',
        lambda options: options['classes'],
    )


def _distances(about: str, function: str, many: bool = False) -> Task:
    return Task(
        f'{about}, as a share of the largest, in random graphs of 25 to 35 '
        f'nodes (Corso et al. 2020)',
        {'graphs': 200, 'seed': 0},
        f'.data.distances:{function}',
        sizes.random_graphs,
        protocol='generated-rmse',
        many=many,
    )


GIOVANNI = 'Di Giovanni et al. 2023'
TASKS = {
    'ring-transfer': _transfer(
        'rings: the class of the node opposite', 'ring_transfer', GIOVANNI
    ),
    'crossed-ring': _transfer(
        'the same with crosses between both ways around',
        'crossed_ring',
        GIOVANNI,
    ),
    'clique-path': _transfer(
        'from a clique: the class of the node at the end of a path',
        'clique_path',
        GIOVANNI,
    ),
    'tree-neighbors-match': Task(
        'binary trees: the value of the leaf whose key the root has (Alon '
        'and Yahav 2021)',
        {'radius': 3, 'permutations': 100, 'seed': 0},
        '.data.transfer:tree_neighbors_match',
        sizes.tree_neighbors_match,
        'radius',
        lambda options: 2 ** options['radius'],
    ),
    'digit-chain': Task(
        'paths of handwritten digits: which one stands at the other end '
        '(images of scikit-learn)',
        {'distance': 2, 'chains': 3000, 'seed': 0},
        '.data.transfer:digit_chain',
        sizes.digit_chain,
        'distance',
        lambda options: 10,
    ),
    'shortest-paths': _distances(
        'the distance of each node to a marked one', 'shortest_paths'
    ),
    'eccentricity': _distances(
        'the distance of each node to the farthest', 'eccentricity'
    ),
    'diameter': _distances(
        'the largest distance in a graph', 'diameter', many=True
    ),
}


def parse(text: str) -> tuple[str, dict[str, int]] | None:
    """The task that a text names, and all its options; nothing if it names
    none.

    Raises:
        UsageError: On options that the task does not have, or that cannot be,
            or that would make too much.
    """
    name, colon, given = text.partition(':')
    name = name.lower()
    if name not in TASKS:
        return None
    found = {}
    words = [word.strip() for word in given.split(',')]
    for word in check_words(text, words) if colon else ():
        key, _, value = (part.strip() for part in word.partition('='))
        check_name(f'option of {name}', key, TASKS[name].options)
        if key in found:
            raise UsageError(f'{name}: {key} stands twice (got {given!r})')
        found[key] = int(value) if NUMBER.fullmatch(value) else value
    options = {**TASKS[name].options, **found}
    try:
        check(options, {**KINDS, **LEAST.get(name, {})})
    except ValueError as error:
        raise UsageError(f'{name}: {error}') from error
    TASKS[name].size(**options).check(f'{name}:{_written(options)}')
    return name, options


def full_name(name: str, options: Mapping[str, int]) -> str:
    """The name with what differs from its defaults."""
    usual = TASKS[name].options
    own = {k: value for k, value in options.items() if value != usual[k]}
    return f'{name}:{_written(own)}' if own else name


def _written(options: Mapping[str, int]) -> str:
    return ','.join(f'{key}={value}' for key, value in options.items())


def make(name: str, options: Mapping[str, int]) -> 'Data | Graphs':
    """The data of a task, new ones in each call."""
    return call(TASKS[name].place, **options)


def needed_depth(name: str, options: Mapping[str, int]) -> int:
    """How many layers must pass messages along the edges before all answers
    can be known: the distance that they have to come from at most.
    """
    needs = TASKS[name].needs
    if needs is not None:
        return options[needs]
    return _longest(name, tuple(options.items()))


@cache
def _longest(name: str, options: tuple[tuple[str, int], ...]) -> int:
    return call('.data.distances:longest', make(name, dict(options)))
