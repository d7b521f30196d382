"""What the words of a command line may be.

Each function reads a word and says what is meant if it is something else.
"""

import argparse
import math
import os
import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from .data.download import check_address
from .data.folders import find_root
from .errors import UsageError, check_words, find_name

MOST_SEEDS = 1000  # those from there on choose between candidates
DEEPEST = 10_000
MOST_NODES = 10**9
DEVICE = re.compile(r'auto|cpu|cuda(:\d{1,3})?')


class Parser(argparse.ArgumentParser):
    """A command line whose errors are those of a request."""

    def error(self, message: str) -> None:
        raise UsageError(f'{message} (see {self.prog} --help)')


def _said(read: Callable[[str], object]) -> Callable[[str], object]:
    """Lets the parser say for which argument something is wrong."""

    def word(text: str) -> object:
        try:
            return read(text)
        except UsageError as error:
            raise ArgumentTypeError(str(error)) from error

    return word


def split(text: str) -> list[str]:
    """Names with commas between."""
    return check_words(text, [word.strip() for word in text.split(',')])


def name(kind: str, known: Iterable[str]) -> Callable[[str], str]:
    """One of the known names, whatever the case of its letters."""
    return _said(lambda text: find_name(kind, text.strip(), known))


def names(kind: str, known: Iterable[str]) -> Callable[[str], list[str]]:
    """Some of the known names, each once."""

    def read(text: str) -> list[str]:
        found = [find_name(kind, word, known) for word in split(text)]
        return [*dict.fromkeys(found)]

    return _said(read)


def specs(text: str) -> list[str]:
    """The names of methods."""
    from .methods import spec

    parsed = map(spec.parse, spec.expand(text))
    return [*dict.fromkeys(method.name for method in parsed)]


def one_method(text: str) -> str:
    """The name of one method."""
    found = specs(text)
    if len(found) > 1:
        raise UsageError(f'one method is meant (got {text!r})')
    return found[0]


def edges(text: str) -> list[str]:
    """Kinds of edges."""
    from .methods.edges import EDGES

    known = ('none', *EDGES)
    found = [find_name('kind of edges', word, known) for word in split(text)]
    return [*dict.fromkeys(found)]


def graph(text: str) -> str:
    """A dataset that is one graph."""
    from .data import datasets

    found = find_name('dataset', text.strip(), datasets.DATASETS)
    if datasets.find(found).many:
        raise UsageError(f'one graph is meant, and {found} has many')
    return found


def graphs(text: str) -> list[str]:
    """Datasets that are one graph."""
    return [*dict.fromkeys(map(graph, split(text)))]


def graphs_or_sizes(low: int) -> Callable[[str], list[str]]:
    """Names of datasets that are one graph, or numbers of nodes."""

    def read(text: str) -> list[str]:
        found = []
        for word in split(text):
            number = _whole(word)
            if number is None:
                word = graph(word)
            elif not low <= number <= MOST_NODES:
                raise UsageError(
                    f'must be names of datasets, or numbers of nodes from '
                    f'{low} to {MOST_NODES} (got {word!r})'
                )
            found.append(word)
        return found

    return _said(read)


def whole(low: int, high: int, even: bool = False) -> Callable[[str], int]:
    """A whole number in a range."""
    meant = f'{"an even" if even else "a whole"} number from {low} to {high}'

    def read(text: str) -> int:
        number = _whole(text)
        if number is None or not low <= number <= high or even * number % 2:
            raise UsageError(f'must be {meant} (got {text!r})')
        return number

    return _said(read)


def wholes(low: int, high: int) -> Callable[[str], list[int]]:
    """Whole numbers in a range with commas between, sorted, each once."""

    def read(text: str) -> list[int]:
        words = text.split(',')
        if len(words) > 1 and not words[-1].strip():
            words.pop()
        numbers = [_whole(word) for word in words]
        if not all(n is not None and low <= n <= high for n in numbers):
            raise UsageError(
                f'must be whole numbers from {low} to {high} with commas '
                f'between, as in 2,4,8 (got {text!r})'
            )
        return sorted({*numbers})

    return _said(read)


def _whole(text: str) -> int | None:
    """The number that a word is, if it is one of at most 18 digits."""
    fits = re.fullmatch(r'[+-]?[0-9]{1,18}', text.strip())
    return int(text) if fits else None


depths = wholes(1, DEEPEST)
seeds = whole(1, MOST_SEEDS)
seed = whole(0, 2**32 - 1)
repeats = whole(1, 10**6)
nodes = whole(100, MOST_NODES)
channels = whole(4, 10**6, even=True)


def shard(text: str) -> tuple[int, int]:
    """``I/N`` with I from 1 to N."""
    first, _, second = text.partition('/')
    share, shares = _whole(first), _whole(second)
    if share is None or shares is None or not 1 <= share <= shares:
        raise ArgumentTypeError(
            f'must be I/N with I from 1 to N, as in 1/4 (got {text!r})'
        )
    return share, shares


def positive(text: str) -> float:
    """A positive number."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f'must be a positive number (got {text!r})')
    return number


def setting(text: str) -> str:
    """``KEY=VALUE``."""
    if not text.partition('=')[0].strip() or '=' not in text:
        raise ArgumentTypeError(f'must be KEY=VALUE (got {text!r})')
    return text


def read_value(text: str) -> tuple[str, Any]:
    """Reads ``key=value``; the value is YAML."""
    from .values import Loader

    key, equals, value = text.partition('=')
    key = key.strip()
    if not (key and equals):
        raise UsageError(f'--set needs key=value (got {text!r})')
    try:
        return key, yaml.load(value, Loader)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f'--set {text!r} is no valid YAML') from error


def device(text: str) -> str:
    """The name of a device, which need not be there."""
    if not DEVICE.fullmatch(text.lower()):
        raise ArgumentTypeError(
            f'device {text!r} cannot be used: cpu, cuda, cuda:N for a number '
            f'N, or auto is meant'
        )
    return text.lower()


def _address(text: str) -> str:
    check_address(text)
    return text


address = _said(_address)  # of files


def _folder(text: str) -> str:
    if not text:
        raise UsageError("must be a folder (got '')")
    find_root(text)
    return text


folder = _said(_folder)  # that is there


def new_folder(text: str) -> str:
    """A folder to write in, which need not be there."""
    place = next(p for p in _and_above(text, 'folder') if p.exists())
    if not place.is_dir():
        raise ArgumentTypeError(
            f'must be a folder, and {place} is a file (got {text!r})'
        )
    _check_writable(place)
    return text


def new_file(text: str) -> str:
    """A file to write, in a folder that is there."""
    file, place, *_ = _and_above(text, 'file')
    if (file.exists() and not file.is_file()) or not place.is_dir():
        raise ArgumentTypeError(
            f'must be a file in a folder that is there (got {text!r})'
        )
    _check_writable(file if file.exists() else place)
    return text


def _and_above(text: str, what: str) -> list[Path]:
    if not text or '\0' in text:
        raise ArgumentTypeError(f'must be a {what} (got {text!r})')
    path = Path(text).absolute()
    return [path, *path.parents]


def _check_writable(place: Path) -> None:
    if not os.access(place, os.W_OK):
        raise ArgumentTypeError(f'{place} cannot be written')
