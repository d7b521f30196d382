import difflib
import re
from collections.abc import Iterable

LONG = 300  # characters of what a library says


class UsageError(Exception):
    """Something in the request is wrong; the message says what was meant."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error of an unknown name, with the nearest known one."""
    known = sorted(known)
    lower = {str(one).lower(): one for one in known}
    given = str(name).lower()
    near = difflib.get_close_matches(given, lower, n=1, cutoff=0.65)
    hint = f'did you mean {lower[near[0]]!r}? ' if near else ''
    return UsageError(
        f'unknown {kind} {name!r}: {hint}known are {", ".join(known)}'
    )


def check_name(kind: str, name: str, known: Iterable[str]) -> None:
    """Raises an error for a name that is not known."""
    known = [*known]
    if name not in known:
        raise unknown(kind, name, known)


def find_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The known name, whatever the case of its letters.

    Raises:
        UsageError: As :func:`check_name`.
    """
    known = list(known)
    for one in known:
        if one.lower() == name.lower():
            return one
    raise unknown(kind, name, known)


def check_words(text: str, words: list[str]) -> list[str]:
    """The words of a text that holds them with commas between, of which one
    may also stand at the end.

    Raises:
        UsageError: If there is none, one is missing, or one is two.
    """
    if len(words) > 1 and not words[-1]:
        words = words[:-1]
    for word in words:
        if not word:
            raise UsageError(f'a name is missing in {text!r}')
        if re.search(r'[^\s+]\s+[^\s+]|;', word):
            raise UsageError(f'commas must separate names (got {text!r})')
    return words


def reason(error: BaseException) -> str:
    """What an error of a library says, in one line."""
    text = getattr(error, 'strerror', None) or str(error)
    lines = text.strip().splitlines()
    return lines[0][:LONG] if lines else type(error).__name__
