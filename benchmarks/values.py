"""The values of a configuration: how they are read, what they may be."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import yaml

from .errors import UsageError


class Loader(yaml.SafeLoader):
    """Reads ``5e-4`` as a number, as YAML 1.2 does, and no key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        keys = [k.value for k, _ in node.value if k.value != '<<']
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise UsageError(f'{node.start_mark}: {twice[0]!r} stands twice')
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float',
    re.compile(r'^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$'),
    list('-+.0123456789'),
)


def read_file(path: Path) -> dict[str, Any]:
    """Reads a YAML file of keys and values.

    Raises:
        UsageError: If it cannot be read, or holds something else.
    """
    try:
        content = yaml.load(path.read_text('utf-8'), Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = ' '.join(str(error).split())
        raise UsageError(f'{path} cannot be read: {reason}') from error
    if not isinstance(content, dict):
        raise UsageError(f'{path} must hold keys with values')
    return content


@dataclass(frozen=True)
class Kind:
    """What a value must be, in words and as a question."""

    meant: str
    fits: Callable[[Any], bool]

    def __or__(self, other: 'Kind') -> 'Kind':
        return Kind(
            f'{self.meant}, or {other.meant}',
            lambda value: self.fits(value) or other.fits(value),
        )


def check(given: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    """Raises a ValueError for a value of another kind than that of its key."""
    for key, value in given.items():
        if not kinds[key].fits(value):
            raise ValueError(
                f'{key} must be {kinds[key].meant} (got {value!r})'
            )


def is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max  # not so for inf and nan


def whole(low: int) -> Kind:
    """Whole numbers from one on."""
    return Kind(
        f'a whole number of at least {low}',
        lambda value: type(value) is int and low <= value < 2**63,
    )


def one_of(*names: str) -> Kind:
    """One of some names."""
    *others, last = map(repr, names)
    return Kind(
        f'{", ".join(others)} or {last}' if others else last,
        lambda value: isinstance(value, str) and value in names,
    )


POSITIVE = Kind('a positive number', lambda v: is_number(v) and v > 0)
NOT_NEGATIVE = Kind(
    'a number of at least 0', lambda v: is_number(v) and v >= 0
)
SHARE = Kind('a number in [0, 1]', lambda v: is_number(v) and 0 <= v <= 1)
FLAG = Kind('true or false', lambda v: isinstance(v, bool))
NAME = Kind('a name', lambda v: isinstance(v, str))
WHOLES = Kind(
    'a list of whole numbers, as in [1, 2]',
    lambda v: isinstance(v, list) and all(type(i) is int for i in v),
)
KEYS = Kind(
    'keys with values, as in {a: 1}',
    lambda v: isinstance(v, dict) and all(isinstance(k, str) for k in v),
)
NOTHING = Kind('nothing', lambda v: v is None)
ANY = Kind('anything', lambda v: True)

KINDS = {
    int: whole(1),
    float: SHARE,
    bool: FLAG,
    str: NAME,
    dict: KEYS,
    Sequence: WHOLES,
    NoneType: NOTHING,
}
# Values of other ranges than their type has above:
RANGES = {
    'theta': POSITIVE,
    't': POSITIVE,
    'eps': POSITIVE,
    'threshold': NOT_NEGATIVE,
    'self_loop_weight': NOT_NEGATIVE,
    'seed': whole(0),
    'jk': one_of('cat', 'max', 'lstm'),
}


def kind_of(name: str, annotation: Any) -> Kind:
    """What an argument may be, by its annotation and perhaps its name."""
    if isinstance(annotation, Kind):
        return annotation
    union = get_origin(annotation) in (Union, UnionType)
    types = get_args(annotation) if union else (annotation,)
    types = [get_origin(one) or one for one in types]
    kinds = [
        RANGES[name]
        if one in (int, float, str) and name in RANGES
        else KINDS[one]
        for one in types
        if one in KINDS  # all others, such as functions, no file can hold
    ]
    return reduce(or_, kinds)
