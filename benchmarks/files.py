"""Folders of data, and files that come from the network."""

import hashlib
import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from http.client import HTTPException
from pathlib import Path

from rich.progress import wrap_file

from benchmarks.errors import UsageError

LOOK = 5.0  # seconds to wait for an answer when only asking
TIMEOUT = 30.0  # seconds to wait for the next piece of a download
PIECE = 2**20  # bytes
TRIES = 3  # at an address whose answers break off


class BrokenOff(OSError):
    """A download that ended before the file did."""


def cache_folder() -> Path:
    """The folder for downloads and processed files."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'pyg_ext'


def find_root(root: str | Path | None) -> Path | None:
    """The folder that holds the data: the option, else ``PYG_EXT_DATA``."""
    root = root or os.environ.get('PYG_EXT_DATA')
    if not root:
        return None
    root = Path(root).expanduser().resolve()
    if not root.is_dir():
        raise UsageError(f'the data root {root} is no folder')
    return root


def processed_folder(files: Iterable[Path]) -> Path:
    """The folder in the cache for what is made of files, as they are now."""
    stats = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    digest = hashlib.sha1(repr(sorted(stats)).encode()).hexdigest()[:12]
    folder = cache_folder() / 'processed' / digest
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def reachable(url: str) -> bool:
    """Whether there is anything at an address."""
    try:
        with urllib.request.urlopen(url, timeout=LOOK) as response:
            return response.read(1) != b''
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:  # refused, timed out, no such host
        return False


def fetch(urls: Sequence[str], file: Path) -> None:
    """Downloads a file whole or not at all, from the first address that has
    it. What an earlier try has got is kept, and the rest asked for.

    Raises:
        UsageError: If no address gives the file.
    """
    reasons = []
    for url in urls:
        for _ in range(TRIES):
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                part = file.with_name(f'{file.name}.part')
                _fetch(url, part)
                part.replace(file)
                return
            except BrokenOff as error:
                reason = error  # the next try goes on from there
            except (OSError, HTTPException) as error:
                reason = error
                break
        reasons.append(f'{url} ({reason})')
    raise UsageError(
        f'{file.name} is missing in {file.parent}, and cannot be downloaded '
        f'from {", nor from ".join(reasons)}'
    )


def _fetch(url: str, part: Path) -> None:
    """Fills or completes ``part``; beside it lies where it is from, and in
    which version, so that no two files are joined.
    """
    note = part.with_name(f'{part.name}.from')
    there = part.stat().st_size if part.is_file() and note.is_file() else 0
    request = urllib.request.Request(url)
    if there:
        origin = json.loads(note.read_text())
        if origin['url'] == url and origin['version']:
            request.add_header('Range', f'bytes={there}-')
            request.add_header('If-Range', origin['version'])
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing is left to ask for: begin anew
            note.unlink()
        raise
    with answer:
        headers = answer.headers
        goes_on = getattr(answer, 'status', None) == 206
        start = there if goes_on else 0
        length = headers.get('Content-Length')
        rest = None if length is None else int(length)
        room = shutil.disk_usage(part.parent).free
        if rest is not None and rest > room:
            raise OSError(f'{rest} bytes are too many for {room} on the disk')
        version = headers.get('ETag') or headers.get('Last-Modified')
        note.write_text(json.dumps({'url': url, 'version': version}))
        name = part.name.removesuffix('.part')
        with (
            open(part, 'ab' if goes_on else 'wb') as out,
            wrap_file(answer, rest or 0, description=name) as source,
        ):
            while piece := source.read(PIECE):
                out.write(piece)
    got = part.stat().st_size - start
    if rest is not None and got != rest:
        raise BrokenOff(f'it broke off after {got} of {rest} bytes')
    note.unlink()
