import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, ModuleList
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.hooks import RemovableHandle
from torch_geometric.typing import SparseTensor

_CUDA_STATE = 16  # bytes of a CUDA generator's state

StateHook = Callable[[Tensor, Tensor], None]


def _nothing() -> None:
    pass


def _total(xs: Sequence[Tensor]) -> Tensor:
    out = xs[0]
    for x in xs[1:]:
        out = out + x
    return out


def _add(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    if total is None or more is None:
        return more if total is None else total
    return total + more


class GroupAddRev(Module):
    r"""The grouped reversible block of the `"Training Graph Neural Networks
    with 1000 Layers" <https://arxiv.org/abs/2106.07476>`_ paper.

    The channels of :math:`\mathbf{X}` are split into :math:`C` groups, and

    .. math::
        \mathbf{X}^{\prime}_0 &= \sum_{i=2}^C \mathbf{X}_i

        \mathbf{X}^{\prime}_i &= \mathbf{X}_i + f_{\theta(i)}
        (\mathbf{X}^{\prime}_{i - 1}, \mathbf{A}), \quad
        i \in \{ 1, \ldots, C \}

    from which :math:`\mathbf{X}` can be computed back, so that training
    stores the output alone.
    It replaces :class:`torch_geometric.nn.GroupAddRev`, whose parameters it
    loads, with two differences: it is right with random numbers, normalization
    and everything else that :class:`ReversibleSequential` lists; and further
    arguments are handed whole to each :math:`f_{\theta(i)}`, never split by
    their size.

    Args:
        conv (torch.nn.Module or torch.nn.ModuleList): The module
            :math:`f_{\theta(1)}`, which keeps the width of a group and is
            copied and reset for the other groups; or all of them.
        split_dim (int, optional): The dimension of the groups.
            (default: :obj:`-1`)
        num_groups (int, optional): The number of groups :math:`C`, needed
            with a single module. (default: :obj:`None`)
        disable (bool, optional): If set to :obj:`True`, stores what PyTorch
            stores for any module. (default: :obj:`False`)
        num_bwd_passes (int, optional): Accepted as in PyG; any number of
            backward passes works with :obj:`retain_graph`.
            (default: :obj:`1`)

    Raises:
        ValueError: On less than two groups, or on a number of channels that
            they do not divide.

    Shapes:
        - **input:** features :math:`(|\mathcal{V}|, F)` and what the module
          takes besides
        - **output:** features :math:`(|\mathcal{V}|, F)`
    """

    def __init__(
        self,
        conv: Module | ModuleList,
        split_dim: int = -1,
        num_groups: int | None = None,
        disable: bool = False,
        num_bwd_passes: int = 1,
    ):
        super().__init__()
        if isinstance(conv, ModuleList):
            self.convs = conv
        else:
            self.convs = ModuleList([conv])
            for _ in range((num_groups or 0) - 1):
                other = copy.deepcopy(conv)
                if hasattr(other, 'reset_parameters'):
                    other.reset_parameters()
                self.convs.append(other)
        if len(self.convs) < 2:
            raise ValueError(
                f'a reversible block needs at least 2 groups (got '
                f'{len(self.convs)}): give num_groups or a ModuleList'
            )
        self.split_dim = split_dim
        self.disable = disable
        self._before = _nothing
        self.num_bwd_passes = num_bwd_passes

    @property
    def num_groups(self) -> int:
        """The number of groups."""
        return len(self.convs)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for conv in self.convs:
            conv.reset_parameters()

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not self.disable:
            return _call([self], x, args, kwargs, reversible=True)[0]
        return self._join(self._couple(self._split(x), args, kwargs))

    def inverse(self, y: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Computes the input from the output; see
        :meth:`ReversibleSequential.inverse`.
        """
        with _frozen_statistics(self):
            return self._join(self._undo(self._split(y), args, kwargs))

    def _split(self, x: Tensor) -> list[Tensor]:
        """The groups of a tensor, as views."""
        size = x.size(self.split_dim)
        if size % self.num_groups != 0:
            raise ValueError(
                f'{size} channels do not divide into {self.num_groups} groups'
            )
        return list(x.chunk(self.num_groups, self.split_dim))

    def _join(self, xs: Sequence[Tensor]) -> Tensor:
        """The tensor of all groups."""
        return torch.cat(tuple(xs), dim=self.split_dim)

    def _couple(
        self, xs: list[Tensor], args: tuple, kwargs: dict[str, Any]
    ) -> list[Tensor]:
        """The block on groups."""
        ys: list[Tensor] = []
        y_in = _total(xs[1:])
        for x, conv in zip(xs, self.convs, strict=True):
            self._before()
            y_in = x + conv(y_in, *args, **kwargs).to(x.dtype)
            ys.append(y_in)
        return ys

    def _run(
        self,
        xs: list[Tensor],
        args: tuple,
        kwargs: dict[str, Any],
        before: Callable[[], None] = _nothing,
    ) -> list[Tensor]:
        """As ``_couple``, and calls ``before`` ahead of each module. In a
        stack, calls the hooks of the block if it has any.
        """
        self._before = before
        hooked = self._forward_hooks or self._forward_pre_hooks
        try:
            if self.disable and hooked:
                return self._split(self(self._join(xs), *args, **kwargs))
            return self._couple(xs, args, kwargs)
        finally:
            self._before = _nothing

    def _undo(
        self, ys: list[Tensor], args: tuple, kwargs: dict[str, Any]
    ) -> list[Tensor]:
        """The inverse of ``_couple``."""
        xs = list(ys)
        for i in reversed(range(self.num_groups)):
            y_in = ys[i - 1] if i > 0 else _total(xs[1:])
            out = self.convs[i](y_in, *args, **kwargs)
            xs[i] = ys[i] - out.to(ys[i].dtype)
        return xs

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.convs[0]}, '
            f'num_groups={self.num_groups})'
        )


class ReversibleSequential(Module):
    r"""A stack of grouped reversible blocks (:class:`GroupAddRev`) that
    trains in memory that, but for the parameters, hardly grows with its
    depth, from the `"Training Graph Neural Networks with 1000 Layers"
    <https://arxiv.org/abs/2106.07476>`_ paper.

    The whole stack is one node of the autograd graph, which stores its
    output. The backward pass walks from there to the input; at each block
    *one* evaluation gives both the inverse and the gradient.

    * Random numbers of PyTorch (dropout, edge dropping) are replayed, and so
      is autocast. The state keeps the type of the input.
    * Running statistics of normalization layers are updated once.
    * Tensors of the caller are neither freed nor changed.
    * Any module may stand in a block: without parameters, with frozen, unused
      or shared ones. Gradients reach the further arguments that require them.
    * In evaluation and under :func:`torch.no_grad` it is a plain stack.
    * Forward hooks of :obj:`stack.layers[i]` fire once a step, with the state
      as one tensor; hooks inside a block fire in each evaluation.

    Inversion adds rounding errors, which grow with depth unless blocks
    normalize their input; :obj:`anchor_every` bounds them.

    Args:
        blocks (list): For each layer a module of width :math:`F / C`, which
            is copied and reset for each group, or a list of :math:`C`
            modules. The same entry twice shares its parameters.
        num_groups (int, optional): The number of groups :math:`C`.
            (default: :obj:`2`)
        anchor_every (int, optional): Stores the state after every so many
            layers, from which the walk goes on. (default: :obj:`None`)
        split_dim (int, optional): The dimension of the groups.
            (default: :obj:`-1`)
        enabled (bool, optional): If set to :obj:`False`, also as an attribute
            later, the same stack stores what PyTorch stores.
            (default: :obj:`True`)

    Raises:
        ValueError: On less than two groups, or on a number of channels that
            they do not divide.
        RuntimeError: In the backward pass, if a parameter or the mode of the
            stack was changed since the forward pass, or on double backward.

    Shapes:
        - **input:** features :math:`(|\mathcal{V}|, F)` and what the blocks
          take besides (edge indices, weights, ...), handed whole to each
        - **output:** features :math:`(|\mathcal{V}|, F)`; with
          :obj:`return_states` a tuple of those and the list of states
    """

    def __init__(
        self,
        blocks: Sequence[Module | Sequence[Module]],
        num_groups: int = 2,
        anchor_every: int | None = None,
        split_dim: int = -1,
        enabled: bool = True,
    ):
        super().__init__()
        if anchor_every is not None and anchor_every < 1:
            raise ValueError(
                f'anchor_every must be at least 1 (got {anchor_every})'
            )
        built: dict[int, GroupAddRev] = {}
        for block in blocks:
            if id(block) in built:
                continue
            conv = block if isinstance(block, Module) else ModuleList(block)
            if isinstance(conv, ModuleList) and len(conv) != num_groups:
                raise ValueError(
                    f'a list of modules must have one for each of the '
                    f'{num_groups} groups (got {len(conv)})'
                )
            built[id(block)] = GroupAddRev(
                conv, split_dim, num_groups, disable=True
            )
        self.layers = ModuleList(built[id(block)] for block in blocks)
        self.num_groups = num_groups
        self.anchor_every = anchor_every
        self.split_dim = split_dim
        self.enabled = enabled
        self._state_hooks: dict[int, OrderedDict[int, StateHook]] = {
            i: OrderedDict() for i in range(len(self.layers))
        }

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for layer in self.layers:
            layer.reset_parameters()

    def forward(
        self,
        x: Tensor,
        *args: Any,
        return_states: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> Tensor | tuple[Tensor, list[Tensor]]:
        """Runs the stack.

        Args:
            x: The features.
            *args: Further arguments of each block.
            return_states: Indices of layers whose output is returned too, for
                jumping knowledge. Each costs one stored state.
            **kwargs: Further arguments of each block.
        """
        wanted = [self._index(i) for i in return_states or ()]
        out, states = _call(
            list(self.layers),
            x,
            args,
            kwargs,
            self.enabled,
            self.anchor_every,
            wanted,
            self._state_hooks,
        )
        return out if return_states is None else (out, states)

    def inverse(self, y: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Computes the input from the output.

        The blocks run in their present mode; one that draws random numbers
        cannot be inverted from its output alone, so call :meth:`eval` first.
        """
        with _frozen_statistics(self):
            for layer in reversed(self.layers):
                y = layer._join(layer._undo(layer._split(y), args, kwargs))
        return y

    def register_state_hook(self, i: int, fn: StateHook) -> RemovableHandle:
        """Calls ``fn(state, gradient)`` in each backward pass with the output
        of layer ``i`` and the gradient that reaches it.
        """
        hooks = self._state_hooks[self._index(i)]
        handle = RemovableHandle(hooks)
        hooks[handle.id] = fn
        return handle

    def _index(self, i: int) -> int:
        num = len(self.layers)
        if not -num <= i < num:
            raise ValueError(f'there is no layer {i} in a stack of {num}')
        return i % num

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({len(self.layers)} layers, '
            f'num_groups={self.num_groups}, anchor_every={self.anchor_every})'
        )


@contextmanager
def _frozen_statistics(*modules: Module) -> Iterator[None]:
    """Normalization by batch statistics that leaves the running ones."""
    found = {
        m
        for module in modules
        for m in module.modules()
        if isinstance(m, _NormBase) and m.training and m.track_running_stats
    }
    for norm in found:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in found:
            norm.track_running_stats = True


class _Random:
    """States of PyTorch's random numbers on the CPU and one device.

    They lie in a few large tensors: many small ones, kept among the large
    ones that come and go, would keep the allocator from using the gaps again.
    """

    BANK = 256  # states in one tensor

    def __init__(self, device: torch.device):
        self.device = device
        self.banks: list[Tensor] = []
        self.used = 0
        self.places: list[int] = []  # one for each recorded evaluation

    def now(self) -> Tensor:
        state = torch.get_rng_state()
        if self.device.type != 'cuda':
            return state
        return torch.cat([state, torch.cuda.get_rng_state(self.device)])

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
        if self.device.type == 'cuda':
            state, of_device = state[:-_CUDA_STATE], state[-_CUDA_STATE:]
            torch.cuda.set_rng_state(of_device.clone(), self.device)
        torch.set_rng_state(state.clone())

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
        self.tensors: list[Tensor] = []
        for slot, leaf in enumerate(self.leaves):
            if isinstance(leaf, SparseTensor):
                leaf = leaf.storage.value()
            if isinstance(leaf, Tensor) and leaf.requires_grad:
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
        layers: list[GroupAddRev],
        args: tuple,
        kwargs: dict[str, Any],
        anchor_every: int | None,
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
        every = anchor_every or len(layers)
        last = len(layers) - 1
        self.anchors = [*range(every - 1, last, every)]
        self.training = [layer.training for layer in layers]
        self.autocast = {
            'device_type': device.type,
            'enabled': torch.is_autocast_enabled(device.type),
            'dtype': torch.get_autocast_dtype(device.type),
            'cache_enabled': torch.is_autocast_cache_enabled(),
        }
        # The parameters of each module by their place in one list:
        places: dict[Tensor, int] = {}
        self.places = [
            [
                [
                    places.setdefault(p, len(places))
                    for p in conv.parameters()
                    if p.requires_grad
                ]
                for conv in layer.convs
            ]
            for layer in layers
        ]
        self.parameters = list(places)
        self.versions = [p._version for p in self.parameters]

    def check(self) -> None:
        """Raises an error where replaying would give wrong gradients."""
        if torch.is_grad_enabled():
            raise RuntimeError(
                'a reversible stack has no double backward (create_graph); '
                'set enabled=False for that'
            )
        if self.versions != [p._version for p in self.parameters]:
            raise RuntimeError(
                'a parameter of a reversible stack was changed in place '
                'between its forward and its backward pass, which evaluates '
                'the blocks again'
            )
        if self.training != [layer.training for layer in self.layers]:
            raise RuntimeError(
                'a reversible stack was switched between train() and eval() '
                'between its forward and its backward pass, which evaluates '
                'the blocks again'
            )


class _Reversible(torch.autograd.Function):
    """The whole stack as one node of the autograd graph."""

    @staticmethod
    def forward(
        ctx: Any, plan: _Plan, x: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        given = tensors[: len(plan.arguments.tensors)]
        args, kwargs = plan.arguments.fill([t.detach() for t in given])
        xs = plan.layers[0]._split(x.detach())
        states: dict[int, Tensor] = {}
        anchors: list[Tensor] = []
        for i, layer in enumerate(plan.layers):
            xs = layer._run(xs, args, kwargs, plan.random.record)
            if i in plan.wanted:
                states[i] = layer._join(xs)
            if i in plan.anchors:
                anchors += xs
        out = plan.layers[-1]._join(xs)
        ctx.plan = plan
        ctx.num_given = len(given)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(out, *given, *anchors)
        return out, *(states[i] for i in plan.wanted)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple:
        plan: _Plan = ctx.plan
        plan.check()
        out, *rest = ctx.saved_tensors
        given = [t.detach().requires_grad_() for t in rest[: ctx.num_given]]
        anchors = rest[ctx.num_given :]
        walk = _Walk(plan, out, given)
        walk.receive(grads[0])
        with (
            plan.random.replayed(),
            torch.autocast(**plan.autocast),
            _frozen_statistics(*plan.layers),
        ):
            for i in reversed(range(len(plan.layers))):
                if i in plan.anchors:
                    size = plan.layers[i].num_groups
                    walk.ys, anchors = anchors[-size:], anchors[:-size]
                for state, grad in zip(plan.wanted, grads[1:], strict=True):
                    if state == i:
                        walk.receive(grad)
                walk.step(i)
        grad_x = None
        if any(g is not None for g in walk.gs):
            grad_x = plan.layers[0]._join(walk.gradients())
        return None, grad_x, *walk.given_grads, *walk.parameter_grads()


class _Walk:
    """The backward pass of a stack, from its last layer to its first."""

    def __init__(self, plan: _Plan, out: Tensor, given: list[Tensor]):
        self.plan = plan
        self.given = given
        self.args, self.kwargs = plan.arguments.fill(given)
        self.ys = plan.layers[-1]._split(out.detach())
        self.gs: list[Tensor | None] = [None] * len(self.ys)
        self.given_grads: list[Tensor | None] = [None] * len(given)
        # All at once, for the reason that `_Random` has its banks:
        self.sums = [torch.zeros_like(p) for p in plan.parameters]
        self.used = [False] * len(self.sums)
        self.replay = list(plan.random.places)

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
            y_in = ys[group - 1] if group > 0 else _total(xs[1:])
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
        conv = self.plan.layers[i].convs[group]
        places = self.plan.places[i][group]
        grad = self.gs[group]
        y_in = y_in.detach().requires_grad_()
        self.plan.random.set(self.plan.random[self.replay.pop()])
        with torch.enable_grad():
            out = conv(y_in, *self.args, **self.kwargs).to(y_in.dtype)
        if grad is None or not out.requires_grad:
            return out.detach(), None
        parameters = [self.plan.parameters[p] for p in places]
        grad_in, *more = torch.autograd.grad(
            out, [y_in, *parameters, *self.given], grad, allow_unused=True
        )
        for place, g in zip(places, more[: len(places)], strict=True):
            if g is not None:
                self.sums[place].add_(g)
                self.used[place] = True
        self.given_grads = list(
            map(_add, self.given_grads, more[len(places) :])
        )
        return out.detach(), grad_in


@torch.compiler.disable  # compile the blocks instead
def _call(
    layers: list[GroupAddRev],
    x: Tensor,
    args: tuple,
    kwargs: dict[str, Any],
    reversible: bool,
    anchor_every: int | None = None,
    wanted: Sequence[int] = (),
    hooks: dict[int, OrderedDict[int, StateHook]] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Runs layers on features; returns the output and the wanted states."""
    if not layers:
        return x, []
    hooks = hooks or {}
    if reversible and torch.is_grad_enabled():
        plan = _Plan(layers, args, kwargs, anchor_every, wanted, hooks, x)
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
    if state.requires_grad:
        state.register_hook(lambda grad: hook(state.detach(), grad))
