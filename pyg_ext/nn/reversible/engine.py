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
from operator import attrgetter
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.nn import Module
from torch.random import fork_rng
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch_geometric.typing import SparseTensor

from pyg_ext.nn.reversible.contents import (
    Contents,
    Entry,
    copy_of,
    version_of,
)
from pyg_ext.utils.checks import has_values

# Of a state on the way back, relative to that on the way there:
DRIFT, MUCH_DRIFT = 1e-2, 5e-2
LOCK = threading.RLock()  # a pass reads and sets what all threads share

StateHook = Callable[[Tensor, Tensor], None]

_HOOKS = attrgetter(
    *('_forward_pre_hooks', '_forward_hooks'),
    *('_backward_pre_hooks', '_backward_hooks'),
)
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


class _RandomStates:
    """States of PyTorch's random numbers on the CPU and one device.

    They lie in one tensor: many small ones, kept among the large ones that
    come and go, would keep the allocator from using the gaps again. PyTorch's
    ``get_device_states`` does not know devices of Apple.
    """

    def __init__(self, device: torch.device, size: int):
        devices = [] if device.type == 'cpu' else [device]
        self.fork = partial(fork_rng, devices, device_type=device.type)
        of_device = getattr(torch, device.type)
        self.sources = [(torch, ()), *((of_device, (d,)) for d in devices)]
        self.sizes = [len(state) for state in self.now()]
        shape = size, sum(self.sizes)
        self.states = torch.empty(shape, dtype=torch.uint8, device='cpu')
        self.rows: list[int] = []  # one for each recorded evaluation

    def now(self) -> list[Tensor]:
        return [module.get_rng_state(*at) for module, at in self.sources]

    def record(self) -> None:
        """Keeps the present state; an unchanged one is kept once."""
        state, row = torch.cat(self.now()), self.rows[-1] if self.rows else -1
        if row < 0 or not torch.equal(state, self.states[row]):
            row += 1
            self.states[row] = state
        self.rows.append(row)

    def replay(self, row: int) -> None:
        """Sets a state that was recorded."""
        states = self.states[row].split(self.sizes)
        for (module, at), state in zip(self.sources, states, strict=True):
            module.set_rng_state(state.clone(), *at)


class _Plan:
    """One call of a stack: what its backward pass needs besides tensors."""

    def __init__(
        self,
        stack: Module,
        x: Tensor,
        args: tuple,
        kwargs: dict[str, Any],
        returned: Sequence[int],
    ):
        self.stack = stack
        self.layers = list(stack.layers)
        self.returned = returned
        last = len(self.layers) - 1
        every = stack.checkpoint_every or len(self.layers)
        self.checkpoints = range(every - 1, last, every)
        convs = [conv for layer in self.layers for conv in layer.convs]
        self.random = _RandomStates(x.device, len(convs))
        self.changes: list[list[Entry]] = []  # of modules, by each evaluation
        self.autocast = {
            'device_type': x.device.type,
            'enabled': torch.is_autocast_enabled(x.device.type),
            'dtype': torch.get_autocast_dtype(x.device.type),
            'cache_enabled': torch.is_autocast_cache_enabled(),
        }
        self.contents = {conv: Contents(conv) for conv in dict.fromkeys(convs)}
        tensors = [
            tensor
            for contents in self.contents.values()
            for *_, tensor in contents.parameters
            if tensor.requires_grad
        ]
        self.parameters = list(dict.fromkeys(tensors))
        # Arguments that require gradients, by the copies that blocks get:
        self.arguments: dict[Tensor, Tensor] = {}
        self.inputs = [*self.parameters]
        leaves, spec = tree_flatten((args, kwargs))
        for i, leaf in enumerate(leaves):
            sparse = isinstance(leaf, SparseTensor)
            tensor = leaf.storage.value() if sparse else leaf
            if isinstance(tensor, Tensor):
                self.inputs.append(tensor)
                if tensor.requires_grad:
                    copy = copy_of(tensor, requires_grad=True)
                    self.arguments[copy] = tensor
                    leaves[i] = (
                        leaf.set_value(copy, layout='coo') if sparse else copy
                    )
        self.args, self.kwargs = tree_unflatten(leaves, spec)
        self.versions = [version_of(tensor) for tensor in self.inputs]

    def run(self, i: int, xs: list[Tensor]) -> list[Tensor]:
        """A layer in the forward pass; hooks may look at its state."""
        layer = self.layers[i]
        evaluate = partial(self.evaluate, layer)
        if layer is self.stack or not any(_HOOKS(layer)):
            return layer._couple(xs, evaluate)
        if layer._backward_hooks or layer._backward_pre_hooks:
            raise RuntimeError(
                f'{self.label(i)} of a reversible stack has no backward '
                f'hooks: use register_state_hook of the stack'
            )
        inputs = (layer._join(xs), *self.args)
        self.call_hooks(i, layer._forward_pre_hooks, inputs)
        xs = layer._couple(xs, evaluate)
        self.call_hooks(i, layer._forward_hooks, inputs, layer._join(xs))
        return xs

    def call_hooks(
        self, i: int, hooks: dict[int, Callable], inputs: tuple, *out: Tensor
    ) -> None:
        """Calls hooks, which may look at the state but not change it."""
        layer = self.layers[i]
        with_kwargs = {
            *layer._forward_hooks_with_kwargs,
            *layer._forward_pre_hooks_with_kwargs,
        }
        seen = (inputs[0], *out)
        versions = [version_of(t) for t in seen]
        for key, hook in list(hooks.items()):
            kwargs = (self.kwargs,) if key in with_kwargs else ()
            result = hook(layer, inputs, *kwargs, *out)
            same = any(result is t for t in (None, inputs, *seen))
            if not same or versions != [version_of(t) for t in seen]:
                raise RuntimeError(
                    f'a hook on {self.label(i)} of a reversible stack changed '
                    f'its state, which the backward pass cannot undo: change '
                    f'it inside of a block, or set enabled=False'
                )

    def evaluate(self, layer: Module, group: int, y_in: Tensor) -> Tensor:
        """One evaluation of the forward pass, which is to be repeated: so it
        sees gradients enabled, too.
        """
        self.random.record()
        y_in = y_in.detach().requires_grad_()
        contents = self.contents[layer.convs[group]]
        with contents.recorded() as changes, torch.enable_grad():
            out = layer._evaluate(self.args, self.kwargs, group, y_in)
        self.changes.append(changes)
        return out.detach()

    def check(self) -> None:
        """Raises an error where replaying would give wrong gradients."""
        if torch.is_grad_enabled():
            raise RuntimeError(
                'a reversible stack has no double backward (create_graph); '
                'set enabled=False for that'
            )
        for tensor, version in zip(self.inputs, self.versions, strict=True):
            if version_of(tensor) != version:
                raise RuntimeError(
                    f'{self.name_of(tensor)} was changed in place since the '
                    f'forward pass of a reversible stack, which the backward '
                    f'pass evaluates again'
                )
        for contents in self.contents.values():
            if contents.training != [m.training for m in contents.modules]:
                raise RuntimeError(
                    f'{self.name_of(contents)} of a reversible stack was '
                    f'switched between train() and eval() between its forward '
                    f'and its backward pass, which evaluates it again'
                )

    def label(self, i: int) -> str:
        return f'layer {i} ({type(self.layers[i].convs[0]).__name__})'

    def name_of(self, item: Contents | Tensor) -> str:
        """Where a module, a parameter or an argument is."""
        for i, layer in enumerate(self.layers):
            for group, conv in enumerate(layer.convs):
                contents = self.contents[conv]
                name = f'{layer._name(group)} in layer {i}'
                if contents is item:
                    return name
                for _, key, tensor in contents.parameters:
                    if tensor is item:
                        return f'{key} of {name}'
        return f'an argument of shape {list(item.size())}'


class _Reversible(torch.autograd.Function):
    """The whole stack as one node of the autograd graph."""

    @staticmethod
    def forward(
        ctx: Any, plan: _Plan, x: Tensor, *tensors: Tensor
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
        plan: _Plan = ctx.plan
        plan.check()
        out, *checkpoints = ctx.saved_tensors
        with (
            LOCK,
            plan.random.fork(),
            torch.autocast(**plan.autocast),
        ):
            way = _BackwardPass(plan, out)
            way.run(checkpoints, grads)
        way.check(out)
        grad_x = None
        if any(grad is not None for grad in way.gs):
            grad_x = plan.layers[0]._join(way.gradients())
        used = (
            grad if leaf in way.used else None
            for leaf, grad in way.sums.items()
        )
        return None, grad_x, *way.of_arguments.values(), *used


class _BackwardPass:
    """The backward pass of a stack, from its last layer to its first."""

    def __init__(self, plan: _Plan, out: Tensor):
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
        # All at once, for the reason that `_RandomStates` has its banks:
        self.sums = {p: torch.zeros_like(p) for p in self.leaves.values()}
        self.used: set[Tensor] = set()
        self.of_arguments: dict[Tensor, Tensor | None] = dict.fromkeys(
            plan.arguments
        )
        self.drift: list[tuple[Tensor, Tensor]] = []
        self.segments: list[tuple[int, int]] = []  # of layers

    def run(
        self, checkpoints: list[Tensor], grads: Sequence[Tensor | None]
    ) -> None:
        """Takes the gradients of the output and of the returned states."""
        plan = self.plan
        self.receive(grads[0])
        last = len(plan.layers) - 1
        for i in range(last, -1, -1):
            if i in plan.checkpoints:
                size = len(self.ys)
                ys, self.ys = self.ys, checkpoints[-size:]
                del checkpoints[-size:]
                gaps = [a - b for a, b in zip(self.ys, ys, strict=True)]
                self.drift.append((_norm(gaps), _norm(self.ys)))
                self.segments.append((i + 1, last))
                last = i
            for state, grad in zip(plan.returned, grads[1:], strict=True):
                if state == i:
                    self.receive(grad)
            layer = plan.layers[i]
            for hook in tuple(plan.stack._state_hooks.get(i, {}).values()):
                hook(layer._join(self.ys), layer._join(self.gradients()))
            self.ys = layer._uncouple(self.ys, partial(self.evaluate, i))
        sums, norm = plan.start
        self.drift.append((_norm([_projection(self.ys) - sums]), norm))
        self.segments.append((0, last))

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
            out = layer._evaluate(plan.args, plan.kwargs, group, y_in)
        if grad is None or not out.requires_grad:
            return out.detach()
        leaves = _leaves(out)
        for leaf in leaves:
            known = leaf in self.sums or leaf in self.of_arguments
            if leaf is not y_in and not known:
                raise RuntimeError(
                    f'{layer._name(group)} in layer {i} of a reversible stack '
                    f'uses a tensor of shape {list(leaf.size())} that '
                    f'requires gradients and is neither its parameter nor an '
                    f'argument of the stack: make it one of these, or set '
                    f'enabled=False'
                )
        grads = torch.autograd.grad(out, leaves, grad, allow_unused=True)
        for leaf, grad in zip(leaves, grads, strict=True):
            if leaf is y_in:
                for j in [group - 1] if group else range(1, len(self.gs)):
                    self.gs[j] = _add(self.gs[j], grad)
            elif leaf in self.of_arguments:
                self.of_arguments[leaf] = _add(self.of_arguments[leaf], grad)
            elif grad is not None:
                self.sums[leaf].add_(grad)
                self.used.add(leaf)
        return out.detach()

    def receive(self, grad: Tensor | None) -> None:
        """Adds a gradient of the present state."""
        if grad is not None:
            more = self.plan.layers[0]._split(grad)
            self.gs = list(map(_add, self.gs, more))

    def gradients(self) -> list[Tensor]:
        """The gradient of the present state, group by group."""
        return [
            torch.zeros_like(y) if g is None else g
            for g, y in zip(self.gs, self.ys, strict=True)
        ]

    def check(self, out: Tensor) -> None:
        """Raises an error if the way back did not lead to the states that
        were there on the way forth. One that had NaN or inf has none.
        """
        if out.numel() == 0:
            return
        types, autocast = {out.dtype}, self.plan.autocast
        if autocast['enabled']:
            types.add(autocast['dtype'])
        rounding = max(torch.finfo(dtype).eps for dtype in types)
        size = torch.linalg.vector_norm(out.detach(), torch.inf)
        off, base = map(torch.stack, zip(*self.drift, strict=True))
        base = torch.where(base > 0.0, base, size)
        known = base.isfinite() & size.isfinite()
        ratio = torch.where(known & (off != 0.0), off / base, 0.0)
        worst, where = ratio.nan_to_num(torch.inf).max(0)
        worst = worst.item()
        if worst <= max(DRIFT, rounding):
            return
        first, last = self.segments[where]
        text = (
            f'the backward pass of a reversible stack did not come back from '
            f'the output of {self.plan.label(last)} to the input of '
            f'{self.plan.label(first)} (relative difference {worst:.1e}). '
            f'Rounding errors grew: normalize the input of each block, or '
            f'give checkpoint_every. Or a block computed something else the '
            f'second time, with random numbers that are not those of PyTorch, '
            f'or state outside of modules: set enabled=False'
        )
        if worst > max(MUCH_DRIFT, rounding**0.5):
            raise RuntimeError(text)
        if self.plan.stack not in _WARNED:
            _WARNED.add(self.plan.stack)
            warnings.warn(text, UserWarning, stacklevel=2)


def _call(hook: StateHook, state: Tensor, grad: Tensor) -> None:
    hook(state, grad.clone())


@torch.compiler.disable  # compile the blocks instead
def run(
    stack: Module,
    x: Tensor,
    args: tuple,
    kwargs: dict[str, Any],
    returned: Sequence[int] = (),
) -> tuple[Tensor, list[Tensor]]:
    """Runs a stack on features; returns the output and states of layers."""
    layers = stack.layers
    if not layers:
        return x, []
    within = torch._C._are_functorch_transforms_active()  # torch.func
    known = has_values(x)  # not while a trace is made, of plain layers
    if stack.enabled and torch.is_grad_enabled() and known and not within:
        plan = _Plan(stack, x, args, kwargs, returned)
        inputs = (x, *plan.arguments.values(), *plan.parameters)
        if any(tensor.requires_grad for tensor in inputs):
            out, *states = _Reversible.apply(plan, *inputs)
            return out, states
    states = {}
    xs = layers[0]._split(x)
    for i, layer in enumerate(layers):
        if layer is stack or not any(_HOOKS(layer)):
            xs = layer._couple(xs, partial(layer._evaluate, args, kwargs))
        else:
            xs = layer._split(layer(layer._join(xs), *args, **kwargs))
        hooks = stack._state_hooks.get(i, {}) if xs[0].requires_grad else {}
        if i in returned or hooks:
            states[i] = layer._join(xs)
            for hook in hooks.values():
                states[i].register_hook(
                    partial(_call, hook, states[i].detach())
                )
            xs = layer._split(states[i])
    return layers[-1]._join(xs), [states[i] for i in returned]
