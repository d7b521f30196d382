"""Each file imports only from the layers above it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From above to below; a folder may use itself only file by file, downwards.
LAYERS = [
    ['pyg_ext/utils'],
    [
        'pyg_ext/nn/aggr',
        'pyg_ext/nn/norm',
        'pyg_ext/nn/act.py',
        'pyg_ext/nn/dropout.py',
        'pyg_ext/nn/hidden_state.py',
        'pyg_ext/nn/hyper_connection.py',
        'pyg_ext/nn/identity_mapping.py',
        'pyg_ext/nn/reversible',
        'pyg_ext/nn/skip.py',
        'pyg_ext/nn/virtual_node.py',
    ],
    [
        'pyg_ext/nn/block.py',
        'pyg_ext/nn/diff_pool.py',
        'pyg_ext/nn/drop_edges.py',
        'pyg_ext/nn/drop_message.py',
    ],
    ['pyg_ext/nn/conv'],
    ['pyg_ext/nn/models'],
    ['pyg_ext/transforms'],
    ['pyg_ext/metrics'],
    ['pyg_ext/nn/__init__.py'],
    ['pyg_ext/__init__.py'],
    ['benchmarks/errors.py'],
    [
        'benchmarks/code.py',
        'benchmarks/environment.py',
        'benchmarks/late.py',
        'benchmarks/output.py',
        'benchmarks/plugins.py',
        'benchmarks/pool.py',
        'benchmarks/values.py',
    ],
    ['benchmarks/data', 'benchmarks/methods'],
    ['benchmarks/recipes'],
    ['benchmarks/words.py'],
    ['benchmarks/training'],
    ['benchmarks/runs'],
    ['benchmarks/reports'],
    ['benchmarks/interface'],
    ['benchmarks/speed'],
    ['benchmarks/__init__.py'],
    ['benchmarks/cli'],
    ['benchmarks/__main__.py'],
]


def modules():
    for package in ('pyg_ext', 'benchmarks'):
        yield from sorted((ROOT / package).rglob('*.py'))


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


# What benchmarks.late imports:
LATE = re.compile(r'(\.[a-z_.]+):\w+')
FILES = {name_of(path): path for path in modules()}


def imports(path):
    """The modules of this project that a file imports, most precisely."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1]
            start = [*above] if node.level else []
            start += [node.module] if node.module else []
            names = ['.'.join([*start, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Constant):
            place = LATE.fullmatch(str(node.value))
            names = [f'benchmarks{place[1]}'] if place else []
        else:
            continue
        for name in names:
            while name and name not in FILES:
                name = name.rpartition('.')[0]
            if name:
                yield name


def layer(name):
    path = FILES[name].relative_to(ROOT).as_posix()
    for i, places in enumerate(LAYERS):
        if any(path == p or path.startswith(f'{p}/') for p in places):
            return i
    raise AssertionError(f'{path} stands in no layer')


def room(name):
    """The folder or file of a layer that a module stands in."""
    path = FILES[name].relative_to(ROOT).as_posix()
    places = LAYERS[layer(name)]
    return next(p for p in places if path == p or path.startswith(f'{p}/'))


@pytest.mark.parametrize('name', FILES)
def test_imports_from_above(name):
    for used in imports(FILES[name]):
        assert layer(used) <= layer(name), f'{name} imports {used} below it'
        if layer(used) == layer(name):
            rooms = {room(used), room(name)}
            folders = {r for r in rooms if not r.endswith('.py')}
            assert len(folders) < 2, f'{name} imports {used} beside it'


@pytest.mark.parametrize('name', [n for n in FILES if n[:3] == 'ben'])
def test_benchmarks_use_public_names(name):
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            package = node.module.partition('.')[0]
            if package == 'pyg_ext':
                assert node.module in (
                    'pyg_ext',
                    'pyg_ext.metrics',
                    'pyg_ext.nn',
                    'pyg_ext.transforms',
                    'pyg_ext.utils',
                )
                assert not any(a.name.startswith('_') for a in node.names)


def test_no_circle():
    graph = {name: set(imports(path)) for name, path in FILES.items()}
    for name in graph:  # a package and its own __init__ are no circle
        graph[name] = {
            used
            for used in graph[name] - {name}
            if FILES[used].name != '__init__.py'
        }
    while graph:
        free = {name for name, used in graph.items() if not used & set(graph)}
        assert free, f'a circle of imports in {sorted(graph)}'
        for name in free:
            del graph[name]


def test_every_file_has_a_layer():
    assert len(FILES) > 15
    for name in FILES:
        layer(name)
