import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from torch_geometric.data import Data


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the cache folder of the user."""
    folder = tmp_path_factory.getbasetemp() / 'cache'
    monkeypatch.setenv('XDG_CACHE_HOME', str(folder))


@pytest.fixture(autouse=True)
def _own_threads():
    """What a test sets holds for that test only."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def root():
    """The folder of the real graphs, where it is known."""
    folder = os.environ.get('PYG_EXT_DATA')
    if not folder or not os.path.isdir(os.path.join(folder, 'Planetoid')):
        pytest.skip('PYG_EXT_DATA names no folder with Planetoid')
    return folder


@pytest.fixture
def torch_sparse():
    return pytest.importorskip(
        'torch_sparse',
        reason='torch_sparse is not installed; `make sparse` builds it',
    )


@pytest.fixture
def graph():
    """Eight nodes, the last one isolated; a loop at node 2."""
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 0), (1, 4)]
    both = edges + [(j, i) for i, j in edges] + [(2, 2)]
    generator = torch.Generator().manual_seed(0)
    return Data(
        x=torch.rand(8, 5, generator=generator).double(),
        edge_index=torch.tensor(both).t().contiguous(),
        edge_weight=torch.rand(17, generator=generator).double() + 0.5,
    )


@pytest.fixture(scope='session')
def site(tmp_path_factory):
    """The pages as `make docs` builds them, without the tutorials' outputs."""
    for name in ('furo', 'latex2mathml', 'myst_nb', 'sphinx_copybutton'):
        pytest.importorskip(name, reason='pip install pyg-ext[docs]')
    folder = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:  # built once for all of them
        folder = folder.parent
    pages = folder / 'pages'
    with FileLock(folder / 'pages.lock'):
        if not (pages / 'html/objects.inv').exists():
            _build(pages)
    return pages / 'html'


def _build(folder):
    root = Path(__file__).parent.parent
    folder.mkdir(exist_ok=True)
    for name in ('benchmarks', 'pyg_ext'):
        (folder / name).symlink_to(root / name)
    for name in ('CHANGELOG.md', 'CONTRIBUTING.md'):
        shutil.copy(root / name, folder)
    left = shutil.ignore_patterns('_build', 'generated')
    shutil.copytree(root / 'docs', folder / 'docs', ignore=left)
    sphinx = [
        sys.executable,
        '-m',
        'sphinx',
        '-W',
        '-q',
        '-j',
        '2',
        '-b',
        'html',
    ]
    done = subprocess.run(
        [*sphinx, folder / 'docs', folder / 'html'],
        env={**os.environ, 'DOCS_EXECUTE': 'off'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
