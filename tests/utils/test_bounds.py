import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMPILED = [
    'diffusion',
    'fps',
    'knn',
    'neighbor_max',
    'random_walk',
    'sorting',
]
ELSEWHERE = ['metrics/test_over_squashing.py', 'transforms/test_rewiring.py']


@pytest.mark.skipif('NUMBA_BOUNDSCHECK' in os.environ, reason='is checked now')
def test_compiled_loops_stay_inside_their_arrays():
    """Their tests once more, where each access to an array is checked."""
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'pytest', '-q', '-m', 'not cuda'),
            *('-p', 'no:cacheprovider'),
            *(str(HERE / f'test_{name}.py') for name in COMPILED),
            *(str(HERE.parent / path) for path in ELSEWHERE),
        ],
        env={**os.environ, 'NUMBA_BOUNDSCHECK': '1'},
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
