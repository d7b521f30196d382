"""Folders of data, and files that come from the network."""

import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock
from rich.progress import Progress

from ..errors import UsageError, reason

LOOK = 5.0  # seconds to wait for an answer when only asking
TIMEOUT = 30.0  # seconds to wait for the next piece of a download
SLOWEST = 1000.0  # bytes a second, after the first PATIENCE seconds
PATIENCE = 60.0
PIECE = 2**20  # bytes
TRIES = 3  # at an address whose answers break off
SCHEMES = ('http', 'https', 'file')


class BrokenOff(OSError):
    """A download that ended before the file did."""


class DataWarning(UserWarning):
    """Files are used that are not the published ones, as far as is known."""


@contextmanager
def reading(file: Path | str) -> Iterator[None]:
    """Whatever a reader raises is an error of the file that it reads.

    Raises:
        UsageError: In one line that names the file.
    """
    try:
        yield
    except (UsageError, DataWarning):
        raise
    except Exception as error:  # readers raise all kinds
        text = reason(error)
        if not isinstance(error, ValueError):
            text = f'{type(error).__name__}: {text}'
        if is_page(file):
            text = 'it is a web page'
        raise UsageError(f'{file} cannot be read: {text}') from error


def is_page(file: Path | str) -> bool:
    """Whether a file begins as a web page does."""
    try:
        with open(file, 'rb') as content:
            return _begins_page(content.read(1000))
    except (OSError, ValueError):
        return False


def _begins_page(content: bytes) -> bool:
    start = content.lstrip(b'\xef\xbb\xbf \t\r\n').lower()
    return start.startswith((b'<!doctype html', b'<html'))


def reachable(url: str) -> bool:
    """Whether there is anything at an address."""
    try:
        with urllib.request.urlopen(url, timeout=LOOK) as response:
            return response.read(1) != b''
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, HTTPException, ValueError):  # refused, timed out, ...
        return False


def check_address(url: str) -> None:
    """Raises an error for what is no address of files."""
    try:
        parts = urlsplit(url)
        place = parts.path if parts.scheme == 'file' else parts.netloc
        good = parts.scheme in SCHEMES and place
    except ValueError:
        good = False
    if not good:
        raise UsageError(
            f'an address must have its scheme, http, https or file, as in '
            f'https://host/folder (got {url!r})'
        )


def fetch(
    urls: Sequence[str],
    file: Path,
    check: Callable[[Path], None] = lambda part: None,
) -> None:
    """Downloads a file whole or not at all, from the first address that has
    it. What an earlier try has got is kept, and the rest asked for.

    Args:
        urls: Addresses, of http, https or file.
        file: Where it goes to.
        check: Raises a :class:`UsageError` for a file that is not the one
            that was meant, which is not kept.

    Raises:
        UsageError: If no address gives the file.
    """
    part = file.with_name(f'{file.name}.part')
    lock = FileLock(f'{part}.lock')
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            if not file.is_file():  # another process may have been quicker
                _fetch_any(urls, file, part, check)
    except OSError as error:
        raise UsageError(
            f'{file.name} is missing in {file.parent}, where nothing can be '
            f'written: {reason(error)}'
        ) from error
    with suppress(OSError):  # on Windows, while another process waits for it
        Path(lock.lock_file).unlink()


def _fetch_any(
    urls: Sequence[str],
    file: Path,
    part: Path,
    check: Callable[[Path], None],
) -> None:
    reasons = []
    for url in urls:
        for _ in range(TRIES):
            try:
                check_address(url)
                _fetch(url, part)
                try:
                    check(part)
                except UsageError:
                    part.unlink()
                    raise
                part.replace(file)
                return
            except BrokenOff as error:
                wrong = error  # the next try goes on from there
            except (OSError, HTTPException, ValueError, UsageError) as error:
                wrong = error
                break
        reasons.append(f'{url} ({reason(wrong)})')
    raise UsageError(
        f'{file.name} is missing in {file.parent}, and cannot be downloaded '
        f'from {", nor from ".join(reasons)}'
    )


def _fetch(url: str, part: Path) -> None:
    """Fills or completes ``part``; beside it lies where it is from, and in
    which version, so that no two files are joined.
    """
    note = part.with_name(f'{part.name}.from')
    there = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url)
    version = _version(note, url) if there else None
    if version:
        request.add_header('Range', f'bytes={there}-')
        request.add_header('If-Range', version)
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing is left to ask for: begin anew
            note.unlink(missing_ok=True)
        raise
    with answer:
        rest = _length(answer.headers)
        start = 0
        if getattr(answer, 'status', None) == 206:
            if not version or not _goes_on(answer.headers, there, rest):
                note.unlink(missing_ok=True)  # the next try begins anew
                raise BrokenOff('it sent another part than was asked for')
            start = there
        room = shutil.disk_usage(part.parent).free
        if rest is not None and rest > room:
            raise OSError(f'{rest} bytes are too many for {room} on the disk')
        version = answer.headers.get('ETag') or answer.headers.get(
            'Last-Modified'
        )
        note.write_text(json.dumps({'url': url, 'version': version}), 'utf-8')
        with open(part, 'ab' if start else 'wb') as out:
            got = _copy(answer, out, rest, part, start == 0)
    if rest is not None and got != rest:
        raise BrokenOff(f'it broke off after {got} of {rest} bytes')
    if start + got == 0:
        raise OSError('it is empty')
    note.unlink()


def _version(note: Path, url: str) -> str | None:
    """Which version of what is at the address there is a part of, if that is
    known: a note may be torn.
    """
    try:
        origin = json.loads(note.read_text('utf-8'))
        version = origin['version'] if origin['url'] == url else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    good = isinstance(version, str) and version.isprintable()
    return version if good else None


def _length(headers: Any) -> int | None:
    """How many bytes are said to come."""
    length = headers.get('Content-Length')
    if length is None:
        return None
    if not re.fullmatch(r'[0-9]{1,15}', length.strip()):
        raise OSError(f'its Content-Length is no number (got {length!r})')
    return int(length)


def _goes_on(headers: Any, there: int, rest: int | None) -> bool:
    """Whether an answer begins where the part ends, and goes to the end."""
    given = headers.get('Content-Range', '').strip()
    found = re.fullmatch(r'bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)', given)
    if not found:
        return False
    first, last = int(found[1]), int(found[2])
    ends = found[3] == '*' or int(found[3]) == last + 1
    full = rest is None or rest == last + 1 - first
    return first == there and ends and full


def _copy(
    answer: Any, out: Any, rest: int | None, part: Path, begins: bool
) -> int:
    """Copies what comes, and returns how many bytes that were."""
    name = part.name.removesuffix('.part')
    pages = name.endswith(('.html', '.htm'))
    if (
        begins
        and not pages
        and 'text/html' in answer.headers.get_content_type()
    ):
        raise OSError('it is a web page')
    got, start = 0, time.monotonic()
    with Progress() as bar:
        task = bar.add_task(name, total=rest)
        while rest is None or got < rest:
            try:
                piece = answer.read1(PIECE)
            except (OSError, IncompleteRead) as error:
                raise BrokenOff(
                    f'it broke off after {got} bytes: {reason(error)}'
                ) from error
            if not piece:
                break
            if begins and not got and not pages and _begins_page(piece):
                raise OSError('it is a web page')
            out.write(piece)
            got += len(piece)
            bar.advance(task, len(piece))
            seconds = time.monotonic() - start
            if seconds > PATIENCE and got < SLOWEST * seconds:
                raise OSError(
                    f'it is too slow: {got} bytes in {seconds:.0f} seconds'
                )
    return got
