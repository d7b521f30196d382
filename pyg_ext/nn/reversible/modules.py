import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial, reduce
from operator import add
from types import MappingProxyType
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.nn import Module, ModuleList
from torch.utils.hooks import RemovableHandle

from pyg_ext.nn.reversible.contents import Contents, version_of
from pyg_ext.nn.reversible.engine import StateHook, run
from pyg_ext.utils.checks import check_count
from pyg_ext.utils.deprecation import renamed

Evaluate = Callable[[int, Tensor], Tensor]  # of a group, on its input

_READERS: WeakSet[Module] = WeakSet()  # leave their input as it is


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
    loads, but is right with all that :class:`ReversibleSequential` lists, and
    hands further arguments whole to each :math:`f_{\theta(i)}`.

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

    Errors and shapes else are those of :class:`ReversibleSequential`.
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
            if num_groups not in (None, len(conv)):
                raise ValueError(
                    f'num_groups must be the number of modules, '
                    f'{len(conv)}, or None (got {num_groups})'
                )
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

    # What the engine asks of a stack, which is of one layer here:
    checkpoint_every, enabled = None, True
    _state_hooks = MappingProxyType({})
    layers = property(lambda self: [self])

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
            return run(self, x, (args, kwargs))[0]
        evaluate = partial(self._evaluate, (args, kwargs))
        return self._join(self._couple(self._split(x), evaluate))

    def inverse(self, y: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Computes the input from the output; see
        :meth:`ReversibleSequential.inverse`.
        """

        def evaluate(group: int, y_in: Tensor) -> Tensor:
            with Contents(self.convs[group]).restored({}):
                return self._evaluate((args, kwargs), group, y_in)

        return self._join(self._uncouple(self._split(y), evaluate))

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

    def _couple(self, xs: list[Tensor], evaluate: Evaluate) -> list[Tensor]:
        """The block, group by group, with what evaluates its modules."""
        ys: list[Tensor] = []
        y_in = reduce(add, xs[1:])
        for group, x in enumerate(xs):
            y_in = x + evaluate(group, y_in)
            ys.append(y_in)
        return ys

    def _uncouple(self, ys: list[Tensor], evaluate: Evaluate) -> list[Tensor]:
        """The inverse of ``_couple``."""
        xs = list(ys)
        for group in reversed(range(self.num_groups)):
            y_in = ys[group - 1] if group > 0 else reduce(add, xs[1:])
            xs[group] = ys[group] - evaluate(group, y_in)
        return xs

    def _evaluate(self, given: tuple, group: int, y_in: Tensor) -> Tensor:
        """One module; one that changes its input does so to a copy."""
        conv, (args, kwargs) = self.convs[group], given
        x = y_in if conv in _READERS else y_in.clone()
        version = version_of(x)
        out = conv(x, *args, **kwargs)
        if version_of(x) == version and not x.is_inference():
            _READERS.add(conv)
        elif version_of(x) != version and x is y_in:
            raise RuntimeError(
                f'{self._name(group)} of a reversible block changed its '
                f'input in place, as it had not done before'
            )
        if not isinstance(out, Tensor) or out.size() != y_in.size():
            got = list(out.size()) if isinstance(out, Tensor) else type(out)
            raise ValueError(
                f'{self._name(group)} of a reversible block must return a '
                f'tensor of the shape of its input, {list(y_in.size())} (got '
                f'{got})'
            )
        return out.to(y_in.dtype)

    def _name(self, group: int) -> str:
        return f'{type(self.convs[group]).__name__} (group {group})'

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.convs[0]}, '
            f'num_groups={self.num_groups})'
        )


class ReversibleSequential(Module):
    r"""A stack of grouped reversible blocks (:class:`GroupAddRev`), whose
    training memory hardly grows with its depth but for the parameters, from
    the `"Training Graph Neural Networks with 1000 Layers"
    <https://arxiv.org/abs/2106.07476>`_ paper.

    The whole stack is one node of the autograd graph, which stores its
    output. The backward pass walks from there to the input; at each block
    *one* evaluation gives both the inverse and the gradient.

    * Random numbers of PyTorch (dropout, edge dropping) are replayed, and so
      is autocast. The state keeps the type of the input.
    * What a block keeps (running statistics, buffers, attributes) changes
      once. Tensors of the caller are neither freed nor changed.
    * Any module may stand in a block: without parameters, with frozen, unused
      or shared ones. Gradients reach the further arguments that require them.
    * Under :func:`torch.no_grad` it is a plain stack.
    * Forward hooks of :obj:`stack.layers[i]` fire once a step, with the state
      as one tensor; hooks inside a block fire in each evaluation.

    Inversion adds rounding errors, which grow with depth unless blocks
    normalize their input; :obj:`checkpoint_every` bounds them.

    Args:
        blocks (list): For each layer a module of width :math:`F / C`, which
            is copied and reset for each group, or a list of :math:`C`
            modules. The same entry twice shares its parameters.
        num_groups (int, optional): The number of groups :math:`C`.
            (default: :obj:`2`)
        checkpoint_every (int, optional): Stores the state after every so many
            layers, from which the walk goes on. (default: :obj:`None`)
        split_dim (int, optional): The dimension of the groups.
            (default: :obj:`-1`)
        enabled (bool, optional): If set to :obj:`False`, also as an attribute
            later, the same stack stores what PyTorch stores.
            (default: :obj:`True`)

    Raises:
        ValueError: On less than two groups, on a number of channels that
            they do not divide, or on a block that changes the shape.
        UserWarning: Once, if the way back misses the input by more than 1 %.
        RuntimeError: In the forward pass, on a scripted module, a parameter
            without a shape yet, or a hook on a layer that changes the state.
            In the backward pass, if a parameter, an argument or a mode was
            changed since the forward pass; if the way back misses the input
            by more than 5 % (with bfloat16, 9 %); if a block uses a tensor
            that requires gradients and is neither its own nor an argument; or
            on double backward.

    Shapes:
        - **input:** features :math:`(|\mathcal{V}|, F)` and what the blocks
          take besides (edge indices, weights, ...), handed whole to each
        - **output:** features :math:`(|\mathcal{V}|, F)`; with
          :obj:`return_states` a tuple of those and the list of states
    """

    @renamed('anchor_every', 'checkpoint_every')
    def __init__(
        self,
        blocks: Sequence[Module | Sequence[Module]],
        num_groups: int = 2,
        checkpoint_every: int | None = None,
        split_dim: int = -1,
        enabled: bool = True,
    ):
        super().__init__()
        if checkpoint_every is not None:
            check_count('checkpoint_every', checkpoint_every)
        layers: dict[int, GroupAddRev] = {}
        for key, block in {id(block): block for block in blocks}.items():
            conv = block if isinstance(block, Module) else ModuleList(block)
            if isinstance(conv, ModuleList) and len(conv) != num_groups:
                raise ValueError(
                    f'a list of modules must have one for each of the '
                    f'{num_groups} groups (got {len(conv)})'
                )
            layers[key] = GroupAddRev(conv, split_dim, num_groups, True)
        self.layers = ModuleList(layers[id(block)] for block in blocks)
        self.num_groups = num_groups
        self.checkpoint_every = checkpoint_every
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
        """Runs the stack, with further arguments for each block; returns the
        output of the layers :obj:`return_states` too (jumping knowledge),
        each of which is stored.
        """
        returned = [self._index(i) for i in return_states or ()]
        out, states = run(self, x, (args, kwargs), returned)
        return out if return_states is None else (out, states)

    def inverse(self, y: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Computes the input from the output. Call :meth:`eval` first, if a
        block draws random numbers.
        """
        for layer in reversed(self.layers):
            y = layer.inverse(y, *args, **kwargs)
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
            f'num_groups={self.num_groups}, '
            f'checkpoint_every={self.checkpoint_every})'
        )
