"""The values of a configuration: how they are read, what they may be."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
)

import yaml
from annotated_types import Ge, Gt, Interval

from .errors import UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter


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


STRICT = {'strict': True, 'allow_inf_nan': False}  # of pydantic


@dataclass(frozen=True)
class Kind:
    """What a value must be, in words and as a type of pydantic."""

    meant: str
    type: Any

    def __or__(self, other: 'Kind') -> 'Kind':
        return Kind(f'{self.meant}, or {other.meant}', self.type | other.type)

    @cached_property
    def adapter(self) -> 'TypeAdapter':
        """What tells whether a value is of the type."""
        from pydantic import TypeAdapter  # no name needs it

        return TypeAdapter(self.type, config=STRICT)


def check(given: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    """Raises a ValueError for a value of another kind than that of its key."""
    from pydantic import ValidationError

    for key, value in given.items():
        try:
            kinds[key].adapter.validate_python(value)
        except ValidationError:
            raise ValueError(
                f'{key} must be {kinds[key].meant} (got {value!r})'
            ) from None


def whole(low: int) -> Kind:
    """Whole numbers from one on."""
    return Kind(
        f'a whole number of at least {low}',
        Annotated[int, Interval(ge=low, lt=2**63)],
    )


def one_of(*names: str) -> Kind:
    """One of some names."""
    *others, last = map(repr, names)
    meant = f'{", ".join(others)} or {last}' if others else last
    return Kind(meant, Literal[names])


POSITIVE = Kind('a positive number', Annotated[float, Gt(0)])
NOT_NEGATIVE = Kind('a number of at least 0', Annotated[float, Ge(0)])
SHARE = Kind('a number in [0, 1]', Annotated[float, Interval(ge=0, le=1)])
FLAG = Kind('true or false', bool)
NAME = Kind('a name', str)
WHOLES = Kind('a list of whole numbers, as in [1, 2]', list[int])
KEYS = Kind('keys with values, as in {a: 1}', dict[str, Any])
NOTHING = Kind('nothing', None)
ANY = Kind('anything', Any)

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
    'jk': one_of('last', 'cat', 'max', 'lstm'),
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


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """``{'augment.p': 0.5}`` as ``{'augment': {'p': 0.5}}``, also behind the
    name of a method, as in ``gcn:augment.p``.

    Raises:
        UsageError: If what is to hold a value is one itself.
    """
    out: dict[str, Any] = {}
    for name, value in flat.items():
        whose, colon, key = name.rpartition(':')
        part, dot, inner = key.partition('.')
        if dot:
            whole = f'{whose}{colon}{part}'
            others = out.get(whole, {})
            if not isinstance(others, Mapping):
                raise UsageError(
                    f'{whole} cannot be {others!r} beside {name}={value}'
                )
            out[whole] = {**others, inner: value}
        else:
            out[name] = value
    return out
