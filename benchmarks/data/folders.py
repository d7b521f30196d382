"""Folders of data, and of what is made of them."""

import hashlib
import os
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from ..errors import UsageError, reason

VERSION = 2  # of what is made of files and kept


def cache_folder() -> Path:
    """The folder for downloads and processed files: below ``XDG_CACHE_HOME``,
    else at home; where nothing can be written there, a temporary one of this
    user's own, with a warning.
    """
    base = os.environ.get('XDG_CACHE_HOME')
    with suppress(OSError, RuntimeError):  # there is no home; or read only
        folder = Path(base or Path.home() / '.cache') / 'pyg_ext'
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    folder = _temporary()
    warnings.warn(
        f'downloads and processed files go to {folder}, because there is no '
        f'home folder that can be written: XDG_CACHE_HOME names another',
        stacklevel=1,
    )
    return folder


def _temporary() -> Path:
    """A folder that outlives the process, which no other user may change."""
    name = f'pyg_ext-{os.getuid()}' if hasattr(os, 'getuid') else 'pyg_ext'
    try:
        folder = Path(tempfile.gettempdir()) / name
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise UsageError(
            f'there is no folder for downloads and processed files '
            f'({reason(error)}): name one with XDG_CACHE_HOME'
        ) from error
    if hasattr(os, 'getuid') and (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.getuid()
        or found.st_mode & 0o022
    ):
        raise UsageError(
            f'{folder} may be changed by other users: name a folder for '
            f'downloads and processed files with XDG_CACHE_HOME'
        )
    return folder


def find_root(root: str | Path | None) -> Path | None:
    """The folder that holds the data: the option, else ``PYG_EXT_DATA``."""
    given = root or os.environ.get('PYG_EXT_DATA')
    if not given:
        return None
    try:
        root = Path(given).expanduser().resolve()
        if root.is_dir() and os.access(root, os.R_OK | os.X_OK):
            return root
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            f'the data root {given} is no folder: {reason(error)}'
        ) from error
    kind = 'is no folder' if not root.is_dir() else 'cannot be read'
    raise UsageError(f'the data root {root} {kind}')


def processed_folder(files: Iterable[Path]) -> Path:
    """The folder in the cache for what is made of files, as they are now."""
    stats = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    content = repr((VERSION, sorted(stats)))
    digest = hashlib.sha1(content.encode(errors='surrogateescape'))
    folder = cache_folder() / 'processed' / digest.hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def made_once(
    files: Iterable[Path], name: str, make: Callable[[Path], None]
) -> Path:
    """A folder in the cache that ``make`` fills from files. It appears whole,
    at once, and is made anew when they change.
    """
    cache = processed_folder(files)
    done = cache / name
    with FileLock(cache / 'lock'):
        if not done.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                work = Path(folder) / name
                work.mkdir()
                make(work)
                work.rename(done)
    return done
