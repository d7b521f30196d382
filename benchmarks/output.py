"""What commands put out: files, pages, and the screen."""

import html
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from .errors import UsageError, reason

LONG = 2000  # characters of a text
# What Markdown would take for more than text, underscores in a word aside:
MARKS = re.compile(r'[\\`*|#~$]|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])')


def shown(value: Any) -> str:
    """Something in one line that a terminal shows and does not obey: control
    characters stand there as their numbers; only the beginning if it is long.
    """
    text = ' '.join(str(value).split())
    return _visible(text if len(text) <= LONG else f'{text[:LONG]} ...')


def escaped(value: Any) -> str:
    """Something as text of a Markdown page, in one line: no tag, no heading,
    no link, no end of a cell.
    """
    return MARKS.sub(r'\\\g<0>', html.escape(shown(value), quote=False))


def _visible(text: str, keep: str = '') -> str:
    return ''.join(
        c
        if c.isprintable() or c in keep
        else c.encode('unicode_escape').decode('ascii')
        for c in text
    )


class Screen(Console):
    """A console that shows texts as they are, whatever they hold."""

    def __init__(self):
        # No markup: an error text may hold brackets of its own.
        seen = sys.stdout is not None and sys.stdout.isatty()
        width = None if seen else 120
        super().__init__(markup=False, width=width)

    def print(self, *objects: Any, **kwargs: Any) -> None:
        """As rich has it; control characters of a text do nothing."""
        tame = (_visible(o, '\n') if type(o) is str else o for o in objects)
        super().print(*tame, **kwargs)


def write_any_character() -> None:
    """Lets the standard streams write what their encoding lacks as its
    number, in place of an error.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')


@contextmanager
def replacing(path: Path, mark: str | None = None) -> Iterator[Path]:
    """A file to write that takes the place of another at once, if nothing
    fails; else the other one stays.

    Args:
        path: The other one.
        mark: Makes the name of the new one; that of the process by default.

    Raises:
        UsageError: If it cannot be written.
    """
    mark = str(os.getpid()) if mark is None else mark
    path = Path(os.path.realpath(path))  # a link stays one
    part = path.with_name(f'{path.stem}.part{mark}{path.suffix}')
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise UsageError(
            f'{path} cannot be written: {reason(error)}'
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def make_folder(path: str | Path) -> Path:
    """Makes a folder, unless it is there.

    Raises:
        UsageError: If that cannot be.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise UsageError(f'{path} is no folder')
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f'{path} cannot be made: {reason(error)}') from error
    return path


def write_text(path: Path, text: str) -> None:
    """Replaces a text file."""
    with replacing(path) as part:
        part.write_text(text, encoding='utf-8', errors='backslashreplace')


def remove(paths: Iterable[Path]) -> None:
    """Removes files; those that are gone or are folders are let be.

    Raises:
        UsageError: If one cannot be removed.
    """
    for path in paths:
        try:
            if path.is_file():
                path.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(
                f'{path} cannot be removed: {reason(error)}'
            ) from error


console = Screen()  # the one that commands and bars write to
