import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path


def compiled(loop: Callable, reorder: bool = False) -> Callable:
    """Compiles a loop over arrays, which checks no index and may run beside
    other threads.

    Machine code is kept from one process to the next, in a folder for just
    these sources: numba by itself does not see that a function which a loop
    calls has changed in another file. Where no folder can be written, each
    process compiles anew.

    Args:
        loop: The loop.
        reorder: Whether sums may be in another order, so that one instruction
            adds several numbers; no other rounding changes.
    """
    from numba import config, njit  # slow to load

    given = config.CACHE_DIR
    options = {'nogil': True, 'fastmath': {'reassoc'} if reorder else False}
    folder = _folder(given, bool(config.BOUNDSCHECK))
    if folder is None:
        return njit(**options)(loop)
    config.CACHE_DIR = str(folder)
    try:
        return njit(**options, cache=True)(loop)
    finally:
        config.CACHE_DIR = given


@cache
def _folder(given: str, boundscheck: bool) -> Path | None:
    """Where to keep machine code, which needs a folder that can be written:
    the one that is given or, without one, beside the sources or at home.
    """
    here = Path(__file__).parent
    digest = hashlib.sha256(b'checked' * boundscheck)
    for file in sorted(here.rglob('*.py')):
        digest.update(file.read_bytes())
    name = f'pyg_ext-{digest.hexdigest()[:16]}'
    places = [Path(given)] if given else [here / '__pycache__', *_home()]
    for place in places:
        try:
            (place / name).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=place / name).close()
        except OSError:
            continue
        return place / name
    warnings.warn(
        f'no folder for machine code can be written (tried '
        f'{", ".join(map(str, places))}), so that each process compiles '
        f'anew: name one with the variable NUMBA_CACHE_DIR',
        stacklevel=2,
    )
    return None


def _home() -> Iterator[Path]:
    base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    if os.path.isabs(base):
        yield Path(base) / 'pyg_ext'
