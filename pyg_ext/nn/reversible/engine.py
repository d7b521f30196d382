"""The autograd function of a stack of reversible layers.

The forward pass stores the output, states of the random numbers, and what the
modules changed in themselves. The backward pass goes from the output back to
the input: one evaluation of a module gives its output, which is subtracted,
and its gradient.
"""

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch_geometric.typing import SparseTensor

from pyg_ext.nn.reversible.contents import Contents, put, versions_of
from pyg_ext.utils.checks import has_values

# Of a state on the way back, relative to that on the way there:
DRIFT, MUCH_DRIFT = 1e-2, 5e-2
LOCK = threading.RLock()  # a pass reads and sets what all threads share

StateHook = Callable[[Tensor, Tensor], None]


def total(xs: Sequence[Tensor]) -> Tensor:
    """The sum of some tensors."""
    out = xs[0]
    for x in xs[1:]:
        out = out + x
    return out


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
    norms = [
        torch.linalg.vector_norm(
            x, dtype=torch.promote_types(x.dtype, torch.float)
        )
        for x in xs
    ]
    return torch.linalg.vector_norm(torch.stack(norms))


def _projection(xs: Sequence[Tensor]) -> Tensor:
    """Sums of the rows of a state with random weights: the norm of a
    difference of sums estimates that of the states.
    """
    sums = []
    for x in xs:
        x = x.detach().reshape(-1, x.size(-1))
        x = x.to(torch.promote_types(x.dtype, torch.float))
        generator = torch.Generator(x.device).manual_seed(0)
        weight = torch.randn(
            len(x), generator=generator, dtype=x.dtype, device=x.device
        )
        # A constant difference is seen as well:
        weight += (len(x) ** 0.5 - weight.sum()) / max(len(x), 1)
        sums.append(weight @ x)
    return torch.cat(sums)


class _Random:
    """States of PyTorch's random numbers on the CPU and one device.

    They lie in a few large tensors: many small ones, kept among the large
    ones that come and go, would keep the allocator from using the gaps again.
    """

    BANK = 256  # states in one tensor

    def __init__(self, device: torch.device):
        self.of_device = None
        if device.type != 'cpu':
            self.of_device = getattr(torch, device.type, None)
        self.which = () if device.type == 'mps' else (device,)
        self.banks: list[Tensor] = []
        self.used = 0
        self.places: list[int] = []  # one for each recorded evaluation

    def now(self) -> Tensor:
        state = torch.get_rng_state()
        if self.of_device is None:
            return state
        return torch.cat([state, self.of_device.get_rng_state(*self.which)])

    def record(self) -> None:
        """Keeps the present state; an unchanged one is kept once."""
        state = self.now()
        if self.used == 0 or not torch.equal(state, self[self.used - 1]):
            if self.used % self.BANK == 0:
                self.banks.append(state.new_empty(self.BANK, state.numel()))
            self.used += 1
            self[self.used - 1].copy_(state)
        self.places.append(self.used - 1)

    def __getitem__(self, place: int) -> Tensor:
        return self.banks[place // self.BANK][place % self.BANK]

    def set(self, state: Tensor) -> None:
        size = torch.get_rng_state().numel()
        if self.of_device is not None:
            of_device = state[size:].clone()
            self.of_device.set_rng_state(of_device, *self.which)
        torch.set_rng_state(state[:size].clone())

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Leaves the randomness of the outside as it was."""
        state = self.now()
        try:
            yield
        finally:
            self.set(state)


class _Arguments:
    """What the blocks take besides the features; some require gradients."""

    def __init__(self, args: tuple, kwargs: dict[str, Any]):
        self.leaves, self.spec = tree_flatten((args, kwargs))
        self.slots = []
        self.all: list[Tensor] = []
        self.tensors: list[Tensor] = []  # that require gradients
        for slot, leaf in enumerate(self.leaves):
            if isinstance(leaf, SparseTensor):
                leaf = leaf.storage.value()
            if isinstance(leaf, Tensor):
                self.all.append(leaf)
                if leaf.requires_grad:
                    self.slots.append(slot)
                    self.tensors.append(leaf)

    def fill(self, tensors: Sequence[Tensor]) -> tuple[tuple, dict[str, Any]]:
        """The arguments with other tensors in place of those."""
        leaves = list(self.leaves)
        for slot, tensor in zip(self.slots, tensors, strict=True):
            if isinstance(leaves[slot], SparseTensor):
                tensor = leaves[slot].set_value(tensor, layout='coo')
            leaves[slot] = tensor
        return tree_unflatten(leaves, self.spec)


class _Plan:
    """One call of a stack: what its backward pass needs besides tensors."""

    def __init__(
        self,
        layers: list[Module],
        args: tuple,
        kwargs: dict[str, Any],
        checkpoint_every: int | None,
        wanted: Sequence[int],
        hooks: dict[int, OrderedDict[int, StateHook]],
        x: Tensor,
    ):
        device = x.device
        self.layers = layers
        self.arguments = _Arguments(args, kwargs)
        self.wanted = wanted
        self.hooks = hooks
        self.random = _Random(device)
        self.changes: list[list] = []  # of modules, by each evaluation
        every = checkpoint_every or len(layers)
        last = len(layers) - 1
        self.checkpoints = [*range(every - 1, last, every)]
        self.autocast = {
            'device_type': device.type,
            'enabled': torch.is_autocast_enabled(device.type),
            'dtype': torch.get_autocast_dtype(device.type),
            'cache_enabled': torch.is_autocast_cache_enabled(),
        }
        self.contents: dict[Module, Contents] = {}
        # What requires gradients in modules, by its place in one list:
        self.places: dict[Tensor, int] = {}
        for conv in (conv for layer in layers for conv in layer.convs):
            if conv not in self.contents:
                self.contents[conv] = Contents(conv)
                for *_, tensor in self.contents[conv].held:
                    if tensor.requires_grad:
                        self.places.setdefault(tensor, len(self.places))
        self.parameters = list(self.places)
        self.watched = [*self.arguments.all, *self.parameters]
        self.versions = versions_of(self.watched)
        self.training = self.modes()

    def modes(self) -> list[bool]:
        """Whether each module is in training."""
        every = self.contents.values()
        return [m.training for contents in every for m in contents.modules]

    def evaluate(
        self,
        layer: Module,
        group: int,
        y_in: Tensor,
        args: tuple,
        kwargs: dict[str, Any],
    ) -> Tensor:
        """One evaluation of the forward pass, which is to be repeated: so it
        sees gradients enabled, too.
        """
        self.random.record()
        y_in = y_in.detach().requires_grad_()
        contents = self.contents[layer.convs[group]]
        with contents.watched() as changes, torch.enable_grad():
            out = layer._evaluate(group, y_in, args, kwargs).detach()
        self.changes.append(changes)
        return out

    def check(self) -> None:
        """Raises an error where replaying would give wrong gradients."""
        if torch.is_grad_enabled():
            raise RuntimeError(
                'a reversible stack has no double backward (create_graph); '
                'set enabled=False for that'
            )
        now = versions_of(self.watched)
        for tensor, old, new in zip(
            self.watched, self.versions, now, strict=True
        ):
            if old != new:
                raise RuntimeError(
                    f'{self.name_of(tensor)} was changed in place since the '
                    f'forward pass of a reversible stack, which the backward '
                    f'pass evaluates again'
                )
        if self.training != self.modes():
            raise RuntimeError(
                'a reversible stack was switched between train() and eval() '
                'between its forward and its backward pass, which evaluates '
                'the blocks again'
            )

    def name_of(self, tensor: Tensor) -> str:
        """Where a parameter or an argument is."""
        for i, layer in enumerate(self.layers):
            for group, conv in enumerate(layer.convs):
                for _, key, held in self.contents[conv].held:
                    if held is tensor:
                        return f'{key} of {layer._name(group)} in layer {i}'
        return f'an argument of shape {list(tensor.size())}'


class _Reversible(torch.autograd.Function):
    """The whole stack as one node of the autograd graph."""

    @staticmethod
    def forward(
        ctx: Any, plan: _Plan, x: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        args, kwargs = plan.arguments.fill(
            [_copy(t) for t in plan.arguments.tensors]
        )
        xs = plan.layers[0]._split(x.detach())
        with torch.autocast(x.device.type, enabled=False):
            plan.start = _projection(xs), _norm(xs)
        states: dict[int, Tensor] = {}
        checkpoints: list[Tensor] = []
        with LOCK:
            for i, layer in enumerate(plan.layers):
                xs = layer._run(xs, args, kwargs, plan.evaluate)
                if i in plan.wanted:
                    states[i] = layer._join(xs)
                if i in plan.checkpoints:
                    checkpoints += xs
        out = plan.layers[-1]._join(xs)
        ctx.plan = plan
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(out, *checkpoints)
        return out, *(states[i] for i in plan.wanted)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple:
        plan: _Plan = ctx.plan
        plan.check()
        out, *checkpoints = ctx.saved_tensors
        with (
            LOCK,
            plan.random.replayed(),
            torch.autocast(**plan.autocast),
        ):
            passed = _BackwardPass(plan, out)
            try:
                passed.run(checkpoints, grads)
            finally:
                passed.leave()
        passed.check(out)
        grad_x = None
        if any(g is not None for g in passed.gs):
            grad_x = plan.layers[0]._join(passed.gradients())
        return None, grad_x, *passed.given.values(), *passed.parameter_grads()


class _BackwardPass:
    """The backward pass of a stack, from its last layer to its first."""

    def __init__(self, plan: _Plan, out: Tensor):
        self.plan = plan
        given = [_copy(t) for t in plan.arguments.tensors]
        self.args, self.kwargs = plan.arguments.fill(given)
        self.given: dict[Tensor, Tensor | None] = dict.fromkeys(given)
        self.ys = plan.layers[-1]._split(out.detach())
        self.gs: list[Tensor | None] = [None] * len(self.ys)
        # All at once, for the reason that `_Random` has its banks:
        self.sums = [torch.zeros_like(p) for p in plan.parameters]
        self.used = [False] * len(self.sums)
        self.replay = list(zip(plan.random.places, plan.changes, strict=True))
        self.found: dict[tuple[int, str], tuple] = {}
        self.drift: list[tuple[Tensor, Tensor]] = []

    def run(
        self, checkpoints: list[Tensor], grads: Sequence[Tensor | None]
    ) -> None:
        """Walks; takes the gradients of the output and wanted states."""
        plan = self.plan
        for contents in plan.contents.values():
            self.set(contents.held)
        self.receive(grads[0])
        for i in reversed(range(len(plan.layers))):
            if i in plan.checkpoints:
                size = plan.layers[i].num_groups
                ys, self.ys = self.ys, checkpoints[-size:]
                del checkpoints[-size:]
                gaps = [a - b for a, b in zip(self.ys, ys, strict=True)]
                self.drift.append((_norm(gaps), _norm(self.ys)))
            for state, grad in zip(plan.wanted, grads[1:], strict=True):
                if state == i:
                    self.receive(grad)
            self.step(i)
        with torch.autocast(plan.autocast['device_type'], enabled=False):
            sums, norm = plan.start
            self.drift.append((_norm([_projection(self.ys) - sums]), norm))

    def set(self, entries: Sequence[tuple[dict, str, Any]]) -> None:
        """Puts something into modules until the walk ends."""
        for place, key, value in entries:
            now = put(place, key, value)
            if now is not value:
                self.found.setdefault((id(place), key), (place, key, now))

    def leave(self) -> None:
        """Leaves the modules as they were."""
        for entry in self.found.values():
            put(*entry)

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
        worst = ratio.nan_to_num(torch.inf).max().item()
        text = (
            f'the backward pass of a reversible stack did not come back to '
            f'the input of the forward pass (relative difference '
            f'{worst:.1e}). Rounding errors grew: normalize the input of each '
            f'block, or give checkpoint_every. Or a block computed something '
            f'else the second time, with random numbers that are not those '
            f'of PyTorch, or state outside of modules: set enabled=False for '
            f'such a block'
        )
        if worst > max(MUCH_DRIFT, rounding**0.5):
            raise RuntimeError(text)
        if worst > max(DRIFT, rounding**0.5):
            warnings.warn(text, UserWarning, stacklevel=2)

    def parameter_grads(self) -> list[Tensor | None]:
        """The gradients of the parameters; none for an unused one."""
        return [
            grad if used else None
            for grad, used in zip(self.sums, self.used, strict=True)
        ]

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

    def step(self, i: int) -> None:
        """From the output of a layer to its input."""
        layer = self.plan.layers[i]
        if self.plan.hooks.get(i):
            state, grad = layer._join(self.ys), layer._join(self.gradients())
            for hook in tuple(self.plan.hooks[i].values()):
                hook(state, grad)
        ys, xs = self.ys, list(self.ys)
        for group in reversed(range(layer.num_groups)):
            y_in = ys[group - 1] if group > 0 else total(xs[1:])
            out, grad = self.evaluate(i, group, y_in)
            xs[group] = ys[group] - out
            receivers = [group - 1] if group > 0 else range(1, len(xs))
            for j in receivers:
                self.gs[j] = _add(self.gs[j], grad)
        self.ys = xs

    def evaluate(
        self, i: int, group: int, y_in: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """One evaluation of a module, its gradient included."""
        plan, grad = self.plan, self.gs[group]
        layer = plan.layers[i]
        contents = plan.contents[layer.convs[group]]
        seed, changes = self.replay.pop()
        plan.random.set(plan.random[seed])
        self.set(changes)
        y_in = y_in.detach().requires_grad_()
        # Leaves of autograd in place of what is none, or has hooks:
        copies: dict[Tensor, Tensor] = {}
        with contents.aside(), torch.enable_grad():
            for place, key, tensor in contents.held:
                learns = tensor in plan.places
                if tensor.requires_grad and not learns:  # by now only
                    place[key] = tensor.detach()
                elif learns and (
                    not tensor.is_leaf
                    or not tensor.requires_grad
                    or tensor._backward_hooks
                ):
                    if tensor not in copies:
                        copies[tensor] = _copy(tensor)
                    place[key] = copies[tensor]
            out = layer._evaluate(group, y_in, self.args, self.kwargs)
        if grad is None or not out.requires_grad:
            return out.detach(), None
        leaves = _leaves(out)
        sources = {copied: tensor for tensor, copied in copies.items()}
        sources = [sources.get(leaf, leaf) for leaf in leaves]
        for leaf in sources:
            known = leaf in plan.places or leaf in self.given
            if leaf is not y_in and not known:
                raise RuntimeError(
                    f'{layer._name(group)} in layer {i} of a reversible stack '
                    f'uses a tensor of shape {list(leaf.size())} that '
                    f'requires gradients and is neither its parameter nor an '
                    f'argument of the stack: make it one of these, or set '
                    f'enabled=False'
                )
        grad_in = None
        grads = torch.autograd.grad(out, leaves, grad, allow_unused=True)
        for leaf, g in zip(sources, grads, strict=True):
            if leaf is y_in:
                grad_in = g
            elif leaf in self.given:
                self.given[leaf] = _add(self.given[leaf], g)
            elif g is not None:
                self.sums[plan.places[leaf]].add_(g)
                self.used[plan.places[leaf]] = True
        return out.detach(), grad_in


def _copy(tensor: Tensor) -> Tensor:
    """A leaf of autograd with the values of another tensor."""
    out = tensor.detach()
    is_parameter = isinstance(tensor, Parameter)
    return Parameter(out) if is_parameter else out.requires_grad_()


@torch.compiler.disable  # compile the blocks instead
def call(
    layers: list[Module],
    x: Tensor,
    args: tuple,
    kwargs: dict[str, Any],
    reversible: bool,
    checkpoint_every: int | None = None,
    wanted: Sequence[int] = (),
    hooks: dict[int, OrderedDict[int, StateHook]] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Runs layers on features; returns the output and the wanted states."""
    if not layers:
        return x, []
    hooks = hooks or {}
    within = torch._C._are_functorch_transforms_active()  # torch.func
    known = has_values(x)  # not while a trace is made, of plain layers
    if reversible and torch.is_grad_enabled() and known and not within:
        plan = _Plan(layers, args, kwargs, checkpoint_every, wanted, hooks, x)
        inputs = (x, *plan.arguments.tensors, *plan.parameters)
        if any(tensor.requires_grad for tensor in inputs):
            out, *states = _Reversible.apply(plan, *inputs)
            return out, states
    states = {}
    xs = layers[0]._split(x)
    for i, layer in enumerate(layers):
        xs = layer._run(xs, args, kwargs)
        if i in wanted or (hooks.get(i) and xs[0].requires_grad):
            states[i] = layer._join(xs)
            for hook in hooks.get(i, {}).values():
                _on_gradient(states[i], hook)
            xs = layer._split(states[i])
    return layers[-1]._join(xs), [states[i] for i in wanted]


def _on_gradient(state: Tensor, hook: StateHook) -> None:
    def look(grad: Tensor) -> None:
        hook(state.detach(), grad.clone())

    if state.requires_grad:
        state.register_hook(look)
