"""Pickles and files of torch that hold numbers and plain containers, read
without running what else they may ask for.

A pickle is a program: it names functions and calls them. Here it may name
what stands in :data:`ADMITTED` and nothing else, neither other members of the
same modules nor members of members; and what stands there takes numbers only.
"""

import collections
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage

from .archives import check_zip
from .graphs import csr

KINDS = 'biufcSU'  # of numpy's types: numbers and texts of a fixed length


class _Type:
    """Stands for ``numpy.dtype``, of which a state may be set that makes
    numbers pass for addresses.
    """

    def __init__(self, name: str, *flags: Any):
        self.dtype = np.dtype(str(name))
        if self.dtype.kind not in KINDS:
            raise pickle.UnpicklingError(
                f'arrays must hold numbers or texts (got {name})'
            )

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array that is filled with numbers only."""

    def __new__(cls) -> '_Array':
        return super().__new__(cls, 0, np.int8)

    def __setstate__(self, state: tuple) -> None:
        *_, shape, kind, fortran, content = state
        super().__setstate__(
            (1, shape, kind.dtype, bool(fortran), _raw(content))
        )


class _Matrix(csr_matrix):
    """A sparse matrix whose indices are in range."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        parts = (state[name] for name in ('data', 'indices', 'indptr'))
        self.__dict__.update(vars(csr(*parts, state['_shape'])))


def _raw(content: bytes | bytearray | str) -> bytes:
    if isinstance(content, str):  # of Python 2
        return content.encode('latin1')
    if not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError(
            f'arrays must hold bytes (got {type(content).__name__})'
        )
    return bytes(content)


def _array(*_: Any) -> _Array:
    return _Array()


def _from_buffer(
    content: bytes, kind: _Type, shape: tuple[int, ...], order: str
) -> np.ndarray:
    flat = np.frombuffer(bytearray(_raw(content)), kind.dtype)
    return flat.reshape(shape, order=order)


def _scalar(kind: _Type, content: bytes) -> np.generic:
    return np.frombuffer(_raw(content), kind.dtype, count=1)[0]


def _encode(text: str, encoding: str) -> bytes:
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'bytes are latin1 (got {encoding})')
    return text.encode('latin1')


def _nothing() -> bytes:
    """How Python 3 writes no bytes for Python 2."""
    return b''


def _new(kind: type, base: type, state: None) -> Any:
    """How Python 2 makes objects whose state follows."""
    if kind is not _Matrix or base is not object:
        raise pickle.UnpicklingError(f'no {kind.__name__} is made this way')
    return kind.__new__(kind)


def _tensor(
    flat: Tensor, offset: int, size: tuple, stride: tuple, *_: Any
) -> Tensor:
    return flat.as_strided(size, stride, offset)


def _admitted() -> dict[tuple[str, str], Any]:
    """What a pickle may name, by module and name, and what that is here."""
    out = {
        ('collections', 'OrderedDict'): collections.OrderedDict,
        ('collections', 'defaultdict'): collections.defaultdict,
        ('_codecs', 'encode'): _encode,
        ('copy_reg', '_reconstructor'): _new,
        ('copyreg', '_reconstructor'): _new,
        ('numpy', 'ndarray'): _Array,
        ('numpy', 'dtype'): _Type,
        ('torch._utils', '_rebuild_tensor_v2'): _tensor,
        ('torch_geometric.data.data', 'Data'): Data,
        ('torch_geometric.data.data', 'DataEdgeAttr'): DataEdgeAttr,
        ('torch_geometric.data.data', 'DataTensorAttr'): DataTensorAttr,
        ('torch_geometric.data.storage', 'GlobalStorage'): GlobalStorage,
    }
    plain = (list, dict, set, frozenset, tuple, int, float, bool, complex)
    for kind in (*plain, object):
        for module in ('builtins', '__builtin__'):  # of Python 3 and 2
            out[module, kind.__name__] = kind
            out[module, 'bytes'] = _nothing
    for core in ('numpy.core', 'numpy._core'):  # before numpy 2, and since
        out[f'{core}.multiarray', '_reconstruct'] = _array
        out[f'{core}.multiarray', 'scalar'] = _scalar
        out[f'{core}.numeric', '_frombuffer'] = _from_buffer
    for module in ('csr', '_csr'):  # before scipy 1.8, and since
        out[f'scipy.sparse.{module}', 'csr_matrix'] = _Matrix
    for name, kind in {
        'Bool': torch.bool,
        'Byte': torch.uint8,
        'Char': torch.int8,
        'Short': torch.int16,
        'Int': torch.int32,
        'Long': torch.int64,
        'Half': torch.float16,
        'BFloat16': torch.bfloat16,
        'Float': torch.float32,
        'Double': torch.float64,
    }.items():
        out['torch', f'{name}Storage'] = kind
    return out


ADMITTED = _admitted()


# Python's own, whose memory follows the file, and not a number in it.
class _Unpickler(pickle._Unpickler):
    dispatch: ClassVar[dict[int, Callable]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(
                f'it asks for {module}.{name}, which is neither a number nor '
                f'a plain container, and is not given'
            )
        return ADMITTED[module, name]

    def get_extension(self, code: int) -> None:
        raise pickle.UnpicklingError(f'it asks for extension {code}')

    def load_build(self) -> None:
        changed = self.stack[-2]
        if any(changed is given for given in ADMITTED.values()):
            raise pickle.UnpicklingError(f'it changes {changed}')
        super().load_build()

    def load_bytearray8(self) -> None:
        [size] = struct.unpack('<Q', self.read(8))
        self.append(bytearray(self.read(size)))

    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


class _TorchUnpickler(_Unpickler):
    """Finds the numbers of tensors in an archive."""

    def __init__(self, archive: zipfile.ZipFile, inside: str):
        content = archive.read(f'{inside}/data.pkl')
        super().__init__(io.BytesIO(content), encoding='utf-8')
        self._archive, self._inside = archive, inside
        self._found: dict[str, Tensor] = {}

    def persistent_load(self, key: tuple) -> Tensor:
        _, dtype, name, _, size = key
        if name not in self._found:
            content = self._archive.read(f'{self._inside}/data/{name}')
            flat = torch.empty(0, dtype=dtype)
            if size:
                flat = torch.frombuffer(
                    bytearray(content), dtype=dtype, count=size
                )
            self._found[name] = flat
        return self._found[name]


def load(content: bytes) -> Any:
    """What a pickle holds, of Python 2 or 3.

    Raises:
        pickle.UnpicklingError: If it asks for anything that is not admitted.
        Exception: Of any kind, if it is damaged.
    """
    return _Unpickler(io.BytesIO(content), encoding='latin1').load()


def load_torch(path: Path) -> Any:
    """What ``torch.save`` wrote to a file: tensors, arrays, graphs of PyG.

    Raises:
        pickle.UnpicklingError: If it asks for anything that is not admitted.
        Exception: Of any kind, if it is damaged or no archive.
    """
    with zipfile.ZipFile(path) as archive:
        check_zip(archive, path)
        names = [n for n in archive.namelist() if n.endswith('/data.pkl')]
        if len(names) != 1:
            raise ValueError('it is not what torch.save writes')
        return _TorchUnpickler(archive, names[0].rpartition('/')[0]).load()
