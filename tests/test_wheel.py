"""What pip installs, away from this checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pyg_ext

ROOT = Path(__file__).parent.parent
PACKAGES = {'pyg_ext': 'pyg_ext', 'benchmarks': 'pyg_ext_bench'}
NEEDED = ('setup.cfg', 'pyproject.toml', 'README.md', 'LICENSE')
PIP = ('-m', 'pip', '--disable-pip-version-check', '-q')
SCRIPT = """
import torch
from torch_geometric.nn import GCNConv

import pyg_ext_bench
from pyg_ext_bench import sweep


class Net(torch.nn.Module):
    def __init__(self, channels, hidden, depth, classes):
        super().__init__()
        sizes = [channels, *[hidden] * (depth - 1), classes]
        self.convs = torch.nn.ModuleList(map(GCNConv, sizes, sizes[1:]))

    def forward(self, x, edge_index):
        for conv in self.convs:
            x = conv(x, edge_index).relu()
        return x


sweep(
    'digits',
    {'mine': Net},
    depths=[2],
    seeds=1,
    recipe={'epochs': 2},
    jobs=1,
    out='mine',
)
print(pyg_ext_bench.__file__)
"""


def run(*command, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Built from a copy, for pip leaves a folder `build` where it builds."""
    source = tmp_path_factory.mktemp('source')
    for name in NEEDED:
        shutil.copy(ROOT / name, source)
    for folder in PACKAGES:
        shutil.copytree(
            ROOT / folder,
            source / folder,
            ignore=shutil.ignore_patterns('__pycache__'),
        )
    out = tmp_path_factory.mktemp('wheel')
    build = ('wheel', '.', '--no-deps', '--no-build-isolation', '-w', out)
    run(*PIP, *build, cwd=source)
    [found] = out.iterdir()
    return found


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    """A folder where only the wheel is."""
    out = tmp_path_factory.mktemp('installed')
    target = ('install', '--no-deps', '--no-index', '--target', out, wheel)
    run(*PIP, *target, cwd=out)
    return out


PLUG_IN = {
    'rings.py': """
import torch
from torch_geometric.data import Data
from torch_geometric.nn import GraphSAGE as Net  # of the four sizes


def load():
    nodes = torch.arange(60)
    edges = torch.stack([nodes, (nodes + 1) % 60])
    return Data(x=torch.eye(60), edge_index=edges, y=nodes % 2)
""",
    'pyproject.toml': """
[project]
name = "rings"
version = "1.0"

[project.entry-points."pyg_ext.datasets"]
ring = "rings:load"

[project.entry-points."pyg_ext.methods"]
rings-net = "rings:Net"

[tool.setuptools]
py-modules = ["rings"]
""",
}


@pytest.fixture
def plug_in(tmp_path_factory):
    """A folder where another package is, which brings data and a network."""
    source, out = map(tmp_path_factory.mktemp, ('plug-in', 'plugged'))
    for name, text in PLUG_IN.items():
        (source / name).write_text(text)
    build = ('install', '--no-deps', '--no-build-isolation', '--target', out)
    run(*PIP, *build, '.', cwd=source)
    return out


@pytest.fixture
def repository(tmp_path):
    """A repository of somebody else, with a commit."""
    git = ['git', '-c', 'user.name=a', '-c', 'user.email=a@b.c']
    for command in (
        ['init', '-q'],
        ['commit', '-q', '--allow-empty', '-m', 'theirs'],
    ):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    return tmp_path


def test_the_wheel_holds_the_packages_with_their_files(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition('/')[0] for name in names} == {
        *PACKAGES.values(),
        f'pyg_ext-{pyg_ext.__version__}.dist-info',
    }
    expected = {
        f'{package}/{path.relative_to(ROOT / folder).as_posix()}'
        for folder, package in PACKAGES.items()
        for path in ROOT.glob(f'{folder}/**/*')
        if path.is_file()
        and '__pycache__' not in path.parts
        and not path.name.startswith(('speed-', 'speed.md'))  # of pages
    }
    assert {n for n in names if '.dist-info/' not in n} == expected


def test_a_sweep_where_only_the_wheel_is(installed, repository):
    def python(*command):
        return run(*command, cwd=repository, PYTHONPATH=str(installed))

    assert 'bag-of-tricks' in python('-m', 'pyg_ext_bench', 'list', 'presets')
    python(
        *('-m', 'pyg_ext_bench', 'depth', '--dataset', 'digits'),
        *('--methods', 'gcn', '--depths', '2', '--seeds', '1'),
        *('--epochs', '2', '--jobs', '0', '--out', 'theirs'),
    )
    script = repository / 'script.py'
    script.write_text(SCRIPT)
    printed = python(script)
    assert str(installed / 'pyg_ext_bench') in printed
    for folder in ('theirs', 'mine'):
        [line] = (
            (repository / folder / 'results.jsonl').read_text().splitlines()
        )
        row = json.loads(line)
        assert row['status'] == 'ok', row
        assert row['commit'] == f'pyg_ext {pyg_ext.__version__}'


@pytest.mark.xdist_group('ray')
def test_what_another_package_brings(installed, plug_in, tmp_path):
    pytest.importorskip('ray')
    command = (
        *('-m', 'pyg_ext_bench', 'depth', '--dataset', 'ring'),
        *('--methods', 'gcn,rings-net', '--depths', '2', '--seeds', '1'),
        *('--set', 'epochs=2'),
    )
    places = os.pathsep.join(map(str, (installed, plug_in)))
    for engine in ('processes', 'ray'):
        run(
            *command,
            *('--engine', engine, '--out', engine),
            cwd=tmp_path,
            PYTHONPATH=places,
            RAY_USAGE_STATS_ENABLED='0',
        )
        lines = (tmp_path / engine / 'results.jsonl').read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        assert {row['method'] for row in rows} == {'gcn', 'rings-net'}
        assert {row['status'] for row in rows} == {'ok'}, rows


@pytest.mark.parametrize(
    ('name', 'command'),
    [
        ('python -m pyg_ext_bench', ['-m', 'pyg_ext_bench']),
        ('pyg-ext-bench', ['bin/pyg-ext-bench']),
    ],
)
def test_it_is_called_as_it_was_called(installed, name, command):
    text = run(*command, '--help', cwd=installed, PYTHONPATH=str(installed))
    assert text.startswith(f'usage: {name} ')
