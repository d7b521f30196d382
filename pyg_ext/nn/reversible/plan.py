from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.random import fork_rng
from torch.utils._pytree import tree_map
from torch_geometric.typing import SparseTensor

from pyg_ext.nn.reversible.contents import (
    Contents,
    Entry,
    copy_of,
    version_of,
)

HOOKS = attrgetter(
    *('_forward_pre_hooks', '_forward_hooks'),
    *('_backward_pre_hooks', '_backward_hooks'),
)


class RandomStates:
    """States of PyTorch's random numbers on the CPU and one device.

    They lie in one tensor: many small ones among the large ones that come and
    go would keep the allocator from using the gaps again. PyTorch's own
    ``get_device_states`` fails on ``mps`` (pytorch/pytorch#127676).
    """

    def __init__(self, device: torch.device, size: int):
        devices = [] if device.type == 'cpu' else [device]
        self.fork = partial(fork_rng, devices, device_type=device.type)
        of_device = getattr(torch, device.type)
        self.sources = [(torch, ()), *((of_device, (d,)) for d in devices)]
        self.sizes = [len(state) for state in self.now()]
        self.states = torch.get_rng_state().new_empty(size, sum(self.sizes))
        self.rows: list[int] = []  # one for each recorded evaluation

    def now(self) -> list[Tensor]:
        """The present state of each generator."""
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


class Plan:
    """One call of a stack: what its backward pass needs besides tensors."""

    def __init__(
        self, stack: Module, x: Tensor, given: tuple, returned: Sequence[int]
    ):
        self.stack = stack
        self.layers = list(stack.layers)
        self.returned = returned
        last = len(self.layers) - 1
        every = stack.checkpoint_every or len(self.layers)
        self.checkpoints = range(every - 1, last, every)
        convs = [conv for layer in self.layers for conv in layer.convs]
        self.random = RandomStates(x.device, len(convs))
        self.changes: list[list[Entry]] = []  # of modules, by each evaluation
        kind = x.device.type
        enabled = torch.is_autocast_enabled(kind)
        self.autocast = torch.autocast(kind, enabled=enabled)
        self.types = [x.dtype]
        if enabled:
            self.types.append(torch.get_autocast_dtype(kind))
        self.contents = {conv: Contents(conv) for conv in dict.fromkeys(convs)}
        tensors = [
            tensor
            for contents in self.contents.values()
            for *_, tensor in contents.parameters
            if tensor.requires_grad
        ]
        self.parameters = list(dict.fromkeys(tensors))
        self.inputs = [*self.parameters]  # that may not change
        # Arguments that require gradients, by the copies that blocks get:
        self.arguments: dict[Tensor, Tensor] = {}
        self.given = tree_map(self.argument, given)
        self.versions = [version_of(tensor) for tensor in self.inputs]

    def argument(self, value: Any) -> Any:
        """What blocks get for an argument."""
        sparse = isinstance(value, SparseTensor)
        tensor = value.storage.value() if sparse else value
        if not isinstance(tensor, Tensor):
            return value
        self.inputs.append(tensor)
        if not tensor.requires_grad:
            return value
        copy = copy_of(tensor, requires_grad=True)
        self.arguments[copy] = tensor
        return value.set_value(copy, layout='coo') if sparse else copy

    def run(self, i: int, xs: list[Tensor]) -> list[Tensor]:
        """A layer in the forward pass; hooks may look at its state."""
        layer, evaluate = self.layers[i], partial(self.evaluate, i)
        if layer is self.stack or not any(HOOKS(layer)):
            return layer._couple(xs, evaluate)
        if layer._backward_hooks or layer._backward_pre_hooks:
            raise RuntimeError(
                f'{self.label(i)} of a reversible stack has no backward '
                f'hooks: use register_state_hook of the stack'
            )
        inputs = (layer._join(xs), *self.given[0])
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
        versions = [version_of(state) for state in seen]
        for key, hook in list(hooks.items()):
            kwargs = self.given[1:] if key in with_kwargs else ()
            result = hook(layer, inputs, *kwargs, *out)
            same = any(result is t for t in (None, inputs, *seen))
            if not same or versions != [version_of(state) for state in seen]:
                raise RuntimeError(
                    f'a hook on {self.label(i)} of a reversible stack changed '
                    f'its state, which the backward pass cannot undo: change '
                    f'it inside of a block, or set enabled=False'
                )

    def evaluate(self, i: int, group: int, y_in: Tensor) -> Tensor:
        """One evaluation of the forward pass, which is to be repeated: so it
        sees gradients enabled, too.
        """
        self.random.record()
        layer, y_in = self.layers[i], y_in.detach().requires_grad_()
        contents = self.contents[layer.convs[group]]
        with contents.recorded() as changes, torch.enable_grad():
            out = layer._evaluate(self.given, group, y_in)
        self.changes.append(changes)
        return out.detach()

    def check(self) -> None:
        """Raises an error where replaying would give wrong gradients."""
        if torch.is_grad_enabled():
            raise RuntimeError(
                'a reversible stack has no double backward (create_graph): '
                'set enabled=False'
            )
        for tensor, version in zip(self.inputs, self.versions, strict=True):
            if version_of(tensor) != version:
                raise RuntimeError(
                    f'{self.name_of(tensor)} was changed in place since the '
                    f'forward pass of a reversible stack'
                )
        for contents in self.contents.values():
            if contents.training != [m.training for m in contents.modules]:
                raise RuntimeError(
                    f'{self.name_of(contents)} was switched between train() '
                    f'and eval() since the forward pass of a reversible stack'
                )

    def label(self, i: int) -> str:
        """A layer by its index and its class."""
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
