import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data.data import Data, DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage

from pyg_ext.utils.dropout import dropout


def _csr(
    crow: Tensor,
    col: Tensor,
    value: Tensor,
    size: torch.Size,
    check: bool = False,
) -> Tensor:
    with warnings.catch_warnings():  # PyTorch calls the layout beta
        warnings.filterwarnings('ignore', 'Sparse CSR tensor support')
        return torch.sparse_csr_tensor(
            crow, col, value, size, check_invariants=check
        )


def _multiply(matrix: Tensor, x: Tensor) -> Tensor:
    """The product in the type of ``x``, whatever autocast does with dense
    ones; PyTorch has none of half types on the CPU.
    """
    if torch.is_autocast_enabled(x.device.type):
        with torch.autocast(x.device.type, enabled=False):
            return _multiply(matrix, x)
    if x.device.type == 'cpu' and x.dtype.itemsize < 4:
        return (matrix.float() @ x.float()).to(x.dtype)
    matrix = matrix.to(x.dtype)
    if x.dim() != 2 or x.device.type != 'cpu':
        return matrix @ x
    # The same as `matrix @ x`, which copies these zeros first:
    out = x.new_zeros(matrix.size(0), x.size(1))
    return torch.addmm(out, matrix, x, beta=0.0, out=out)


class _Product(torch.autograd.Function):
    """``matrix @ x``, whose backward multiplies by the stored transpose."""

    @staticmethod
    def forward(
        ctx: Any, matrix: Tensor, transpose: Tensor, x: Tensor
    ) -> Tensor:
        ctx.matrix, ctx.transpose = matrix, transpose
        return _multiply(matrix, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, Tensor]:
        return None, None, _Product.apply(ctx.transpose, ctx.matrix, grad)


class CSRTensor(Tensor):
    r"""A constant sparse matrix that keeps its transpose at hand.

    It is a :class:`torch.Tensor` of layout :obj:`torch.sparse_csr`, so every
    PyG layer that takes a sparse adjacency takes it, and every layer that
    starts with a linear map takes sparse node features.
    What it changes:

    * A product with a dense matrix is differentiated by a product with the
      stored transpose, where PyTorch transposes the matrix in every backward
      pass. A symmetric matrix is its own transpose and is stored once.
    * :func:`torch.nn.functional.dropout` and :func:`pyg_ext.utils.dropout`
      drop stored entries only.
    * :func:`torch.nn.functional.linear` multiplies sparse by dense.
    * :meth:`torch.Tensor.index_select` selects rows.

    Any other function sees a plain CSR tensor and returns one.
    No gradient reaches the entries of the matrix.

    A normalized adjacency says so in :obj:`normalization`. It can be
    multiplied, copied, cast, moved and stored; what would make another matrix
    of it, which could not say so, is a :class:`RuntimeError`. :meth:`plain`
    gives a plain tensor.

    Args:
        matrix (torch.Tensor): CSR tensor of shape :math:`(N, M)`.
        transpose (torch.Tensor): Its transpose, CSR of shape :math:`(M, N)`;
            :obj:`matrix` itself where that is symmetric.
        order (torch.Tensor): For each stored entry of :obj:`transpose` its
            position in :obj:`matrix`, of shape :math:`(\text{nnz})`.
        normalization (str, optional): What the entries are:
            :obj:`'gcn'` by :func:`~pyg_ext.utils.gcn_adj`, :obj:`'mean'` by
            :func:`~pyg_ext.utils.mean_adj`. (default: :obj:`None`)

    Use :meth:`from_coo`, :meth:`from_csr` or :meth:`from_dense` to build one.
    """

    _matrix: Tensor
    _transpose: Tensor
    _order: Tensor
    normalization: str | None

    @staticmethod
    def __new__(
        cls,
        matrix: Tensor,
        transpose: Tensor,
        order: Tensor,
        normalization: str | None = None,
    ) -> 'CSRTensor':
        out = Tensor._make_subclass(cls, matrix)
        out._matrix, out._transpose, out._order = matrix, transpose, order
        out.normalization = normalization
        return out

    @classmethod
    def from_csr(cls, matrix: Tensor) -> 'CSRTensor':
        """Builds one from a CSR tensor of shape :math:`(N, M)`.

        Raises:
            ValueError: If :obj:`matrix` is no CSR tensor, names rows or
                columns that it does not have, or its entries require
                gradients, which would be lost.
        """
        if matrix.layout != torch.sparse_csr or matrix.dim() != 2:
            raise ValueError(
                f'matrix must be a two-dimensional CSR tensor (got '
                f'{matrix.dim()} dimensions of layout {matrix.layout})'
            )
        if matrix.requires_grad:
            raise ValueError(
                'matrix must be constant (got one that requires gradients); '
                'give `edge_index` and `edge_weight` to the layer instead'
            )
        parts = (
            matrix.crow_indices(),
            matrix.col_indices(),
            matrix.values(),
        )
        try:  # PyTorch does not look when it makes one
            _csr(*parts, matrix.size(), check=True)
        except RuntimeError as error:
            raise ValueError(f'matrix is no CSR tensor: {error}') from error
        return cls._of(matrix)

    @classmethod
    def _of(
        cls, matrix: Tensor, normalization: str | None = None
    ) -> 'CSRTensor':
        num_rows, num_cols = matrix.size()
        crow, col, value = (
            matrix.crow_indices(),
            matrix.col_indices(),
            matrix.values(),
        )
        row = torch.repeat_interleave(crow.diff())  # [nnz]
        order = torch.argsort(col, stable=True)  # [nnz]
        crow_t = torch.zeros(num_cols + 1, dtype=crow.dtype).to(col.device)
        crow_t[1:] = torch.bincount(col, minlength=num_cols).cumsum(0)
        col_t, value_t = row[order], value[order]
        symmetric = (
            num_rows == num_cols
            and torch.equal(crow_t, crow)
            and torch.equal(col_t, col)
            and torch.equal(value_t, value)
        )
        size_t = torch.Size((num_cols, num_rows))
        transpose = (
            matrix if symmetric else _csr(crow_t, col_t, value_t, size_t)
        )
        return cls(matrix, transpose, order, normalization)

    @classmethod
    def from_coo(
        cls,
        index: Tensor,
        value: Tensor,
        size: tuple[int, int],
        normalization: str | None = None,
    ) -> 'CSRTensor':
        r"""Builds a matrix from coordinates; repeated ones are summed.

        Args:
            index (torch.Tensor): Rows and columns, of shape
                :math:`(2, \text{nnz})`.
            value (torch.Tensor): Entries, of shape :math:`(\text{nnz})`.
            size (tuple): The shape :math:`(N, M)`.
            normalization (str, optional): What the entries are, as above.
                (default: :obj:`None`)
        """
        coo = torch.sparse_coo_tensor(
            index, value, size, check_invariants=True
        ).coalesce()
        row, col = coo.indices()
        crow = torch.zeros(size[0] + 1, dtype=row.dtype, device=row.device)
        crow[1:] = torch.bincount(row, minlength=size[0]).cumsum(0)
        return cls._of(
            _csr(crow, col, coo.values(), coo.size()), normalization
        )

    @classmethod
    def from_dense(cls, x: Tensor) -> 'CSRTensor':
        """Keeps the non-zero entries of a dense :math:`(N, M)` matrix."""
        index = x.nonzero().t()
        return cls.from_coo(index, x[index[0], index[1]], tuple(x.size()))

    def with_values(self, value: Tensor) -> 'CSRTensor':
        r"""The same pattern with other entries, :math:`(\text{nnz})`."""
        matrix, transpose = self._matrix, self._transpose
        return CSRTensor(
            _csr(
                matrix.crow_indices(),
                matrix.col_indices(),
                value,
                matrix.size(),
            ),
            _csr(
                transpose.crow_indices(),
                transpose.col_indices(),
                value.index_select(0, self._order),  # faster than [...]
                transpose.size(),
            ),
            self._order,
            self.normalization,
        )

    def plain(self) -> Tensor:
        """The same matrix as a plain :obj:`torch.sparse_csr` tensor, which
        does not say that it is normalized: give it to models built with
        :obj:`normalize=False`.
        """
        return self._matrix

    @property
    def is_symmetric(self) -> bool:
        """Whether the matrix is stored as its own transpose."""
        return self._transpose is self._matrix

    # What PyG asks in each layer, without the way through __torch_function__:
    @property
    def layout(self) -> torch.layout:
        return torch.sparse_csr

    @property
    def is_cuda(self) -> bool:
        return self._matrix.is_cuda

    def size(self, *args: Any, **kwargs: Any) -> Any:
        return self._matrix.size(*args, **kwargs)

    @classmethod
    def __torch_function__(
        cls,
        func: Callable,
        types: Any,
        args: tuple = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = {**(kwargs or {})}
        if not args and 'input' in kwargs:  # the first, by its name
            args = (kwargs.pop('input'),)
        if func in _HANDLERS and args and isinstance(args[0], CSRTensor):
            out = _HANDLERS[func](*args, **kwargs)
            if out is not NotImplemented:
                return out
        name = getattr(func, '__name__', str(func))
        changes = name in _CHANGES or (
            name.endswith('_') and not name.endswith('__')
        )
        none = len(args) == 2 and args[1] is False  # as requires_grad_(False)
        if changes and not none and isinstance(args[0], CSRTensor):
            raise RuntimeError(
                f'{name} would change a CSRTensor, which is constant: make '
                f'another one with with_values'
            )
        with torch._C.DisableTorchFunctionSubclass():
            out = func(
                *[_plain(given) for given in args],
                **{key: _plain(given) for key, given in kwargs.items()},
            )
        for given in (*args, *kwargs.values()):
            if isinstance(given, CSRTensor):
                given._check_known(name, out)
        return out

    def _check_known(self, name: str, out: Any) -> None:
        """Raises an error if a matrix would not say that it is normalized."""
        sparse = isinstance(out, Tensor) and out.layout != torch.strided
        if self.normalization and sparse:
            raise RuntimeError(
                f'{name} would lose that this matrix is normalized '
                f'({self.normalization}), so that it might be normalized '
                f'again: take matrix.plain(), and give what comes of it to a '
                f'model with normalize=False'
            )

    def __deepcopy__(self, memo: dict[int, Any]) -> 'CSRTensor':
        if id(self) not in memo:  # PyTorch cannot copy plain CSR tensors
            memo[id(self)] = self.clone()
        return memo[id(self)]

    def __reduce_ex__(self, protocol: int) -> tuple:
        parts = self._matrix, self._transpose, self._order
        return CSRTensor, (*parts, self.normalization)

    def __repr__(self, **kwargs: Any) -> str:
        return (
            f'{self.__class__.__name__}(size={tuple(self.size())}, '
            f'nnz={self._order.numel()}, dtype={self.dtype}, '
            f'symmetric={self.is_symmetric}, '
            f'normalization={self.normalization})'
        )


def _plain(given: Any) -> Any:
    return given._matrix if isinstance(given, CSRTensor) else given


def _matmul(matrix: CSRTensor, *args: Any, **kwargs: Any) -> Any:
    other, *more = *args, *kwargs.values()  # `other` or `mat2`
    dense = type(other) is not CSRTensor and other.layout == torch.strided
    if more or not dense or other.dim() != 2:
        return NotImplemented
    return _Product.apply(matrix._matrix, matrix._transpose, other)


def _linear(x: CSRTensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    out = _matmul(x, weight.t())
    return out if bias is None else out + bias


def _dropout(
    x: CSRTensor,
    p: float = 0.5,
    training: bool = True,
    generator: torch.Generator | None = None,
) -> CSRTensor:
    if not training:
        return x
    value = dropout(x._matrix.values(), p, generator=generator)
    return x.with_values(value)


def _torch_dropout(
    x: CSRTensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> CSRTensor:
    return _dropout(x, p, training)


def _transpose(x: CSRTensor) -> Any:
    if x.normalization and not x.is_symmetric:
        return NotImplemented
    inverse = torch.empty_like(x._order)
    inverse[x._order] = torch.arange(inverse.numel(), device=inverse.device)
    return CSRTensor(x._transpose, x._matrix, inverse, x.normalization)


def _index_select(x: CSRTensor, dim: int, index: Tensor) -> Any:
    if dim != 0:
        return NotImplemented
    x._check_known('index_select', x)
    if len(index):
        low, high = map(int, index.aminmax())
        if low < 0 or high >= len(x):
            raise IndexError(
                f'index must name rows 0 to {len(x) - 1} (got {low} to {high})'
            )
    first = x.crow_indices()[index]
    number = x.crow_indices()[index + 1] - first
    crow = F.pad(number.cumsum(0), (1, 0))
    place = torch.repeat_interleave(first - crow[:-1], number)
    place += torch.arange(len(place), device=place.device)
    size = torch.Size((len(index), x.size(1)))
    col, value = x.col_indices()[place], x.values()[place]
    return CSRTensor._of(_csr(crow, col, value, size))


def _both(func: Callable) -> Callable:
    """Moves or casts the values and, with the device, the indices."""

    def apply(x: CSRTensor, *args: Any, **kwargs: Any) -> CSRTensor:
        matrix = func(x._matrix, *args, **kwargs)
        transpose = (
            matrix if x.is_symmetric else func(x._transpose, *args, **kwargs)
        )
        order = x._order.to(matrix.device)
        return CSRTensor(matrix, transpose, order, x.normalization)

    return apply


# What torch.load takes, and the classes of PyG's Data: 2.5 names none of them,
# 2.8 forgets three (issue 9727).
torch.serialization.add_safe_globals(
    [CSRTensor, Data, DataEdgeAttr, DataTensorAttr, GlobalStorage]
)

_CHANGES = {
    '__set__',  # an attribute
    '__setitem__',
    *(f'__i{name}__' for name in ('add', 'sub', 'mul', 'div', 'truediv')),
}
_HANDLERS: dict[Callable, Callable] = {
    **dict.fromkeys(
        (
            torch.matmul,
            torch.mm,
            torch.sparse.mm,
            Tensor.matmul,
            Tensor.mm,
            Tensor.__matmul__,
        ),
        _matmul,
    ),
    F.linear: _linear,
    F.dropout: _torch_dropout,
    dropout: _dropout,
    Tensor.index_select: _index_select,
    Tensor.to_sparse_csr: lambda x: x,
    torch.t: _transpose,
    Tensor.t: _transpose,
    **{
        func: _both(func)
        for func in (
            Tensor.to,
            Tensor.cpu,
            Tensor.cuda,
            Tensor.clone,
            Tensor.float,
            Tensor.double,
            Tensor.half,
            Tensor.bfloat16,
            Tensor.detach,
            Tensor.pin_memory,
        )
    },
}
