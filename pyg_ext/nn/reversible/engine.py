"""The autograd function of a stack of reversible layers.

The forward pass stores the output, states of the random numbers, and what the
modules changed in themselves. The backward pass goes from the output back to
the input: one evaluation of a module gives its output, which is subtracted,
and its gradient.
"""

import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.nn import Module

from pyg_ext.nn.reversible.contents import copy_of
from pyg_ext.nn.reversible.plan import HOOKS, Plan
from pyg_ext.utils.checks import has_values

# Of a state on the way back, relative to that on the way there:
DRIFT, MUCH_DRIFT = 1e-2, 5e-2
LOCK = threading.RLock()  # a pass reads and sets what all threads share

StateHook = Callable[[Tensor, Tensor], None]

_WARNED: WeakSet[Module] = WeakSet()  # stacks that warned of drift


def _add(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    if total is None or more is None:
        return more if total is None else total
    return total + more


def _leaves(out: Tensor) -> list[Tensor]:
    """The tensors from which autograd computed another."""
    if out.is_leaf:
        return [out]
    seen, todo, found = set(), [out.grad_fn], []
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            if hasattr(node, 'variable'):
                found.append(node.variable)
            todo += [further for further, _ in node.next_functions]
    return found


def _norm(xs: Sequence[Tensor]) -> Tensor:
    dtype = torch.promote_types(xs[0].dtype, torch.float)
    norms = [torch.linalg.vector_norm(x, dtype=dtype) for x in xs]
    return torch.linalg.vector_norm(torch.stack(norms))


def _projection(xs: Sequence[Tensor]) -> Tensor:
    """Sums of the rows of a state with random weights: the norm of a
    difference of sums estimates that of the states.
    """
    xs = [x.detach().reshape(-1, x.size(-1)) for x in xs]
    size, device = len(xs[0]), xs[0].device
    dtype = torch.promote_types(xs[0].dtype, torch.float)
    generator = torch.Generator(device).manual_seed(0)
    weight = torch.randn(size, generator=generator, dtype=dtype, device=device)
    # A constant difference is seen as well:
    weight += (size**0.5 - weight.sum()) / max(size, 1)
    with torch.autocast(device.type, enabled=False):
        return torch.cat([weight @ x.to(dtype) for x in xs])


class _Reversible(torch.autograd.Function):
    """The whole stack as one node of the autograd graph."""

    @staticmethod
    def forward(
        ctx: Any, plan: Plan, x: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        xs = plan.layers[0]._split(x.detach())
        plan.start = _projection(xs), _norm(xs)
        states: dict[int, Tensor] = {}
        checkpoints: list[Tensor] = []
        with LOCK:
            for i, layer in enumerate(plan.layers):
                xs = plan.run(i, xs)
                if i in plan.returned:
                    states[i] = layer._join(xs)
                if i in plan.checkpoints:
                    checkpoints += xs
        out = plan.layers[-1]._join(xs)
        ctx.plan = plan
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(out, *checkpoints)
        return out, *(states[i] for i in plan.returned)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple:
        plan: Plan = ctx.plan
        plan.check()
        out, *checkpoints = ctx.saved_tensors
        with LOCK, plan.random.fork(), plan.autocast:
            backward = _BackwardPass(plan, out)
            backward.run(checkpoints, grads)
        backward.check(out)
        return None, *backward.gradients()


class _BackwardPass:
    """The backward pass of a stack, from its last layer to its first."""

    def __init__(self, plan: Plan, out: Tensor):
        self.plan = plan
        self.ys = plan.layers[-1]._split(out.detach())
        self.gs: list[Tensor | None] = [None] * len(self.ys)
        self.replay = list(zip(plan.random.rows, plan.changes, strict=True))
        # Entries of modules as they were before the present evaluation:
        self.past: dict[int, dict[str, Any]] = defaultdict(dict)
        # Leaves of autograd in place of what is none, or has hooks:
        self.leaves = {
            p: p
            if p.is_leaf and p.requires_grad and not p._backward_hooks
            else copy_of(p, requires_grad=True)
            for p in plan.parameters
        }
        # All at once, for the reason that `RandomStates` has one tensor:
        self.sums = {p: torch.zeros_like(p) for p in self.leaves.values()}
        self.used: set[Tensor] = set()
        self.arguments: dict[Tensor, Tensor | None] = dict.fromkeys(
            plan.arguments
        )
        # Of a state, its norm, and the layers from which it was computed:
        self.drift: list[tuple[Tensor, Tensor, int, int]] = []

    def run(
        self, checkpoints: list[Tensor], grads: Sequence[Tensor | None]
    ) -> None:
        """Takes the gradients of the output and of the returned states."""
        plan = self.plan
        self.receive(grads[0])
        last = len(plan.layers) - 1
        for i in range(last, -1, -1):
            if i in plan.checkpoints:
                stored = [checkpoints.pop() for _ in self.ys][::-1]
                pairs = zip(self.ys, stored, strict=True)
                gap = _norm([a - b for a, b in pairs])
                self.drift.append((gap, _norm(stored), i + 1, last))
                self.ys, last = stored, i
            for state, grad in zip(plan.returned, grads[1:], strict=True):
                if state == i:
                    self.receive(grad)
            layer = plan.layers[i]
            for hook in tuple(plan.stack._state_hooks.get(i, {}).values()):
                hook(layer._join(self.ys), self.gradient())
            self.ys = layer._uncouple(self.ys, partial(self.evaluate, i))
        sums, norm = plan.start
        gap = _norm([_projection(self.ys) - sums])
        self.drift.append((gap, norm, 0, last))

    def evaluate(self, i: int, group: int, y_in: Tensor) -> Tensor:
        """One evaluation of a module, its gradients included."""
        plan, layer, grad = self.plan, self.plan.layers[i], self.gs[group]
        contents = plan.contents[layer.convs[group]]
        row, changes = self.replay.pop()
        plan.random.replay(row)
        for entries, key, value in changes:
            self.past[id(entries)][key] = value
        y_in = y_in.detach().requires_grad_()
        with contents.restored(self.past), torch.enable_grad():
            for entries, key, tensor in contents.parameters:
                if tensor in self.leaves:
                    entries[key] = self.leaves[tensor]
                elif tensor.requires_grad:  # by now only
                    entries[key] = tensor.detach()
            out = layer._evaluate(plan.given, group, y_in)
        if grad is None or not out.requires_grad:
            return out.detach()
        leaves = _leaves(out)
        for leaf in leaves:
            known = leaf in self.sums or leaf in self.arguments
            if leaf is not y_in and not known:
                raise RuntimeError(
                    f'{layer._name(group)} in layer {i} of a reversible stack '
                    f'uses a tensor of shape {list(leaf.size())} that learns '
                    f'and is neither its parameter nor an argument of the '
                    f'stack: make it one of these, or set enabled=False'
                )
        grads = torch.autograd.grad(out, leaves, grad, allow_unused=True)
        for leaf, grad in zip(leaves, grads, strict=True):
            if leaf is y_in:
                for j in [group - 1] if group else range(1, len(self.gs)):
                    self.gs[j] = _add(self.gs[j], grad)
            elif leaf in self.arguments:
                self.arguments[leaf] = _add(self.arguments[leaf], grad)
            elif grad is not None:
                self.sums[leaf].add_(grad)
                self.used.add(leaf)
        return out.detach()

    def receive(self, grad: Tensor | None) -> None:
        """Adds a gradient of the present state."""
        if grad is not None:
            more = self.plan.layers[0]._split(grad)
            self.gs = list(map(_add, self.gs, more))

    def gradient(self) -> Tensor:
        """The gradient of the present state."""
        pairs = zip(self.gs, self.ys, strict=True)
        gs = [torch.zeros_like(y) if g is None else g for g, y in pairs]
        return self.plan.layers[0]._join(gs)

    def gradients(self) -> list[Tensor | None]:
        """Those of the input, the arguments and the parameters."""
        reached = any(g is not None for g in self.gs)
        sums = self.sums.items()
        return [
            self.gradient() if reached else None,
            *self.arguments.values(),
            *(grad if leaf in self.used else None for leaf, grad in sums),
        ]

    def check(self, out: Tensor) -> None:
        """Raises an error if the way back did not lead to the states that
        were there on the way forth. One that had NaN or inf has none.
        """
        if out.numel() == 0:
            return
        gaps, norms, firsts, lasts = zip(*self.drift, strict=True)
        gap, norm = torch.stack(gaps), torch.stack(norms)
        size = torch.linalg.vector_norm(out.detach(), torch.inf)
        norm = torch.where(norm > 0.0, norm, size)
        known = norm.isfinite() & size.isfinite()
        ratio = torch.where(known & (gap != 0.0), gap / norm, 0.0)
        drift, index = ratio.nan_to_num(torch.inf).max(0)
        if drift <= DRIFT:
            return
        first, last = firsts[index], lasts[index]
        text = (
            f'the backward pass of a reversible stack did not come back from '
            f'the output of {self.plan.label(last)} to the input of '
            f'{self.plan.label(first)} (relative difference {drift:.1e}). '
            f'Rounding errors grew: normalize the input of each block, or '
            f'give checkpoint_every. Or a block computed something else the '
            f'second time, with random numbers that are not those of PyTorch, '
            f'or state outside of modules: set enabled=False'
        )
        rounding = max(torch.finfo(dtype).eps for dtype in self.plan.types)
        if drift > max(MUCH_DRIFT, rounding**0.5):
            raise RuntimeError(text)
        if self.plan.stack not in _WARNED:
            _WARNED.add(self.plan.stack)
            warnings.warn(text, UserWarning, stacklevel=2)


def _call(hook: StateHook, state: Tensor, grad: Tensor) -> None:
    hook(state, grad.clone())


@torch.compiler.disable  # compile the blocks instead
def run(
    stack: Module, x: Tensor, given: tuple, returned: Sequence[int] = ()
) -> tuple[Tensor, list[Tensor]]:
    """Runs a stack on features and the further arguments that are given;
    returns the output and states of layers.
    """
    layers = stack.layers
    if not layers:
        return x, []
    within = torch._C._are_functorch_transforms_active()  # torch.func
    known = has_values(x)  # not while a trace is made, of plain layers
    if stack.enabled and torch.is_grad_enabled() and known and not within:
        plan = Plan(stack, x, given, returned)
        inputs = (x, *plan.arguments.values(), *plan.parameters)
        if any(tensor.requires_grad for tensor in inputs):
            out, *states = _Reversible.apply(plan, *inputs)
            return out, states
    states = {}
    xs = layers[0]._split(x)
    for i, layer in enumerate(layers):
        if layer is stack or not any(HOOKS(layer)):
            xs = layer._couple(xs, partial(layer._evaluate, given))
        else:
            xs = layer._split(layer(layer._join(xs), *given[0], **given[1]))
        learns = any(x.requires_grad for x in xs)
        hooks = stack._state_hooks.get(i, {}) if learns else {}
        if i in returned or hooks:
            state = states[i] = layer._join(xs)
            for hook in hooks.values():
                state.register_hook(partial(_call, hook, state.detach()))
            xs = layer._split(state)
    return layers[-1]._join(xs), [states[i] for i in returned]
