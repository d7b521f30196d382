import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyg_ext

ROOT = Path(__file__).parent.parent


def python(code, *options):
    done = subprocess.run(
        [sys.executable, *options, '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_adds_nothing_heavy():
    """Beyond what PyG itself loads, only this package."""
    code = (
        'import sys, torch_geometric; before = set(sys.modules); '
        'import pyg_ext; print(*sorted(set(sys.modules) - before))'
    )
    new = python(code).split()
    assert 'pyg_ext.nn' in new
    assert [name for name in new if name.partition('.')[0] != 'pyg_ext'] == []


def test_sparse_matrices_give_no_warning():
    """PyTorch warns once in a process, so this takes a new one."""
    code = (
        'import warnings, torch, torch_geometric, pyg_ext\n'
        'warnings.simplefilter("error")\n'
        'edges = torch.tensor([[0, 1], [1, 0]])\n'
        'x = pyg_ext.utils.CSRTensor.from_dense(torch.eye(2))\n'
        'model = pyg_ext.nn.GCN(2, 4, 2, 2, dropout=0.5)\n'
        'model(x, pyg_ext.utils.gcn_adj(edges)).sum().backward()\n'
        'print("done")'
    )
    assert python(code) == 'done\n'


def test_a_missing_extra_is_named():
    without = 'import sys; sys.modules["rich"] = None; '
    extra = 'is missing: pip install pyg-ext[benchmark]'
    call = 'from benchmarks.__main__ import main; print(main())'
    assert python(without + call) == f'error: rich.console {extra}\n2\n'
    asked = 'import benchmarks\ntry:\n    benchmarks.sweep\n'
    caught = 'except ImportError as error:\n    print(error)'
    said = 'sweep needs rich.progress: pip install pyg-ext[benchmark]\n'
    assert python(without + asked + caught) == said


@pytest.mark.parametrize('name', ['torch_cluster', 'torch_spline_conv'])
def test_the_tests_bear_packages_that_pyg_ignores(tmp_path, name):
    """PyG warns of them when imported, and tests treat warnings as errors."""
    (tmp_path / f'{name}.py').touch()
    done = subprocess.run(
        [*(sys.executable, '-m', 'pytest', '-q', '--collect-only'), __file__],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_key_in_both_files():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    tomllib = pytest.importorskip('tomllib')  # Python 3.11
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    assert set(project) == {'build-system', 'tool'}
    assert set(config.sections()) == {
        'metadata',
        'options',
        'options.package_data',
        'options.entry_points',
        'options.extras_require',
    }


def test_every_package_is_installed():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    assert config['options']['package_dir'].strip() == (
        'pyg_ext_bench = benchmarks'
    )
    found = []
    for folder in ('pyg_ext', 'benchmarks'):
        files = ROOT.glob(f'{folder}/**/*.py')
        places = {file.parent.relative_to(ROOT).parts for file in files}
        name = folder.replace('benchmarks', 'pyg_ext_bench')
        found += ['.'.join([name, *rest]) for _, *rest in places]
    assert config['options']['packages'].split() == sorted(found)


def test_version_is_in_the_changelog():
    assert f'## [{pyg_ext.__version__}]' in (ROOT / 'CHANGELOG.md').read_text()


def test_constraints_name_all_dependencies():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    pinned = {
        line.partition('==')[0].lower().replace('_', '-')
        for line in (ROOT / 'constraints.txt').read_text().splitlines()
        if '==' in line
    }
    needed = config['options']['install_requires'].split()
    for extra in ('sparse', 'benchmark', 'test', 'lint', 'docs'):
        needed += config['options.extras_require'][extra].split()
    names = {n.partition('>=')[0].lower().replace('_', '-') for n in needed}
    assert {n for n in names if not n.startswith('pyg-ext')} <= pinned
