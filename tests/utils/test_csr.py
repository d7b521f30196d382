import copy
import io
import pickle
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch_geometric.data import Batch, Data
from torch_geometric.nn import (
    APPNP,
    GCN2Conv,
    GCNConv,
    GraphConv,
    SAGEConv,
)

from pyg_ext.nn import GCN
from pyg_ext.utils import CSRTensor, gcn_adj

DENSE = torch.tensor(
    [[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [3.0, 0.0, 4.0], [0.0, 5.0, 0.0]],
    dtype=torch.double,
)
SYMMETRIC = torch.tensor(
    [[1.0, 2.0, 0.0], [2.0, 0.0, 3.0], [0.0, 3.0, 0.0]], dtype=torch.double
)
X = torch.arange(6.0, dtype=torch.double).view(3, 2)


def test_written_out_product():
    matrix = CSRTensor.from_dense(DENSE)
    expected = [[4.0, 6.0], [0.0, 0.0], [16.0, 23.0], [10.0, 15.0]]
    assert (matrix @ X).tolist() == expected
    assert matrix.t().to_dense().tolist() == DENSE.t().tolist()
    assert matrix.t().t().to_dense().tolist() == DENSE.tolist()


@pytest.mark.parametrize(
    'multiply', [torch.matmul, torch.mm, torch.sparse.mm, torch.Tensor.matmul]
)
@pytest.mark.parametrize('dense', [DENSE, SYMMETRIC])
def test_gradients_equal_the_dense_product(multiply, dense):
    def product(x):
        return multiply(CSRTensor.from_dense(dense), x)

    x = X.clone().requires_grad_()
    assert torch.autograd.gradcheck(product, x)
    assert torch.autograd.gradgradcheck(product, x)
    assert torch.equal(product(x), dense @ x)


def test_symmetric_matrix_is_stored_once():
    matrix = CSRTensor.from_dense(SYMMETRIC)
    assert matrix.is_symmetric
    assert matrix._transpose is matrix._matrix
    assert not CSRTensor.from_dense(DENSE).is_symmetric
    # A symmetric pattern alone is not enough:
    skew = SYMMETRIC.clone()
    skew[0, 1] = 7.0
    assert not CSRTensor.from_dense(skew).is_symmetric


def test_with_values_keeps_rows_and_columns_in_step():
    matrix = CSRTensor.from_dense(SYMMETRIC)
    new = matrix.with_values(torch.arange(1.0, 6.0, dtype=torch.double))
    assert not new.is_symmetric
    expected = [[1.0, 2.0, 0.0], [3.0, 0.0, 4.0], [0.0, 5.0, 0.0]]
    assert new.to_dense().tolist() == expected
    assert new.t().to_dense().t().tolist() == expected


def test_repeated_coordinates_are_summed():
    index = torch.tensor([[0, 0, 1], [1, 1, 0]])
    matrix = CSRTensor.from_coo(index, torch.tensor([1.0, 2.0, 5.0]), (2, 3))
    assert matrix.to_dense().tolist() == [[0.0, 3.0, 0.0], [5.0, 0.0, 0.0]]


@pytest.mark.parametrize('size', [(0, 0), (1, 1), (3, 0), (0, 3), (4, 2)])
def test_empty(size):
    matrix = CSRTensor.from_dense(torch.zeros(size))
    out = matrix @ torch.ones(size[1], 2)
    assert out.tolist() == torch.zeros(size[0], 2).tolist()


def test_linear_takes_sparse_features():
    layer = torch.nn.Linear(3, 2).double()
    out = layer(CSRTensor.from_dense(DENSE))
    out.sum().backward()
    sparse = [p.grad.clone() for p in layer.parameters()]
    layer.zero_grad()
    expected = layer(DENSE)
    expected.sum().backward()
    assert torch.allclose(out, expected)
    for ours, theirs in zip(sparse, layer.parameters(), strict=True):
        assert torch.allclose(ours, theirs.grad)


LAYERS = {
    'GCNConv': lambda: GCNConv(5, 5, normalize=False),
    'GraphConv': lambda: GraphConv(5, 5),
    'GraphConv mean': lambda: GraphConv(5, 5, aggr='mean'),
    'SAGEConv max': lambda: SAGEConv(5, 5, aggr='max'),
    'APPNP': lambda: APPNP(K=4, alpha=0.2, normalize=False),
}


@pytest.mark.parametrize('name', LAYERS)
def test_layers_of_pyg_take_it(name, graph):
    """The same output and gradients as PyG's own sparse path."""
    torch.manual_seed(0)
    layer = LAYERS[name]().double()
    plain = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double).plain()
    results = []
    for adj in (CSRTensor.from_csr(plain), plain):
        x = graph.x.clone().requires_grad_()
        out = layer(x, adj)
        out.square().sum().backward()
        results.append((out.detach(), x.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12)


def test_gcn2_conv_equals_edge_index(graph):
    layer = GCN2Conv(5, alpha=0.3, theta=0.5, layer=2, normalize=True).double()
    expected = layer(graph.x, graph.x, graph.edge_index)
    layer.normalize = False
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    assert torch.allclose(layer(graph.x, graph.x, adj), expected)


def test_other_functions_see_a_plain_tensor():
    matrix = CSRTensor.from_dense(DENSE)
    assert type(matrix.values()) is torch.Tensor
    assert type(matrix.to_dense()) is torch.Tensor
    assert type(matrix.to_sparse_coo()) is torch.Tensor
    assert matrix.values().tolist() == [2.0, 3.0, 4.0, 5.0]
    assert (matrix @ X[:, 0]).tolist() == (DENSE @ X[:, 0]).tolist()


def test_conversions_take_both_halves_along():
    matrix = CSRTensor.from_dense(DENSE)
    for other in (matrix.float(), matrix.to(torch.float)):
        assert isinstance(other, CSRTensor)
        assert other.dtype == other.t().dtype == torch.float
    for same in (matrix.clone(), matrix.cpu(), matrix.to('cpu')):
        assert isinstance(same, CSRTensor)
        assert same.to_dense().tolist() == DENSE.tolist()
    assert CSRTensor.from_dense(SYMMETRIC).float().is_symmetric


def test_rows():
    x = torch.rand(5, 4) * (torch.rand(5, 4) < 0.5)
    index = torch.tensor([3, 0, 3, 4])
    rows = CSRTensor.from_dense(x).index_select(0, index)
    assert type(rows) is CSRTensor
    assert torch.equal(rows.to_dense(), x[index])
    assert torch.equal(rows.t().to_dense(), x[index].t())
    none = CSRTensor.from_dense(x).index_select(0, index[:0])
    assert none.to_dense().shape == (0, 4)
    weight = torch.rand(4, 2, requires_grad=True)
    CSRTensor.from_dense(x).index_select(0, index).matmul(
        weight
    ).sum().backward()
    expected = x[index].sum(0).unsqueeze(1).expand(4, 2)
    assert torch.allclose(weight.grad, expected)
    for wrong in (-2, 5):
        with pytest.raises(IndexError, match=f'rows 0 to 4 .*{wrong}'):
            CSRTensor.from_dense(x).index_select(0, torch.tensor([wrong]))


def test_arguments_by_name():
    matrix = CSRTensor.from_dense(DENSE)
    weight = X.clone().requires_grad_()
    for out in (
        torch.mm(matrix, mat2=weight),
        torch.mm(input=matrix, mat2=weight),
        torch.matmul(matrix, other=weight),
        torch.nn.functional.linear(input=matrix, weight=weight.t()),
    ):
        assert torch.equal(out, DENSE @ X)
        assert out.requires_grad
    added = torch.add(torch.zeros_like(DENSE), other=matrix)
    assert torch.equal(added.to_dense(), DENSE)


def test_copies():
    for dense in (DENSE, SYMMETRIC):
        matrix = CSRTensor.from_dense(dense)
        file = io.BytesIO()
        torch.save(matrix, file)
        file.seek(0)
        for other in (
            copy.copy(matrix),
            copy.deepcopy(matrix),
            pickle.loads(pickle.dumps(matrix)),
            torch.load(file, weights_only=True),
            matrix.detach(),
        ):
            assert isinstance(other, CSRTensor)
            assert other.to_dense().tolist() == dense.tolist()
            assert other.is_symmetric == matrix.is_symmetric
            other.with_values(torch.zeros_like(other.values()))


def test_in_data_through_a_file(graph):
    graph.adj_t = gcn_adj(graph.edge_index)
    file = io.BytesIO()
    torch.save(graph, file)
    file.seek(0)
    other = torch.load(file, weights_only=True)
    assert type(other.adj_t) is CSRTensor
    assert torch.equal(other.adj_t.to_dense(), graph.adj_t.to_dense())
    assert torch.equal(other.x, graph.x)


@pytest.mark.parametrize('half', [torch.half, torch.bfloat16])
def test_half_types(half):
    """Sums in float32, results in the type of the features."""
    x = X.to(half).requires_grad_()
    for matrix in (CSRTensor.from_dense(DENSE).to(half), DENSE.float()):
        matrix = (
            matrix if matrix.is_sparse_csr else CSRTensor.from_dense(matrix)
        )
        out = matrix @ x
        assert out.dtype == half
        assert out.tolist() == (DENSE @ X).tolist()
        (grad,) = torch.autograd.grad(out.sum(), x)
        assert grad.tolist() == DENSE.sum(0).view(3, 1).expand(3, 2).tolist()


@pytest.mark.parametrize('half', [torch.half, torch.bfloat16])
def test_autocast(half):
    matrix, weight = CSRTensor.from_dense(DENSE.float()), X.float()
    layer = torch.nn.Linear(3, 2, bias=False)
    with torch.autocast('cpu', half):
        assert (matrix @ weight.to(half)).dtype == half
        assert (matrix @ weight).tolist() == (DENSE @ X).tolist()
        out = layer(matrix)
    assert torch.allclose(out, layer(DENSE.float()))
    out.sum().backward()
    assert layer.weight.grad.dtype == torch.float


def test_other_types_of_features():
    matrix = CSRTensor.from_dense(DENSE.float())
    assert (matrix @ X).dtype == torch.double
    assert (matrix @ X).tolist() == (DENSE @ X).tolist()


def test_repr():
    assert repr(CSRTensor.from_dense(DENSE)) == (
        'CSRTensor(size=(4, 3), nnz=4, dtype=torch.float64, symmetric=False, '
        'normalization=None)'
    )


def test_errors():
    with pytest.raises(ValueError, match='two-dimensional CSR tensor'):
        CSRTensor.from_csr(DENSE)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # PyTorch calls the layout beta
        beyond = torch.sparse_csr_tensor([0, 1, 2], [0, 7], [1.0, 1.0], (2, 3))
    with pytest.raises(ValueError, match=r'no CSR tensor.*col_indices'):
        CSRTensor.from_csr(beyond)
    with pytest.raises(ValueError, match='must be constant'):
        CSRTensor.from_csr(DENSE.to_sparse_csr().requires_grad_())
    with pytest.raises(RuntimeError, match='size'):
        CSRTensor.from_coo(torch.tensor([[3], [0]]), torch.ones(1), (2, 2))


def test_dropout_of_an_adjacency_keeps_its_gradient_right(graph):
    """A dropped symmetric matrix is no longer symmetric."""
    torch.manual_seed(0)
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    dropped = F.dropout(adj, 0.5)
    x = graph.x.clone().requires_grad_()
    (dropped @ x).square().sum().backward()
    ours = x.grad.clone()
    x.grad = None
    (dropped.to_dense() @ x).square().sum().backward()
    assert torch.allclose(ours, x.grad)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
@pytest.mark.parametrize('dense', [DENSE, SYMMETRIC])
def test_cuda(dense):
    matrix = CSRTensor.from_dense(dense).to('cuda')
    x = X.clone().cuda().requires_grad_()
    (matrix @ x).square().sum().backward()
    y = X.clone().requires_grad_()
    (dense @ y).square().sum().backward()
    assert torch.allclose(x.grad.cpu(), y.grad)
    assert F.dropout(matrix, 0.5).is_cuda


KEEPING = {
    'detach': lambda a: a.detach(),
    'clone': lambda a: a.clone(),
    'cast': lambda a: a.float(),
    'to': lambda a: a.to('cpu', torch.double),
    'copy': copy.deepcopy,
    'pickle': lambda a: pickle.loads(pickle.dumps(a)),
    'to_sparse_csr': lambda a: a.to_sparse_csr(),
    'transpose': lambda a: a.t(),
    'dropout': lambda a: F.dropout(a, 0.0),
    'loader': lambda a: next(
        iter(torch.utils.data.DataLoader([a], batch_size=None))
    ),
}


@pytest.mark.parametrize('way', KEEPING)
def test_a_normalized_matrix_still_says_so(graph, way):
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    other = KEEPING[way](adj)
    assert type(other) is CSRTensor
    assert other.normalization == 'gcn'
    assert torch.allclose(other.to_dense(), adj.to_dense().to(other.dtype))


LOSING = {
    'scale': lambda a: a * 1,
    'by name': lambda a: torch.mul(input=a, other=2),
    'second': lambda a: torch.add(a.plain(), other=a),
    'add': lambda a: a + a,
    'to_sparse_coo': lambda a: a.to_sparse_coo(),
    'to_sparse': lambda a: a.to_sparse(),
    'rows': lambda a: a.index_select(0, torch.arange(8)),
    'product': lambda a: a @ a,
}


@pytest.mark.parametrize('way', LOSING)
def test_a_normalized_matrix_does_not_forget(graph, way):
    adj = gcn_adj(graph.edge_index, num_nodes=8)
    with pytest.raises(RuntimeError, match=r'normalized \(gcn\)'):
        LOSING[way](adj)
    plain = adj.plain()
    assert type(plain) is torch.Tensor
    assert torch.equal(plain.to_dense(), adj.to_dense())


def test_in_a_batch(graph):
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    data = Data(x=graph.x, adj_t=adj)
    batch = Batch.from_data_list([data, data])
    assert type(batch.adj_t) is torch.Tensor
    dense = torch.block_diag(adj.to_dense(), adj.to_dense())
    assert torch.equal(batch.adj_t.to_dense(), dense)
    torch.manual_seed(0)
    model = GCN(5, 8, 2, 2).double()
    with pytest.warns(UserWarning, match='looks as if it were normalized'):
        model(batch.x, batch.adj_t)
    model.normalize = False
    out = model(graph.x, adj)
    assert torch.allclose(model(batch.x, batch.adj_t), torch.cat([out, out]))


def test_directed_normalized_matrix_has_no_transpose(graph):
    adj = gcn_adj(graph.edge_index[:, :9], num_nodes=8)
    with pytest.raises(RuntimeError, match=r't would lose .*normalized'):
        adj.t()


CHANGES = {
    'mul_': lambda a: a.mul_(2.0),
    'zero_': lambda a: a.zero_(),
    'requires_grad_': lambda a: a.requires_grad_(),
    'requires_grad': lambda a: setattr(a, 'requires_grad', True),
}


@pytest.mark.parametrize('way', CHANGES)
def test_it_is_constant(way):
    matrix = CSRTensor.from_dense(SYMMETRIC)
    with pytest.raises(RuntimeError, match='CSRTensor, which is constant'):
        CHANGES[way](matrix)
    assert torch.equal(matrix.to_dense(), SYMMETRIC)
    assert not matrix.requires_grad


def test_what_layers_ask_is_as_of_the_plain_matrix():
    matrix = CSRTensor.from_dense(torch.eye(3)[:2])
    plain = matrix.plain()
    assert matrix.size() == matrix.shape == plain.size()
    assert matrix.size(0) == matrix.size(dim=0) == plain.size(0)
    assert matrix.size(-1) == plain.size(-1)
    assert matrix.layout == plain.layout
    assert matrix.is_cuda == plain.is_cuda
