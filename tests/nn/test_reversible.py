"""Reversible equals plain: outputs and all gradients, whatever is inside."""

import copy
import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch_geometric.nn import GATConv, GCNConv, JumpingKnowledge
from torch_geometric.nn import GroupAddRev as PyGGroupAddRev
from torch_geometric.utils import dropout_edge

from pyg_ext.nn import GroupAddRev, ReversibleSequential, RevGCNConv, RevGNN
from pyg_ext.utils import CSRTensor, gcn_adj

N, C = 12, 8


@pytest.fixture
def edges():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(N, (2, 40), generator=generator)


class Block(nn.Module):
    """Norm, activation, dropout and a convolution."""

    def __init__(self, channels=C // 2, norm=nn.LayerNorm, p=0.5, conv=None):
        super().__init__()
        self.norm = norm(channels)
        self.p = p
        self.conv = conv or GCNConv(channels, channels)

    def reset_parameters(self):
        self.norm.reset_parameters()
        self.conv.reset_parameters()

    def forward(self, x, edge_index, *args):
        x = F.dropout(self.norm(x).relu(), self.p, self.training)
        return self.conv(x, edge_index, *args)


def stack(depth, make=Block, dtype=torch.double, **kwargs):
    torch.manual_seed(0)
    blocks = [make() for _ in range(depth)]
    return ReversibleSequential(blocks, **kwargs).to(dtype)


def features(dtype=torch.double, channels=C):
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(N, channels, generator=generator, dtype=torch.double)
    return x.to(dtype).requires_grad_()


def step(model, x, *args, seed=3):
    """Output and gradients of x and of all parameters."""
    model.zero_grad()
    x.grad = None
    torch.manual_seed(seed)
    out = model(x, *args)
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype)
    (out.square() * weight.view_as(out)).sum().backward()
    grads = [p.grad for p in model.parameters() if p.requires_grad]
    return [out.detach(), x.grad, *grads]


def error(ours, theirs):
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            gap = (a - b).abs().max() / b.abs().max().clamp(min=1e-30)
            worst = max(worst, gap.item())
    return worst


def compare(model, x, *args):
    """Steps with and without reversibility; returns the relative error."""
    ours = [t if t is None else t.clone() for t in step(model, x, *args)]
    model.enabled = False
    theirs = step(model, x, *args)
    model.enabled = True
    return error(ours, theirs)


@pytest.mark.parametrize('depth', [1, 8, 64])
@pytest.mark.parametrize('num_groups', [2, 4])
def test_gradients_with_dropout_and_norm(edges, depth, num_groups):
    model = stack(depth, Block, num_groups=num_groups)
    x = features(channels=C // 2 * num_groups)
    assert compare(model, x, edges) < 1e-10


@pytest.mark.parametrize('checkpoint_every', [1, 3, 5, 100])
def test_checkpoints(edges, checkpoint_every):
    model = stack(10, checkpoint_every=checkpoint_every)
    assert compare(model, features(), edges) < 1e-10


def bare(p=0.0):
    """A block that does not bound its input."""
    norm = nn.Identity()
    norm.reset_parameters = lambda: None
    return Block(norm=lambda channels: norm, p=p)


def test_checkpoints_bound_the_drift(edges):
    errors = {}
    for every in (None, 4):
        model = stack(24, bare, torch.float, checkpoint_every=every)
        errors[every] = compare(model, features(torch.float), edges)
    assert errors[4] < errors[None]


@pytest.mark.parametrize(
    ('dtype', 'factor'), [(torch.float, 2.0), (torch.double, 4.0)]
)
def test_drift_is_an_error(edges, dtype, factor):
    """Too large for any digit to be left, within a segment too."""
    for every in (None, 40):
        model = stack(80, bare, dtype, checkpoint_every=every)
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(factor if p.dim() > 1 else 1.0)
        with pytest.raises(RuntimeError, match='give checkpoint_every'):
            step(model, features(dtype), edges)
    model.checkpoint_every = 1
    assert compare(model, features(dtype), edges) < 1e-3


@pytest.mark.parametrize('split_dim', [0, -1])
def test_split_dim(split_dim):
    class Linear(nn.Linear):
        def forward(self, x):
            return (
                super()
                .forward(x.transpose(0, split_dim))
                .transpose(0, split_dim)
            )

    size = (C, N) if split_dim == 0 else (N, C)
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Tanh(), nn.Dropout(0.3)) for _ in range(3)]
    model = ReversibleSequential(blocks, split_dim=split_dim).double()
    x = torch.randn(size, dtype=torch.double, requires_grad=True)
    assert compare(model, x) < 1e-12


def test_attention_and_edge_dropping(edges):
    class Drop(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = GATConv(C // 2, C // 4, heads=2, dropout=0.4)

        def reset_parameters(self):
            self.conv.reset_parameters()

        def forward(self, x, edge_index):
            edge_index = dropout_edge(edge_index, 0.3, training=self.training)
            return self.conv(x.tanh(), edge_index[0])

    model = stack(6, Drop)
    assert compare(model, features(), edges) < 1e-10


@pytest.mark.parametrize('momentum', [0.1, None])
def test_batch_norm_is_updated_once(edges, momentum):
    def make():
        return Block(
            norm=lambda channels: nn.BatchNorm1d(channels, momentum=momentum)
        )

    model, plain = stack(4, make), stack(4, make, enabled=False)
    for seed in range(3):
        ours = step(model, features(), edges, seed=seed)
        theirs = step(plain, features(), edges, seed=seed)
        assert error(ours, theirs) < 1e-10
    for (name, ours), theirs in zip(
        model.named_buffers(), plain.buffers(), strict=True
    ):
        assert torch.allclose(ours, theirs), name
        if name.endswith('num_batches_tracked'):
            assert ours == 3
    model.eval()
    before = copy.deepcopy(model.state_dict())
    assert compare(model, features(), edges) < 1e-10
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_frozen_and_unused_parameters(edges):
    model = stack(4)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_('1.convs' in name and 'lin' in name)
    assert compare(model, features(), edges) < 1e-10
    model.requires_grad_(False)
    assert compare(model, features(), edges) < 1e-10
    model.requires_grad_(True)
    for layer in model.layers:
        for conv in layer.convs:
            conv.spare = nn.Parameter(torch.ones(3, dtype=torch.double))
    assert compare(model, features(), edges) < 1e-10


def test_shared_parameters(edges):
    torch.manual_seed(0)
    block = Block()
    model = ReversibleSequential([block] * 5).double()
    assert len(list(model.parameters())) == 2 * len(list(block.parameters()))
    assert compare(model, features(), edges) < 1e-10


def test_blocks_without_parameters():
    model = ReversibleSequential([nn.Tanh() for _ in range(6)])
    assert compare(model, features()) < 1e-12
    # and nothing at all that needs a gradient:
    assert not model(features().detach()).requires_grad


def test_input_without_gradient(edges):
    model = stack(4)
    x = features().detach()
    model(x, edges).sum().backward()
    ours = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    model.enabled = False
    torch.manual_seed(0)
    assert all(g.isfinite().all() for g in ours)
    assert x.grad is None


def test_gradients_of_further_arguments(edges):
    """Nothing is guessed by size: as many edges as channels."""
    edges = edges[:, :C]
    weight = torch.rand(C, dtype=torch.double, requires_grad=True)
    model = stack(5)
    ours = step(model, features(), edges, weight)
    ours.append(weight.grad.clone())
    weight.grad = None
    model.enabled = False
    theirs = [*step(model, features(), edges, weight), weight.grad]
    assert error(ours, theirs) < 1e-10


def test_keyword_arguments_and_nesting():
    class Nested(nn.Module):
        def forward(self, x, *, bag):
            return x.tanh() * bag['scale'][0] + bag['name'].count('a')

    scale = torch.rand(C // 2, dtype=torch.double, requires_grad=True)
    model = ReversibleSequential([Nested() for _ in range(3)])
    grads = []
    for enabled in (True, False):
        model.enabled = enabled
        x = features()
        model(x, bag={'scale': (scale,), 'name': 'banana'}).sum().backward()
        grads.append([x.grad, scale.grad])
        scale.grad = None
    assert error(*grads) < 1e-12


@pytest.mark.parametrize('kind', ['csr', 'shared', 'edge_index'])
def test_kinds_of_edges(edges, kind):
    def make():
        return Block(conv=GCNConv(C // 2, C // 2, normalize=False))

    shared = gcn_adj(edges, num_nodes=N, dtype=torch.double)
    adj = {
        'csr': shared.to_dense().to_sparse_csr(),
        'shared': shared,
        'edge_index': edges,
    }[kind]
    assert isinstance(adj, CSRTensor) == (kind == 'shared')
    assert compare(stack(4, make), features(), adj) < 1e-10


@pytest.mark.sparse
@pytest.mark.filterwarnings('ignore:Sparse invariant')  # PyG converts it
def test_sparse_tensor(edges, torch_sparse):
    value = torch.rand(40, dtype=torch.double, requires_grad=True)
    model = stack(4)
    grads = []
    for enabled in (True, False):
        adj = torch_sparse.SparseTensor(
            row=edges[1], col=edges[0], value=value, sparse_sizes=(N, N)
        )
        model.enabled = enabled
        grads.append([*step(model, features(), adj), value.grad])
        value.grad = None
    assert error(*grads) < 1e-10
    assert grads[0][-1] is not None


def test_the_callers_tensors_are_left_alone(edges):
    model = stack(3)
    x = features()
    before = x.detach().clone()
    out = x + model(x, edges) + model(x, edges)  # outer skip, used twice
    out.sum().backward()
    assert torch.equal(x, before)
    model.eval()
    with torch.no_grad():
        model(x, edges)
    assert torch.equal(x, before)
    assert x.untyped_storage().size() == N * C * 8


def test_jumping_knowledge(edges):
    model = stack(6)
    jump = JumpingKnowledge('cat')
    head = nn.Linear(3 * C, 2).double()
    grads = []
    for enabled in (True, False):
        model.enabled = enabled
        x = features()
        torch.manual_seed(3)
        out, states = model(x, edges, return_states=[0, 3, -1])
        assert torch.equal(out, states[2])
        (head(jump(states)).square().sum() + out.sum()).backward()
        grads.append([x.grad, *(p.grad for p in model.parameters())])
        model.zero_grad()
    assert error(*grads) < 1e-10


def test_states_alone(edges):
    """A loss that does not see the output."""
    model = stack(6)
    grads = []
    for enabled in (True, False):
        model.enabled = enabled
        x = features()
        torch.manual_seed(3)
        states = model(x, edges, return_states=[2])[1]
        states[0].square().sum().backward()
        grads.append([x.grad, *(p.grad for p in model.parameters())])
        model.zero_grad()
    for ours, theirs in zip(*grads, strict=True):
        if ours is None or theirs is None:  # layers behind the state
            other = ours if theirs is None else theirs
            assert other is None or not other.any()
        else:
            assert torch.allclose(ours, theirs, rtol=1e-10)


def test_forward_hooks_fire_once_with_the_state(edges):
    model = stack(4)
    seen = []
    handles = [
        layer.register_forward_hook(lambda m, i, out: seen.append(out.clone()))
        for layer in model.layers
    ]
    assert compare(model, features(), edges) < 1e-10
    assert len(seen) == 2 * 4
    assert all(state.size() == (N, C) for state in seen)
    for ours, theirs in zip(seen[:4], seen[4:], strict=True):
        assert torch.allclose(ours, theirs)
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize('disable', [False, True])
def test_forward_hook_of_a_single_block(edges, disable):
    layer = GroupAddRev(Block(), num_groups=2, disable=disable).double()
    seen = []
    layer.register_forward_hook(lambda m, i, out: seen.append(out.size()))
    step(layer, features(), edges)
    assert seen == [(N, C)]


def test_state_hooks(edges):
    model = stack(4)
    seen = {True: [], False: []}
    for enabled, calls in seen.items():
        model.enabled = enabled
        handles = [
            model.register_state_hook(
                i, lambda s, g, calls=calls: calls.append((s.clone(), g))
            )
            for i in (1, -1)
        ]
        step(model, features(), edges)
        for handle in handles:
            handle.remove()
        step(model, features(), edges)
        assert len(calls) == 2  # and none after removal
    for ours, theirs in zip(seen[True], seen[False], strict=True):
        assert error(ours, theirs) < 1e-10


def test_inverse(edges):
    model = stack(16).eval()
    x = features()
    with torch.no_grad():
        back = model.inverse(model(x, edges), edges)
        layer = model.layers[0]
        single = layer.inverse(layer(x, edges), edges)
    assert torch.allclose(back, x, rtol=1e-10)
    assert torch.allclose(single, x, rtol=1e-12)


def test_gradient_accumulation_and_retained_graph(edges):
    model = stack(4)
    once = step(model, features(), edges)
    x = features()
    torch.manual_seed(3)
    out = model(x, edges)
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype)
    loss = (out.square() * weight.view_as(out)).sum()
    model.zero_grad()
    loss.backward(retain_graph=True)
    loss.backward()
    twice = [p.grad / 2 for p in model.parameters()]
    assert error(twice, once[2:]) < 1e-12
    assert torch.allclose(x.grad / 2, once[1])


def test_randomness_goes_on_as_without_it(edges):
    """The replay leaves the stream of random numbers where it was."""
    states = []
    for enabled in (True, False):
        model = stack(4, enabled=enabled)
        step(model, features(), edges)
        states.append(torch.rand(3))
    assert torch.equal(*states)


def test_bfloat16_autocast(edges):
    model = stack(4, dtype=torch.float)
    results = []
    for enabled in (True, False):
        model.enabled = enabled
        model.zero_grad()
        x = features(torch.float)
        torch.manual_seed(3)
        with torch.autocast('cpu', torch.bfloat16):
            out = model(x, edges)
        assert out.dtype == torch.float
        out.square().sum().backward()  # outside, as usual
        results.append([out.detach(), x.grad])
        results[-1] += [p.grad.clone() for p in model.parameters()]
    # The state is float; what differs is rounding of reconstructed inputs.
    assert torch.equal(results[0][0], results[1][0])
    assert error(*results) < 0.1


@pytest.mark.filterwarnings('ignore:The .grad attribute')  # dynamo looks
def test_compiled_blocks(edges):
    torch.manual_seed(0)
    blocks = [Block(p=0.0) for _ in range(3)]
    model = ReversibleSequential(blocks).double()
    expected = step(model, features(), edges)
    for layer in model.layers:
        for conv in layer.convs:
            conv.compile(backend='eager')
    assert error(step(model, features(), edges), expected) < 1e-10


def test_memory_is_freed(edges):
    """Hidden states die with the forward pass; the node with the output."""

    refs = []

    class Spy(Block):
        def forward(self, x, *args):
            out = super().forward(x, *args)
            refs.append(weakref.ref(out))
            return out

    model = stack(5, Spy)
    out = model(features(), edges)
    gc.collect()
    assert len(refs) == 10
    assert all(ref() is None for ref in refs)
    node = weakref.ref(out.grad_fn)
    del out
    gc.collect()
    assert node() is None


def test_one_node_for_the_stack(edges):
    out = stack(20)(features(), edges)
    assert type(out.grad_fn).__name__ == '_ReversibleBackward'
    nodes, todo = set(), [out.grad_fn]
    while todo:
        node = todo.pop()
        if node not in nodes:
            nodes.add(node)
            todo += [n for n, _ in node.next_functions if n is not None]
    kinds = {type(node).__name__ for node in nodes}
    assert kinds == {'_ReversibleBackward', 'AccumulateGrad'}


def test_errors(edges):
    model = stack(2)
    with pytest.raises(ValueError, match='7 channels do not divide into 2'):
        model(features(channels=7), edges)
    with pytest.raises(ValueError, match=r'at least 2 groups \(got 1\)'):
        GroupAddRev(nn.Tanh(), num_groups=1)
    with pytest.raises(ValueError, match=r'at least 2 groups \(got 1\)'):
        GroupAddRev(nn.Tanh())
    with pytest.raises(ValueError, match=r'each of the 2 groups \(got 3\)'):
        ReversibleSequential([[nn.Tanh()] * 3])
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        ReversibleSequential([nn.Tanh()], checkpoint_every=0)
    with pytest.raises(ValueError, match='no layer 2 in a stack of 2'):
        model.register_state_hook(2, print)
    with pytest.raises(ValueError, match='no layer -3 in a stack of 2'):
        model(features(), edges, return_states=[-3])


def test_errors_of_the_backward_pass(edges):
    model = stack(2)
    out = model(features(), edges)
    with pytest.raises(RuntimeError, match='no double backward'):
        torch.autograd.grad(
            out.sum(), list(model.parameters()), create_graph=True
        )
    out = model(features(), edges)
    with torch.no_grad():
        next(model.parameters()).mul_(2.0)
    with pytest.raises(RuntimeError, match='was changed in place'):
        out.sum().backward()
    out = model(features(), edges)
    model.eval()
    with pytest.raises(RuntimeError, match=r'between train\(\) and eval'):
        out.sum().backward()
    model.train()
    out = model(features(), edges)
    out.sum().backward()
    with pytest.raises(RuntimeError, match='backward through the graph'):
        out.sum().backward()


def test_empty_stack():
    x = features()
    assert ReversibleSequential([])(x) is x


def test_lists_of_modules(edges):
    torch.manual_seed(0)
    blocks = [[Block(), Block(p=0.1)] for _ in range(3)]
    model = ReversibleSequential(blocks).double()
    assert model.layers[0].convs[1].p == 0.1
    assert compare(model, features(), edges) < 1e-10


def test_drop_in_for_pyg(edges):
    """The same keys, the same output, and right gradients."""
    torch.manual_seed(0)
    theirs = PyGGroupAddRev(Block(p=0.0), num_groups=2, disable=True).double()
    ours = GroupAddRev(Block(p=0.0), num_groups=2).double()
    ours.load_state_dict(theirs.state_dict())
    x = features()
    out = ours(x, edges)
    out.sum().backward()
    y = features()
    expected = theirs(y, edges)
    expected.sum().backward()
    assert torch.allclose(out, expected, rtol=1e-12)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(p.grad, q.grad)
    first = ours.convs[0].conv.lin.weight
    before = first.detach().clone()
    ours.reset_parameters()
    assert not torch.equal(first, before)
    assert repr(ours).startswith('GroupAddRev(Block(')


def test_disable_equals_reversible(edges):
    layer = GroupAddRev(Block(), num_groups=2).double()
    ours = step(layer, features(), edges)
    ours = [t.clone() for t in ours]
    layer.disable = True
    assert error(ours, step(layer, features(), edges)) < 1e-10


def test_state_dict_and_repr():
    model = stack(3)
    other = stack(3)
    other.reset_parameters()
    other.load_state_dict(model.state_dict())
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)
    assert str(model) == (
        'ReversibleSequential(3 layers, num_groups=2, checkpoint_every=None)'
    )
    assert copy.deepcopy(model).num_groups == 2


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_cuda(edges):
    model = stack(8).cuda()
    x = features().detach().cuda().requires_grad_()
    results = []
    for enabled in (True, False):
        model.enabled = enabled
        model.zero_grad()
        x.grad = None
        torch.manual_seed(3)
        out = model(x, edges.cuda())
        out.square().sum().backward()
        results.append([out, x.grad, *(p.grad for p in model.parameters())])
    assert error(*results) < 1e-10


def _train_one_rank(rank, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    edges = torch.arange(N).repeat(2, 1)
    model = stack(4, lambda: Block(p=0.0))
    x = features().detach() * (rank + 1)
    parallel = nn.parallel.DistributedDataParallel(model)
    parallel(x, edges).square().sum().backward()
    grads = [p.grad.clone() for p in model.parameters()]
    torch.save(grads, folder / f'{rank}.pt')
    del parallel  # which must not outlive the group: their ends may deadlock
    gc.collect()  # it may be in a cycle
    torch.distributed.destroy_process_group()


def test_distributed_data_parallel(tmp_path):
    """Two processes over gloo end with the mean of both gradients."""
    torch.multiprocessing.spawn(_train_one_rank, (tmp_path,), nprocs=2)
    edges = torch.arange(N).repeat(2, 1)
    model = stack(4, lambda: Block(p=0.0), enabled=False)
    for scale in (1, 2):
        out = model(features().detach() * scale, edges)
        (out.square().sum() / 2).backward()
    for rank in (0, 1):
        grads = torch.load(tmp_path / f'{rank}.pt')
        assert error(grads, [p.grad for p in model.parameters()]) < 1e-10


@pytest.mark.parametrize('share', [0.0, 0.005, 0.03, 0.3])
def test_a_block_that_differs_the_second_time(share):
    """Silent up to 1 %, a warning from there on, an error from 5 % on."""
    calls = []

    class Counts(nn.Module):
        def forward(self, x):
            calls.append(x)
            return torch.full_like(x, share * (len(calls) > 1))

    stack = ReversibleSequential([[Counts(), nn.Tanh()]])
    x = torch.ones(50, 2, requires_grad=True)
    out = stack(x).sum()
    if share == 0.3:
        with pytest.raises(RuntimeError, match='did not come back'):
            out.backward()
    elif share == 0.03:
        with pytest.warns(UserWarning, match='give checkpoint_every'):
            out.backward()
    else:
        out.backward()


def test_errors_name_the_block():
    stack = ReversibleSequential([nn.Linear(3, 3) for _ in range(4)])
    out = stack(torch.rand(2, 6)).sum()
    with torch.no_grad():
        stack.layers[2].convs[1].bias += 1.0
    with pytest.raises(
        RuntimeError,
        match=r'bias of Linear \(group 1\) in layer 2 was changed',
    ):
        out.backward()
    loose = torch.ones(3, requires_grad=True)

    class Uses(nn.Module):
        def forward(self, x):
            return x * loose

    stack = ReversibleSequential([nn.Tanh(), Uses()])
    out = stack(torch.rand(2, 6, requires_grad=True)).sum()
    with pytest.raises(RuntimeError, match=r'Uses \(group 1\) in layer 1'):
        out.backward()
    with pytest.raises(ValueError, match=r'Linear \(group 0\) of a'):
        ReversibleSequential([nn.Linear(3, 4)])(torch.rand(2, 6))


def test_number_of_groups_and_of_modules():
    three = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    assert GroupAddRev(three, num_groups=3).num_groups == 3
    with pytest.raises(ValueError, match=r'modules, 3, or None \(got 2\)'):
        GroupAddRev(three, num_groups=2)


def differs(*shares):
    """A module that gives another constant in each call."""
    left = iter(shares)

    class Differs(nn.Module):
        def forward(self, x):
            return torch.full_like(x, next(left))

    return Differs()


def ones(dtype=torch.float):
    return torch.ones(50, 2, dtype=dtype, requires_grad=True)


def test_drift_warns_once_for_each_stack():
    for _ in range(2):
        module = differs(0.0, 0.03, 0.0, 0.03)
        stack = ReversibleSequential([[module, nn.Tanh()]])
        with pytest.warns(UserWarning, match='did not come back'):
            stack(ones()).sum().backward()
        stack(ones()).sum().backward()  # a warning would be an error


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.half])
def test_drift_of_half_types(dtype):
    """Their digits are 0.8 or 0.1 %, so both bounds can be reached."""
    for share in (0.0, 0.03, 0.3):
        stack = ReversibleSequential([[differs(0.0, share), nn.Tanh()]])
        out = stack(ones(dtype)).sum()
        if share == 0.0:
            out.backward()
        elif share == 0.03:
            with pytest.warns(UserWarning, match='did not come back'):
                out.backward()
        else:
            with pytest.raises(RuntimeError, match='did not come back'):
                out.backward()


@pytest.mark.parametrize(
    ('every', 'text'),
    [
        (None, r'output of layer 4 \(Tanh\) to the input of layer 0 \(Tanh\)'),
        (2, r'output of layer 3 \(Tanh\) to the input of layer 2 \(Differs\)'),
        (1, r'output of layer 2 \(Differs\) to the input of layer 2'),
    ],
)
def test_errors_name_the_block_that_drifts(every, text):
    """As near as states are known: between two that are stored."""
    blocks = [[nn.Tanh(), nn.Sigmoid()] for _ in range(5)]
    blocks[2][0] = differs(0.0, 0.9)
    stack = ReversibleSequential(blocks, checkpoint_every=every)
    out = stack(ones()).sum()
    with pytest.raises(RuntimeError, match=text):
        out.backward()


def test_errors_of_hooks_and_modes_name_the_block():
    stack = ReversibleSequential([nn.Tanh(), nn.Dropout(0.1), nn.Sigmoid()])
    x = torch.rand(2, 6, requires_grad=True)
    out = stack(x).sum()
    stack.layers[1].convs[1].eval()
    with pytest.raises(
        RuntimeError,
        match=r'Dropout \(group 1\) in layer 1 was switched between train',
    ):
        out.backward()
    handle = stack.layers[2].register_forward_hook(
        lambda *given: given[-1] + 1
    )
    with pytest.raises(RuntimeError, match=r'hook on layer 2 \(Sigmoid\)'):
        stack(x)
    handle.remove()
    stack.layers[0].register_full_backward_hook(lambda *given: None)
    with pytest.raises(RuntimeError, match=r'layer 0 \(Tanh\) .* no backward'):
        stack(x)


@pytest.mark.parametrize(
    'make',
    [
        lambda **kwargs: ReversibleSequential([nn.Tanh()], **kwargs),
        lambda **kwargs: RevGCNConv(8, **kwargs).blocks,
        lambda **kwargs: RevGNN(3, 8, 2, conv='sage', **kwargs).blocks,
    ],
    ids=['stack', 'conv', 'model'],
)
def test_the_old_name_of_checkpoint_every(make):
    with pytest.warns(DeprecationWarning, match='is checkpoint_every now'):
        assert make(anchor_every=3).checkpoint_every == 3
    with (
        pytest.warns(DeprecationWarning, match='is checkpoint_every now'),
        pytest.raises(ValueError, match='checkpoint_every and anchor_every'),
    ):
        make(anchor_every=3, checkpoint_every=3)
