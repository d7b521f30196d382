"""No data file runs anything."""

import builtins
import collections
import copyreg
import functools
import os
import pickle
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch_geometric.data import Data, InMemoryDataset

from benchmarks.data import datasets, pickles, planetoid
from benchmarks.errors import UsageError


class Calls:
    """Is pickled as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def text_call(module, name, *args, code='c'):
    """A call, as a pickle of protocol 0 writes it."""
    given = ''.join(f'V{arg}\n' for arg in args)
    if code == 'i':
        return f'({given}i{module}\n{name}\n.'.encode()
    if code == 'o':
        return f'(c{module}\n{name}\n{given}o.'.encode()
    return f'c{module}\n{name}\n({given}tR.'.encode()


def stacked(module, name, *args):
    """The same by name on the stack, as protocol 4 has it."""
    out = b'\x80\x04'
    for word in (module, name):
        out += b'\x8c' + bytes([len(word)]) + word.encode()
    out += b'\x93('
    for arg in args:
        out += b'X' + struct.pack('<I', len(arg)) + arg.encode()
    return out + b'tR.'


def hostile(command):
    """Pickles that run a command of the shell, or a line of Python."""
    line = f'__import__("os").system({command!r})'
    inside = np.array([Calls(os.system, command)], dtype=object)
    state = collections.OrderedDict(a=Calls(os.system, command))
    return {
        'system': pickle.dumps(Calls(os.system, command)),
        'eval': pickle.dumps(Calls(builtins.eval, line)),
        'exec': pickle.dumps(Calls(builtins.exec, line), 2),
        'getattr': text_call('builtins', 'getattr', 'os', 'system'),
        'attrgetter': text_call('operator', 'attrgetter', 'system'),
        'partial': pickle.dumps(functools.partial(os.system, command)),
        'runstring': text_call(
            'numpy.testing._private.utils', 'runstring', line, '{}'
        ),
        'numpy load': text_call('numpy', 'load', command),
        'dotted': stacked('numpy', 'f2py.os.system', command),
        'dotted class': stacked('builtins', 'dict.fromkeys', 'a'),
        'torch load': text_call('torch', 'load', command),
        'torch hub': text_call('torch.hub', 'load_local', command, 'x'),
        'storage': text_call('torch.storage', '_load_from_bytes', command),
        'inst': text_call('os', 'system', command, code='i'),
        'obj': text_call('os', 'system', command, code='o'),
        'stack': stacked('posix', 'system', command),
        'object array': pickle.dumps(inside),
        'inside': pickle.dumps([{'a': (1, state)}]),
        'class': pickle.dumps(Calls(type, 'X', (), {})),
        'persistent': b'Psystem\n.',
    }


NAMES = list(hostile('true'))


@pytest.fixture
def trap(tmp_path):
    """A command, and whether it was run."""
    mark = tmp_path / 'ran'
    return f'touch {mark}', mark.exists


@pytest.mark.parametrize('name', NAMES)
def test_nothing_is_run(name, trap):
    command, ran = trap
    with pytest.raises(Exception, match=r'asks for|persistent|numbers'):
        pickles.load(hostile(command)[name])
    assert not ran()


@pytest.mark.parametrize('name', ['system', 'eval', 'inst', 'stack'])
def test_these_pickles_are_hostile(name, trap):
    command, ran = trap
    pickle.loads(hostile(command)[name])
    assert ran()


def torch_file(path, content):
    """An archive as of ``torch.save``, with a pickle of one's own."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', content)
        archive.writestr('archive/version', '3\n')


@pytest.mark.parametrize('name', NAMES)
def test_files_of_torch_run_nothing(name, trap, tmp_path):
    command, ran = trap
    torch_file(tmp_path / 'file.pt', hostile(command)[name])
    with pytest.raises(Exception, match=r'asks for|unpack|numbers'):
        pickles.load_torch(tmp_path / 'file.pt')
    assert not ran()


@pytest.mark.parametrize('name', ['system', 'object array', 'inst'])
@pytest.mark.parametrize('part', ['x', 'graph'])
def test_planetoid_runs_nothing(name, part, trap, root, tmp_path):
    command, ran = trap
    raw = tmp_path / 'Planetoid' / 'Cora' / 'raw'
    shutil.copytree(Path(root) / 'Planetoid' / 'Cora' / 'raw', raw)
    file = raw / f'ind.cora.{part}'
    file.chmod(0o644)
    file.write_bytes(hostile(command)[name])
    with pytest.raises(UsageError, match=rf'ind\.cora\.{part} cannot be read'):
        datasets.load('cora', tmp_path)
    assert not ran()


@pytest.mark.filterwarnings('ignore:`torch.jit')
@pytest.mark.filterwarnings('ignore:The given NumPy array')
@pytest.mark.parametrize('kind', ['zip', 'legacy', 'script'])
def test_ogb_runs_nothing(kind, trap, root, tmp_path, monkeypatch):
    command, ran = trap
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    folder = tmp_path / 'OGB' / 'ogbg_molesol'
    shutil.copytree(Path(root) / 'OGB' / 'ogbg_molesol', folder)
    file = folder / 'split' / 'scaffold' / 'split_dict.pt'
    if kind == 'script':
        module = torch.jit.trace(torch.nn.Identity(), torch.zeros(1))
        torch.jit.save(module, file)
    else:
        evil = Calls(os.system, command)
        new = kind == 'zip'
        torch.save(evil, file, _use_new_zipfile_serialization=new)
    processed = folder / 'processed'
    processed.mkdir()
    for name in ('geometric_data_processed', 'pre_transform', 'pre_filter'):
        torch.save(Calls(os.system, command), processed / f'{name}.pt')
    with pytest.raises(UsageError, match=r'split_dict\.pt cannot be read'):
        datasets.load('ogbg-molesol', tmp_path)
    assert not ran()


def test_registered_extensions_are_not_given(trap):
    command, ran = trap
    copyreg.add_extension('posix', 'system', 240)
    try:
        content = pickle.dumps(Calls(os.system, command), 2)
        pickle.loads(content)  # fills the cache of extensions
        assert ran()
        with pytest.raises(pickle.UnpicklingError, match='extension 240'):
            pickles.load(content)
    finally:
        copyreg.remove_extension('posix', 'system', 240)


@pytest.mark.parametrize(
    'named', ['numpy\nndarray', 'copyreg\n_reconstructor']
)
@pytest.mark.parametrize('state', ['}', '(N}V__name__\nVa\nst'])
def test_what_is_admitted_is_not_changed(named, state):
    """State may be set of objects, not of classes and functions."""
    with pytest.raises(pickle.UnpicklingError, match='it changes'):
        pickles.load(f'c{named}\n{state}b.'.encode())


def test_numbers_are_not_taken_for_addresses():
    """A state of numpy's types can say so, which ends the process."""
    build = (
        b'cnumpy\ndtype\n(Vi8\nI0\nI1\ntR(I3\nV<\nNNNI-1\nI-1\nI63\ntb'  # type
    )
    array = b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\nt'
    content = array + b'Vb\ntR(I1\n(I1\nt' + build + b'I00\nVAAAAAAAA\ntb.'
    found = pickles.load(content)
    assert found.tolist() == [0x4141414141414141]
    for name in ('O', 'i8,O', '2i8', 'M8[s]'):
        with pytest.raises(pickle.UnpicklingError, match='numbers or texts'):
            pickles.load(f'cnumpy\ndtype\n(V{name}\nI0\nI1\ntR.'.encode())


@pytest.mark.parametrize(
    'change',
    [
        {'indices': np.array([0, 9], dtype=np.int32)},
        {'indices': np.array([-1, 0], dtype=np.int32)},
        {'indices': np.array([0.0, 1.0])},
        {'indptr': np.array([0, 10**6, 2], dtype=np.int32)},
        {'indptr': np.array([0, 10**6, -5], dtype=np.int32)},
        {'indptr': np.array([0, 2], dtype=np.int32)},
        {'_shape': (3, 2)},
        {'_shape': (-1, 2)},
        {'data': np.ones(1)},
    ],
)
def test_sparse_matrices_do_not_reach_beyond_their_arrays(change):
    matrix = csr_matrix(np.array([[0.0, 3.0], [4.0, 0.0]]))
    found = pickles.load(pickle.dumps(matrix))
    assert found.toarray().tolist() == [[0, 3], [4, 0]]
    matrix.__dict__.update(change)
    with pytest.raises(ValueError, match=r'indices must be|pointers must'):
        pickles.load(pickle.dumps(matrix))


@pytest.mark.parametrize('protocol', range(6))
def test_what_is_meant_is_read(protocol):
    given = {
        'a': [1, 2.5, True, None, 'text', b'bytes', (1, 2), {3}, 1j],
        'b': collections.OrderedDict(x=frozenset({1})),
        'c': collections.defaultdict(list, {1: [2]}),
    }
    arrays = {
        'long': np.arange(6).reshape(2, 3),
        'fortran': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        'big': np.arange(3, dtype='>i4'),
        'bool': np.array([True, False]),
        'text': np.array(['a', 'bcd']),
        'none': np.zeros((0, 4), np.float32),
        'scalar': np.float64(1.5),
    }
    found = pickles.load(pickle.dumps({**given, **arrays}, protocol))
    assert {name: found[name] for name in given} == given
    assert found['c']['new'] == []
    theirs = pickle.loads(pickle.dumps(arrays, protocol))
    for name, array in theirs.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_old_and_new_names_of_numpy():
    for core in ('numpy.core', 'numpy._core'):
        content = pickle.dumps(np.arange(3), 2).replace(
            b'numpy._core', core.encode()
        )
        assert pickles.load(content).tolist() == [0, 1, 2]


@pytest.mark.parametrize('protocol', [2, 4])
def test_graphs_and_tensors_in_files_of_torch(protocol, tmp_path):
    graph = Data(
        x=torch.rand(3, 4)[:, 1:],  # a view
        edge_index=torch.tensor([[0, 1], [1, 2]]),
        mask=torch.tensor([True, False, True]),
        none=torch.zeros(0, 2),
        num_nodes=3,
    )
    both = InMemoryDataset.collate([graph, graph.clone()])
    given = {'one': graph, 'both': both, 'array': np.arange(3)}
    torch.save(given, tmp_path / 'file.pt', pickle_protocol=protocol)
    found = pickles.load_torch(tmp_path / 'file.pt')
    assert found['array'].tolist() == [0, 1, 2]
    for ours, theirs in (
        (found['one'], graph),
        (found['both'][0], both[0]),
    ):
        assert ours.keys() == theirs.keys()
        for key in ('x', 'edge_index', 'mask', 'none'):
            assert torch.equal(ours[key], theirs[key])
            assert ours[key].dtype == theirs[key].dtype
    assert torch.equal(found['both'][1]['x'], both[1]['x'])


def test_tensors_do_not_reach_beyond_their_file(tmp_path):
    file = tmp_path / 'file.pt'
    torch.save({'a': torch.arange(4)}, file)
    with zipfile.ZipFile(file) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    for old, new in ((b'K\x04t', b'K\xfft'), (b'K\x04\x85', b'K\xff\x85')):
        with zipfile.ZipFile(file, 'w') as archive:
            for name, content in members.items():
                archive.writestr(name, content.replace(old, new))
        with pytest.raises((ValueError, RuntimeError), match=r'buf|bounds'):
            pickles.load_torch(file)


def test_memory_follows_the_file():
    """Whatever sizes and places a pickle names."""
    huge = 2**40
    for content in (
        b'\x80\x05\x96' + struct.pack('<Q', huge) + b'ab.',
        b'\x80\x04\x8e' + struct.pack('<Q', huge) + b'ab.',
        pickle.dumps(np.arange(3), 2).replace(
            b'K\x03\x85', b'J\xff\xff\xff\x7f\x85'
        ),
    ):
        with pytest.raises((EOFError, ValueError, IndexError)):
            pickles.load(content)
    assert pickles.load(b'Nr\xff\xff\xff\x7f.') is None  # place 2**31 - 1


def test_published_sums():
    assert len(planetoid.published()) == 24
