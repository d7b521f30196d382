"""Whatever a block keeps or changes: as in a plain stack, or an error."""

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from pyg_ext.nn import GroupAddRev, ReversibleSequential

N, C = 12, 8


def stack(make, depth=3):
    torch.manual_seed(0)
    half = C // 2
    blocks = [[make(half), make(half)] for _ in range(depth)]
    return ReversibleSequential(blocks).double()


def features():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(N, C, generator=generator, dtype=torch.double)
    return x.requires_grad_()


def step(model, x, call=None):
    torch.manual_seed(3)
    (call or model)(x).square().sum().backward()
    return [x.grad, *(p.grad for p in model.parameters())]


def check_as_plain(make, calls=2):
    """After some steps: gradients and all that modules keep."""
    ours, plain = stack(make), stack(make)
    plain.enabled = False
    for _ in range(calls):
        a, b = step(ours, features()), step(plain, features())
        for one, other in zip(a, b, strict=True):
            assert torch.allclose(one, other, rtol=1e-8)
    kept, expected = ours.state_dict(), plain.state_dict()
    assert kept.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(kept[name], value), name
    return ours, plain


class Instance(nn.InstanceNorm1d):
    def forward(self, x):
        return super().forward(x.t().unsqueeze(0))[0].t()


class Counts(nn.Linear):
    """Each call differs from the one before."""

    def __init__(self, width):
        super().__init__(width, width)
        self.calls = 0
        self.seen = []
        self.register_buffer('mean', torch.zeros(width))

    def forward(self, x):
        self.calls += 1
        self.seen = [*self.seen, self.calls]
        self.mean.lerp_(x.detach().mean(0), 0.1)
        return super().forward(x - self.mean) / self.calls


class Holds(nn.Linear):
    """A tensor that learns and is no parameter."""

    def __init__(self, width):
        super().__init__(width, width)
        self.scale = torch.ones(width, dtype=torch.double).requires_grad_()

    def forward(self, x):
        return super().forward(x) * self.scale


@pytest.mark.parametrize(
    'make',
    [
        lambda width: spectral_norm(nn.Linear(width, width)),
        lambda width: weight_norm(nn.Linear(width, width)),
        lambda width: Instance(width, track_running_stats=True),
        lambda width: nn.BatchNorm1d(width, momentum=None),
        Counts,
    ],
    ids=['spectral', 'weight', 'instance', 'batch', 'counts'],
)
def test_state_changes_once(make):
    check_as_plain(make)


def test_attributes_change_once():
    ours, _ = check_as_plain(Counts)
    conv = ours.layers[0].convs[0]
    assert conv.calls == 2
    assert conv.seen == [1, 2]


def test_tensors_that_learn_and_are_no_parameters():
    ours, plain = check_as_plain(Holds, calls=1)
    for a, b in zip(ours.layers, plain.layers, strict=True):
        for one, other in zip(a.convs, b.convs, strict=True):
            assert torch.allclose(one.scale.grad, other.scale.grad)


@pytest.mark.parametrize('grad', [True, False])
def test_blocks_that_begin_in_place(grad):
    def make(inplace):
        return stack(
            lambda width: nn.Sequential(
                nn.ReLU(inplace=inplace), nn.Linear(width, width)
            )
        )

    x = features()
    before = x.detach().clone()
    with torch.set_grad_enabled(grad):
        out, expected = make(True)(x), make(False)(x)
    assert torch.equal(out, expected)
    assert torch.equal(x, before)
    if grad:
        ours = step(make(True), features())
        for a, b in zip(ours, step(make(False), features()), strict=True):
            assert torch.allclose(a, b)


def test_functional_call():
    ours = stack(lambda width: nn.Linear(width, width))
    weights = {
        name: (2 * p.detach()).requires_grad_()
        for name, p in ours.named_parameters()
    }
    x = features()
    torch.func.functional_call(ours, weights, x).square().sum().backward()
    plain = stack(lambda width: nn.Linear(width, width))
    plain.enabled = False
    with torch.no_grad():
        for p in plain.parameters():
            p.mul_(2)
    expected = step(plain, features())
    assert torch.allclose(x.grad, expected[0])
    for p, grad in zip(weights.values(), expected[1:], strict=True):
        assert torch.allclose(p.grad, grad)
    assert all(p.grad is None for p in ours.parameters())


def test_replicas_of_data_parallel():
    """Whose parameters are plain attributes, computed from those."""
    results = []
    for enabled in (True, False):
        model = stack(lambda width: nn.Linear(width, width))
        model.enabled = enabled
        copies = {m: m._replicate_for_data_parallel() for m in model.modules()}
        for m, copied in copies.items():
            for name, child in m._modules.items():
                copied._modules[name] = copies[child]
            for name, p in m._parameters.items():
                setattr(copied, name, p * 1.0)
        step(copies[model], features())
        results.append([p.grad for p in model.parameters()])
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other)


def test_hooks_of_parameters_are_called_once():
    model = stack(lambda width: nn.Linear(width, width))
    calls = []
    for p in model.parameters():
        p.register_hook(lambda grad: calls.append(1) or 3 * grad)
    ours = [g.clone() for g in step(model, features())]
    assert len(calls) == len(ours[1:])
    model.zero_grad()
    model.enabled = False
    for one, other in zip(ours, step(model, features()), strict=True):
        assert torch.allclose(one, other)


def test_backward_under_autocast():
    """No weight that autocast keeps has lost its way to the parameter."""
    model = stack(lambda width: nn.Linear(width, width)).float()
    x = features().detach().float().requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        step(model, x)
    assert all(p.grad is not None for p in model.parameters())


def test_transforms_of_functions():
    model = stack(lambda width: nn.Linear(width, width))
    x = features().detach()
    weights = {name: p.detach() for name, p in model.named_parameters()}

    def loss(weights):
        return torch.func.functional_call(model, weights, x).square().sum()

    grads = torch.func.grad(loss)(weights)
    for one, other in zip(
        grads.values(), step(model, features())[1:], strict=True
    ):
        assert torch.allclose(one, other)
    assert torch.allclose(
        torch.vmap(model)(x.view(2, -1, C)).view(x.shape), model(x)
    )


@pytest.mark.parametrize('late', [True, False])
def test_parameters_frozen_or_not_between_the_passes(late):
    results = []
    for enabled in (True, False):
        model = stack(lambda width: nn.Linear(width, width))
        model.enabled = enabled
        model.layers[0].requires_grad_(not late)
        x = features()
        out = model(x)
        model.layers[0].requires_grad_(late)
        out.square().sum().backward()
        results.append([x.grad, *(p.grad for p in model.parameters())])
    for one, other in zip(*results, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.allclose(one, other)


def test_modules_keep_the_shape():
    with pytest.raises(ValueError, match=r'\[12, 4\] \(got \[12, 2\]\)'):
        stack(lambda width: nn.Linear(width, 2))(features())


def test_a_parameter_that_is_replaced_before_the_backward_pass():
    ours = stack(lambda width: nn.Linear(width, width))
    plain = stack(lambda width: nn.Linear(width, width))
    plain.enabled = False
    for model in (ours, plain):
        model.was = model.layers[1].convs[0].weight
        out = model(features())
        model.layers[1].convs[0].weight = nn.Parameter(torch.zeros(4, 4))
        out.square().sum().backward()
    assert torch.allclose(ours.was.grad, plain.was.grad)
    assert ours.layers[1].convs[0].weight.grad is None


def test_two_threads():
    model = stack(lambda width: nn.Linear(width, width), depth=8)
    inputs = [features() for _ in range(2)]
    expected = step(model, features())[0]

    def run(x):
        for _ in range(20):
            x.grad = None
            model(x).square().sum().backward()

    threads = [threading.Thread(target=run, args=(x,)) for x in inputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for x in inputs:
        assert torch.allclose(x.grad, expected)


def test_states_that_are_no_numbers():
    """As in a plain stack, and no error of its own."""
    for value in (torch.nan, torch.inf):
        model = stack(lambda width: nn.Linear(width, width))
        x = features()
        with torch.no_grad():
            x[0, 0] = value
        grads = step(model, x)
        assert not all(grad.isfinite().all() for grad in grads)


CONSTANT = torch.ones(1, dtype=torch.double, requires_grad=True)


class Outside(nn.Linear):
    def __init__(self, width):
        super().__init__(width, width)

    def forward(self, x):
        return super().forward(x) * CONSTANT


class Draws(Outside):
    rng = np.random.default_rng(0)

    def forward(self, x):
        return nn.Linear.forward(self, x) * self.rng.uniform()


@pytest.mark.parametrize(
    ('make', 'text'),
    [
        (Outside, 'neither its parameter nor an argument'),
        (Draws, 'did not come back'),
        (lambda width: nn.LazyLinear(width), 'no shape yet'),
    ],
)
def test_blocks_that_cannot_be_repeated(make, text):
    with pytest.raises(RuntimeError, match=text):
        step(stack(make), features())


def test_a_module_that_is_switched_between_the_passes():
    model = stack(lambda width: nn.Sequential(nn.Dropout(0.1)))
    out = model(features())
    model.layers[1].convs[0][0].eval()
    with pytest.raises(RuntimeError, match=r'between train\(\) and eval'):
        out.sum().backward()


def test_changes_between_the_passes():
    model = stack(lambda width: nn.Linear(width, width))
    weight = torch.ones(N, 1, dtype=torch.double)

    class Scaled(nn.Linear):
        def forward(self, x, scale):
            return super().forward(x) * scale

    scaled = stack(lambda width: Scaled(width, width))
    out = scaled(features(), weight)
    weight.mul_(2)
    with pytest.raises(RuntimeError, match=r'argument .* changed in place'):
        out.sum().backward()
    out = model(features())
    with pytest.raises(RuntimeError, match='inplace operation'):
        (out.square() + out.add_(1)).sum().backward()


def test_hooks_that_change_the_state():
    model = stack(lambda width: nn.Linear(width, width))
    model.layers[1].register_forward_hook(lambda *given: given[-1] * 2)
    with pytest.raises(RuntimeError, match=r'hook .* changed its state'):
        model(features())


def test_a_single_block_changes_state_once():
    ours, plain = (
        GroupAddRev(nn.BatchNorm1d(C // 2), num_groups=2, disable=disable)
        for disable in (False, True)
    )
    for model in (ours, plain):
        step(model.double(), features())
    for a, b in zip(ours.buffers(), plain.buffers(), strict=True):
        assert torch.allclose(a, b)
