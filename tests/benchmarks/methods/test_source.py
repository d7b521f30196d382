import importlib
import os
import subprocess
import sys
import threading
from functools import partial

import cloudpickle
import pytest
import torch
from torch_geometric.nn import GraphSAGE, MessagePassing

from benchmarks.methods.source import Source, generated_by_value

FILES = {
    'layers': """
import functools
from dataclasses import dataclass

import numpy as np
import torch

import scales
from scales import double


@dataclass
class Setting:
    slope: float = 0.1


SETTING = Setting(0.2)
RATES = {'low': 1, 'high': 2}
WEIGHT = torch.tensor([1.0, 2.0])
ARRAY = np.array([1, 2])
ACT = torch.relu
WORDS = {'a', 'b', 'c', 'd'}
x = object()  # named as an attribute


def timed(function):
    @functools.wraps(function)
    def inner(*given):
        return function(*given)
    return inner


class Base(torch.nn.Module):
    def scale(self, x):
        return x * 2


class Net(Base):
    \"\"\"A network.\"\"\"

    bias = 1

    def __init__(self, i, h, d, o, slope=0.1):
        super().__init__()
        self.layer = torch.nn.Linear(i, o)

    @property
    def rate(self):
        return RATES['low']

    @staticmethod
    def shift(x):
        return x + 1

    @timed
    def forward(self, x, edge_index):
        from inside import late

        x = double(x.x) * scales.FACTOR * SETTING.slope
        if x in {'left', 'right', 'up'} or x in WORDS:
            return late(WEIGHT * ARRAY)
        return ACT(self.layer(self.scale(self.shift(x))))
""",
    'scales': """
import random

FACTOR = 3.0
UNUSED = 1
NOISE = random.random()


def double(x):
    return 2 * x
""",
    'inside': """
def late(x):
    return x
""",
}
CHANGES = [
    ('layers', 'x + 1', 'x + 2'),
    ('layers', 'x * 2', 'x * 3'),  # of a base class
    ('layers', 'bias = 1', 'bias = 2'),
    ('layers', 'slope=0.1', 'slope=0.2'),
    ('layers', 'slope: float', 'other: int = 0; slope: float'),
    ('layers', 'Setting(0.2)', 'Setting(0.3)'),
    ('layers', '2.0]', '2.5]'),
    ('layers', '[1, 2]', '[1, 3]'),
    ('layers', "{'low': 1, 'high': 2}", "{'low': 2, 'high': 1}"),
    ('layers', "RATES['low']", "RATES['high']"),
    ('layers', "'d'", "'e'"),
    ('layers', "'up'", "'down'"),
    ('layers', 'torch.relu', 'torch.tanh'),
    ('layers', 'nn.Linear(i, o)', 'nn.Linear(i, o, bias=False)'),
    ('layers', 'return function(*given)', 'return 2 * function(*given)'),
    ('layers', '@staticmethod\n    def shift(x)', 'def shift(self, x)'),
    ('scales', 'FACTOR = 3.0', 'FACTOR = 4.0'),
    ('scales', '2 * x', '3 * x'),
    ('inside', 'return x', 'return -x'),
]
SAME = [
    ('layers', 'x * 2', 'x * (2)  # twice'),
    ('layers', 'class Base', '\n\n# what is common\nclass Base'),
    ('layers', 'A network', 'The network'),
    ('layers', 'def shift(x):\n', 'def shift(\n        x\n    ):\n'),
    ('scales', 'UNUSED = 1', 'UNUSED = 2'),
]


@pytest.fixture
def layers(tmp_path, monkeypatch):
    """Gives the digest of a user's network, with a change of its files."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)

    def make(file=None, old='', new=''):
        for name, text in FILES.items():
            if name == file:
                assert text.count(old) == 1
                text = text.replace(old, new)
            (tmp_path / f'{name}.py').write_text(text)
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module('layers').Net

    yield make
    for name in FILES:
        sys.modules.pop(name, None)


def digest(thing):
    return Source(thing).digest()


@pytest.mark.parametrize('change', CHANGES, ids=lambda change: change[2])
def test_changed(layers, change):
    assert digest(layers(*change)) != digest(layers())


@pytest.mark.parametrize('change', SAME, ids=lambda change: change[2])
def test_unchanged(layers, change):
    assert digest(layers(*change)) == digest(layers())


def test_what_is_in_memory_counts(layers, tmp_path):
    """A file that was edited is other code once it is loaded again, as its
    class is then; not before."""
    before = digest(layers())
    net = sys.modules['layers'].Net
    file = tmp_path / 'scales.py'
    file.write_text(file.read_text().replace('2 * x', '5 * x'))
    assert digest(net) == before
    importlib.reload(sys.modules['scales'])
    assert digest(net) == before  # it has the former function
    net = importlib.reload(sys.modules['layers']).Net
    assert digest(net) != before


def test_modules_that_are_sent(layers):
    there = {'layers', 'scales', 'inside'}
    assert Source(layers()).modules - {'builtins'} == there


@pytest.mark.parametrize('seed', ['1', '2'])
def test_same_in_another_process(layers, tmp_path, seed):
    here = digest(layers())
    code = (
        'from layers import Net; from benchmarks.methods.source import Source;'
        'print(Source(Net).digest())'
    )
    there = subprocess.run(
        [sys.executable, '-c', code],
        env={
            **os.environ,
            'PYTHONHASHSEED': seed,
            'PYTHONPATH': os.pathsep.join([str(tmp_path), os.getcwd()]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == here


def make(factor):
    return lambda x: factor * x


def test_closures_and_callables():
    assert digest(make(1)) == digest(make(1)) != digest(make(2))
    first, second = make(1), make(2)

    def one(x):
        return first(x) - second(x)

    def other(x):
        return second(x) - first(x)

    assert digest(one) == digest(one)
    texts = [digest({'a': first, 'b': second}), digest({'a': second})]
    texts += [digest({'a': second, 'b': first}), digest(one), digest(other)]
    assert len({*texts}) == 5
    assert digest(partial(make, 1)) != digest(partial(make, 2))
    assert digest(GraphSAGE) != digest(torch.nn.Linear)
    layer = torch.nn.Linear(2, 2)
    before = digest(layer)
    assert digest(layer) == before
    with torch.no_grad():
        layer.weight[0, 0] += 1
    assert digest(layer) != before


class Layer(MessagePassing):
    def message(self, x_j):
        return 2 * x_j


class Own(Layer):
    def propagate(self, edge_index, size=None, **kwargs):
        return super().propagate(edge_index, size, **kwargs)


@pytest.mark.parametrize('kind', [Layer, Own])
def test_a_layer_that_was_made_is_the_same(kind):
    """PyG writes code that it generates into the class."""
    fresh = type(kind.__name__, kind.__bases__, dict(vars(kind)))
    fresh.__qualname__ = kind.__qualname__
    before = digest(fresh), digest(lambda: fresh())
    layer = fresh()
    assert (digest(fresh), digest(lambda: fresh())) == before
    generated_by_value()
    sent = cloudpickle.loads(cloudpickle.dumps(lambda: fresh()))
    assert sent().message(torch.ones(1)) == layer.message(torch.ones(1)) == 2


def test_what_goes_round():
    names = {}
    names['self'] = [names, threading.Lock()]

    def even(n):
        return not n or odd(n - 1)

    def odd(n):
        return bool(n) and even(n - 1)

    assert digest(names) == digest(names)
    assert digest(even) == digest(even) != digest(odd)


def test_without_source():
    """As a shell has it: no module, no file."""
    text = 'class Net:\n    def forward(self, x):\n        return x + 1\n'
    nets = []
    for line in (text, text, text.replace('1', '2')):
        known = {}
        exec(line, known)
        nets.append(digest(known['Net']))
    assert nets[0] == nets[1] != nets[2]


def test_does_not_walk_into_libraries(layers):
    """Of a library, names are enough."""
    net = layers()
    read = Source(net)
    assert len(read._texts) < 20
    assert all(len(text) < 20_000 for text in read._texts)


def test_plain_constants_differ_by_name():
    """Two that change places are a change."""
    texts = []
    for values in ((1, 2), (2, 1)):
        known = dict(zip('AB', values, strict=True))
        exec('def f(x):\n    return A * x + B\n', known)
        texts.append(digest(known['f']))
    assert texts[0] != texts[1]
