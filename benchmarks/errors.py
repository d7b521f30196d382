import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """Something in the request is wrong; the message says what was meant."""


def check_name(kind: str, name: str, known: Iterable[str]) -> None:
    """Raises an error with the nearest known name for an unknown one."""
    known = sorted(known)
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean {near[0]!r}? ' if near else ''
    raise UsageError(
        f'unknown {kind} {name!r}: {hint}known are {", ".join(known)}'
    )
