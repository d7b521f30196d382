"""All speed files again, each in a process of its own, and a page of what
they say.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..output import escaped, write_text
from .table import growth, markdown

PACKAGE = __package__.partition('.')[0]
PAGE = 'speed.md'
MMAP = (
    'MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=65536 '
    'MALLOC_TRIM_THRESHOLD_=65536'
)

SEARCHES = 'scipy,pykdtree,faiss,torch_cluster'  # others take minutes

# The arguments of each file of results; variables of the system go ahead:
RUNS = {
    'epoch-1-thread': 'epoch',
    'epoch-2-threads': 'epoch --threads 2',
    'parts-1-thread': 'parts',
    'reversible-seconds': 'reversible',
    'reversible-seconds-256': (
        'reversible --depths 256 --repeats 1 --peers ours,pyg'
    ),
    'reversible-seconds-1001': (
        'reversible --depths 1001 --repeats 1 --peers ours,pyg'
    ),
    'reversible-memory': 'reversible --depths 16,64 --measure memory',
    'reversible-memory-256': (
        'reversible --depths 16,256 --peers ours,pyg --measure memory'
    ),
    'reversible-memory-mmap': (
        f'{MMAP} reversible --depths 16,256 --peers ours --measure memory'
    ),
    'layers': 'layers --depths 2,4,8 --limit 16',
    'layers-parts': (
        'layers --kinds residual,reversible --depths 7,28 --parts 1,10 '
        '--channels 64'
    ),
    'drift': 'drift',
    'knn-1-thread': f'knn --peers {SEARCHES}',
    'knn-2-threads': 'knn --threads 2 --peers scipy,pykdtree,faiss',
    'augment-cora': 'augment --graphs cora',
    'augment-pubmed': 'augment --graphs pubmed',
    'augment-pubmed-2-threads': 'augment --graphs pubmed --threads 2',
    'augment-physics': 'augment --graphs coauthor-physics',
    'augment-169343': 'augment --graphs 169343',
    'augment-memory': 'augment --graphs 42336,84672,169343 --measure memory',
    'metrics': 'metrics',
    'probe': 'probe',
    'sweep': 'sweep',
    'pool': 'pool --repeats 40',
}

# By what a file's rows differ, whose exponents the page has:
SIZES = {'epoch': 'depth', 'reversible': 'depth', 'augment': 'nodes'}

# What makes a file as short as it can be, to see that it works:
SMALLEST = {
    'epoch': '--datasets digits --depths 2 --repeats 1',
    'parts': '--datasets digits --repeats 2',
    'reversible': '--depths 3 --nodes 100 --channels 8 --repeats 1',
    'layers': '--dataset digits --kinds plain --depths 1,3 --channels 8',
    'drift': '--depths 8 --nodes 100 --channels 8',
    'knn': '--profile fast --repeats 1',
    'augment': '--graphs 300 --repeats 1',
    'metrics': '--nodes 300 --channels 4',
    'probe': '--dataset digits --depths 2 --repeats 1',
    'sweep': '--dataset digits --seeds 2 --jobs 0,2',
    'pool': '--dataset mutag --graphs 4 --channels 8 --repeats 1',
}


def rerun(out: Path, names: Iterable[str], smallest: bool = False) -> None:
    """Runs speed files, as :data:`RUNS` has them, and writes the page.

    Args:
        out: The folder of the results.
        names: Which of them.
        smallest: Whether to take the smallest sizes, in place of those that
            results are published of.

    Raises:
        UsageError: After all others are done, if some failed.
    """
    failed = []
    for name in names:
        environment, words = words_of(name, smallest)
        file = out / f'speed-{name}.json'
        done = subprocess.run(
            [sys.executable, '-m', PACKAGE, 'speed', *words, '--json', file],
            env={**os.environ, **environment},
        )
        if done.returncode < 0:
            raise UsageError(f'{name} was stopped')
        failed += [name] * (done.returncode != 0)
    write_text(out / PAGE, page(out, smallest))
    if failed:
        raise UsageError(f'these failed: {", ".join(failed)}')


def words_of(
    name: str, smallest: bool = False
) -> tuple[dict[str, str], list[str]]:
    """The variables and the arguments of a run."""
    words = RUNS[name].split()
    ahead = [word for word in words if word[:1].isupper()]
    words = words[len(ahead) :]
    if smallest:
        words += SMALLEST[words[0]].split()
    return dict(w.split('=') for w in ahead), words


def page(folder: Path, smallest: bool = False) -> str:
    """All results in a folder as a page of Markdown."""
    parts = [
        '# Speed files\n\nWritten by `make bench` from the files beside '
        'it, which say with what options each was run.'
    ]
    for name in RUNS:
        file = folder / f'speed-{name}.json'
        if file.exists():
            found = json.loads(file.read_text('utf-8'))
            parts.append(_part(name, *words_of(name, smallest), found))
    return '\n\n'.join(parts) + '\n'


def _part(
    name: str,
    variables: dict[str, str],
    words: list[str],
    found: dict[str, Any],
) -> str:
    versions = ', '.join(f'{k} {v}' for k, v in found['versions'].items())
    ahead = ''.join(f'{key}={value} ' for key, value in variables.items())
    command = f'{ahead}python -m benchmarks speed {" ".join(words)}'
    part = (
        f'## {name}\n\n{escaped(found["device"])}; {escaped(versions)}:\n'
        f'`{command}`\n\n{markdown(found["rows"])}'
    )
    size = SIZES.get(words[0])
    grows = [] if size is None else growth(found['rows'], size)
    return '\n\n'.join([part, *grows])
