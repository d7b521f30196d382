import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.nn import Module, ModuleList, Parameter
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.hooks import RemovableHandle
from torch_geometric.typing import SparseTensor

from pyg_ext.nn.contents import Contents, put, versions_of
from pyg_ext.utils.checks import has_values

_CUDA_STATE = 16  # bytes of a CUDA generator's state
_DRIFT = 5e-2  # of a state on the way back, relative to that on the way there
_READERS: WeakSet[Module] = WeakSet()  # leave their input as it is
_LOCK = threading.RLock()  # a pass reads and sets what all threads share

StateHook = Callable[[Tensor, Tensor], None]
Evaluate = Callable[..., Tensor]


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

    def _evaluate(
        self, group: int, y_in: Tensor, args: tuple, kwargs: dict[str, Any]
    ) -> Tensor:
        """One module; one that changes its input does so to a copy."""
        conv = self.convs[group]
        known = conv in _READERS
        given = y_in if known else y_in.clone()
        version = versions_of([given])
        out = conv(given, *args, **kwargs)
        if versions_of([given]) != version and known:
            raise RuntimeError(
                'a module of a reversible block changed its input in place, '
                'as it had not done before'
            )
        if versions_of([given]) == version and not given.is_inference():
            _READERS.add(conv)
        if not isinstance(out, Tensor) or out.size() != y_in.size():
            got = list(out.size()) if isinstance(out, Tensor) else type(out)
            raise ValueError(
                f'a module of a reversible block must return a tensor of the '
                f'shape of its input, {list(y_in.size())} (got {got})'
            )
        return out.to(y_in.dtype)

    def _couple(
        self,
        xs: list[Tensor],
        args: tuple,
        kwargs: dict[str, Any],
        evaluate: Evaluate | None = None,
    ) -> list[Tensor]:
        """The block on groups."""
        evaluate = evaluate or GroupAddRev._evaluate
        ys: list[Tensor] = []
        y_in = _total(xs[1:])
        for group, x in enumerate(xs):
            y_in = x + evaluate(self, group, y_in, args, kwargs)
            ys.append(y_in)
        return ys

    def _run(
        self,
        xs: list[Tensor],
        args: tuple,
        kwargs: dict[str, Any],
        evaluate: Evaluate | None = None,
    ) -> list[Tensor]:
        """As ``_couple``; in a stack, calls the hooks of the block too."""
        backward = self._backward_hooks or self._backward_pre_hooks
        forward = self._forward_hooks or self._forward_pre_hooks
        if not self.disable or not (forward or backward):
            return self._couple(xs, args, kwargs, evaluate)
        if evaluate is None:
            return self._split(self(self._join(xs), *args, **kwargs))
        if backward:
            raise RuntimeError(
                'a layer of a reversible stack has no backward hooks: use '
                'register_state_hook of the stack'
            )
        inputs = (self._join(xs), *args)
        self._show(self._forward_pre_hooks, inputs, kwargs)
        ys = self._couple(xs, args, kwargs, evaluate)
        self._show(self._forward_hooks, inputs, kwargs, self._join(ys))
        return ys

    def _show(
        self,
        hooks: dict[int, Callable],
        inputs: tuple,
        kwargs: dict[str, Any],
        *out: Tensor,
    ) -> None:
        """Calls hooks, which may look at the state but not change it."""
        named = (
            self._forward_hooks_with_kwargs
            if out
            else self._forward_pre_hooks_with_kwargs
        )
        seen = (inputs[0], *out)
        versions = versions_of(seen)
        for key, hook in list(hooks.items()):
            given = (inputs, kwargs) if key in named else (inputs,)
            result = hook(self, *given, *out)
            same = any(result is t for t in (None, inputs, *seen))
            if not same or versions != versions_of(seen):
                raise RuntimeError(
                    'a hook on a layer of a reversible stack changed its '
                    'state, which the backward pass cannot undo: change it '
                    'inside of a block, or set enabled=False'
                )

    def _undo(
        self, ys: list[Tensor], args: tuple, kwargs: dict[str, Any]
    ) -> list[Tensor]:
        """The inverse of ``_couple``."""
        xs = list(ys)
        for i in reversed(range(self.num_groups)):
            y_in = ys[i - 1] if i > 0 else _total(xs[1:])
            with Contents(self.convs[i]).aside():
                xs[i] = ys[i] - self._evaluate(i, y_in, args, kwargs)
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
    * What a block keeps (running statistics, buffers, attributes) changes
      once, and is what it was before when the block is evaluated again.
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
        ValueError: On less than two groups, on a number of channels that
            they do not divide, or on a block that changes the shape.
        RuntimeError: In the forward pass, on a scripted module, a parameter
            without a shape yet, or a hook on a layer that changes the state.
            In the backward pass, if a parameter, an argument or the mode of
            the stack was changed since the forward pass; if the way back
            does not lead to the input (rounding errors, or a block that
            computes something else the second time); if a block uses a
            tensor that requires gradients and is neither its own nor an
            argument; or on double backward.

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


def _sketch(xs: Sequence[Tensor]) -> Tensor:
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
        self.changes: list[list] = []  # of modules, by each evaluation
        every = anchor_every or len(layers)
        last = len(layers) - 1
        self.anchors = [*range(every - 1, last, every)]
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
        layer: GroupAddRev,
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
        if self.versions != versions_of(self.watched):
            raise RuntimeError(
                'a parameter or an argument of a reversible stack was changed '
                'in place since its forward pass, which the backward pass '
                'evaluates again'
            )
        if self.training != self.modes():
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
        args, kwargs = plan.arguments.fill(
            [_copy(t) for t in plan.arguments.tensors]
        )
        xs = plan.layers[0]._split(x.detach())
        with torch.autocast(x.device.type, enabled=False):
            plan.start = _sketch(xs), _norm(xs)
        states: dict[int, Tensor] = {}
        anchors: list[Tensor] = []
        with _LOCK:
            for i, layer in enumerate(plan.layers):
                xs = layer._run(xs, args, kwargs, plan.evaluate)
                if i in plan.wanted:
                    states[i] = layer._join(xs)
                if i in plan.anchors:
                    anchors += xs
        out = plan.layers[-1]._join(xs)
        ctx.plan = plan
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(out, *anchors)
        return out, *(states[i] for i in plan.wanted)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple:
        plan: _Plan = ctx.plan
        plan.check()
        out, *anchors = ctx.saved_tensors
        with (
            _LOCK,
            plan.random.replayed(),
            torch.autocast(**plan.autocast),
        ):
            walk = _Walk(plan, out)
            try:
                walk.run(anchors, grads)
            finally:
                walk.leave()
        walk.check(out)
        grad_x = None
        if any(g is not None for g in walk.gs):
            grad_x = plan.layers[0]._join(walk.gradients())
        return None, grad_x, *walk.given.values(), *walk.parameter_grads()


class _Walk:
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
        self, anchors: list[Tensor], grads: Sequence[Tensor | None]
    ) -> None:
        """Walks; takes the gradients of the output and wanted states."""
        plan = self.plan
        for contents in plan.contents.values():
            self.set(contents.held)
        self.receive(grads[0])
        for i in reversed(range(len(plan.layers))):
            if i in plan.anchors:
                size = plan.layers[i].num_groups
                ys, self.ys = self.ys, anchors[-size:]
                del anchors[-size:]
                gaps = [a - b for a, b in zip(self.ys, ys, strict=True)]
                self.drift.append((_norm(gaps), _norm(self.ys)))
            for state, grad in zip(plan.wanted, grads[1:], strict=True):
                if state == i:
                    self.receive(grad)
            self.step(i)
        with torch.autocast(plan.autocast['device_type'], enabled=False):
            sums, norm = plan.start
            self.drift.append((_norm([_sketch(self.ys) - sums]), norm))

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
        bound = max(_DRIFT, rounding**0.5)
        size = torch.linalg.vector_norm(out.detach(), torch.inf)
        off, base = map(torch.stack, zip(*self.drift, strict=True))
        base = torch.where(base > 0.0, base, size)
        right = (off <= bound * base) | ~(base.isfinite() & size.isfinite())
        if not right.all():
            worst = (off / base).nan_to_num(torch.inf).max()
            raise RuntimeError(
                f'the backward pass of a reversible stack did not come back '
                f'to the input of the forward pass (relative difference '
                f'{worst:.1e}). Rounding errors grew: normalize the input of '
                f'each block, or give anchor_every. Or a block computed '
                f'something else the second time, with random numbers that '
                f'are not those of PyTorch, or state outside of modules: set '
                f'enabled=False for such a block'
            )

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
            out, grad = self.evaluate(layer, group, y_in)
            xs[group] = ys[group] - out
            receivers = [group - 1] if group > 0 else range(1, len(xs))
            for j in receivers:
                self.gs[j] = _add(self.gs[j], grad)
        self.ys = xs

    def evaluate(
        self, layer: GroupAddRev, group: int, y_in: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """One evaluation of a module, its gradient included."""
        plan, grad = self.plan, self.gs[group]
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
                    f'a block of a reversible stack uses a tensor of shape '
                    f'{list(leaf.size())} that requires gradients and is '
                    f'neither its parameter nor an argument of the stack: '
                    f'make it one of these, or set enabled=False'
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
    within = torch._C._are_functorch_transforms_active()  # torch.func
    known = has_values(x)  # not while a trace is made, of plain layers
    if reversible and torch.is_grad_enabled() and known and not within:
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
    def look(grad: Tensor) -> None:
        hook(state.detach(), grad.clone())

    if state.requires_grad:
        state.register_hook(look)
