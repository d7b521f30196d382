import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyg_ext.utils.compiled

OUTER = """
from loops.compiled import compiled
from loops.inner import step


@compiled
def outer(x):
    return 10 * step(x)
"""
INNER = """
from numba import njit
from loops.compiled import compiled


@{decorator}
def step(x):
    return x + {number}
"""


@pytest.fixture
def loops(tmp_path):
    """A package of its own with the decorator, and loops in two files."""
    folder = tmp_path / 'loops'
    folder.mkdir()
    source = Path(pyg_ext.utils.compiled.__file__).read_text()
    (folder / 'compiled.py').write_text(source)
    (folder / '__init__.py').touch()
    (folder / 'outer.py').write_text(OUTER)
    (folder / 'inner.py').write_text(
        INNER.format(decorator='compiled', number=1)
    )
    return folder


def call(folder: Path, **variables: str) -> tuple[int, list[str], str]:
    """Calls the outer loop with 1 in a process; returns what comes of it,
    the files of machine code that it read, and its warnings.
    """
    code = (
        'from loops.outer import outer; print(outer(1)); '
        'print(*sorted(outer.stats.cache_hits.values()), '
        'outer.stats.cache_path)'
    )
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(('NUMBA_', 'XDG_'))
    }
    home = {'HOME': str(folder / 'home'), 'PYTHONDONTWRITEBYTECODE': '1'}
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=folder.parent,
        env=inherited | home | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    number, cache = done.stdout.splitlines()
    return int(number), cache.split(), done.stderr


@pytest.mark.parametrize('decorator', ['compiled', "njit(inline='always')"])
def test_changes_in_another_file_are_seen(loops, decorator):
    inner = loops / 'inner.py'
    inner.write_text(INNER.format(decorator=decorator, number=1))
    assert call(loops)[0] == 20
    number, cache, _ = call(loops)
    assert number == 20
    assert cache[0] == '1'  # from the last process
    inner.write_text(INNER.format(decorator=decorator, number=5))
    assert call(loops)[0] == 60


def test_folder_that_is_given(loops, tmp_path):
    given = tmp_path / 'given'
    _, cache, warnings = call(loops, NUMBA_CACHE_DIR=str(given))
    assert cache[-1].startswith(str(given))
    assert warnings == ''
    assert [*given.rglob('*.nbc')]
    assert not (loops / '__pycache__').exists()


def test_no_folder_that_can_be_written(loops):
    (loops / '__pycache__').touch()  # is no folder, whoever asks
    number, _, warnings = call(loops, HOME=os.devnull)
    assert number == 20
    assert 'NUMBA_CACHE_DIR' in warnings
    assert str(loops / '__pycache__') in warnings
