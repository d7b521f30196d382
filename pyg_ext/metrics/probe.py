import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import isnan, nan
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.utils.hooks import RemovableHandle
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, OptTensor
from torch_geometric.utils import is_sparse

from pyg_ext.metrics.blocks import in_range
from pyg_ext.metrics.energy import dirichlet_energy, rayleigh_quotient
from pyg_ext.metrics.feature_correlation import feature_correlation
from pyg_ext.metrics.group_distance_ratio import group_distance_ratio
from pyg_ext.metrics.linear_probe import linear_probe
from pyg_ext.metrics.mad import mad, mad_gap, mad_rusch
from pyg_ext.metrics.pair_distances import (
    column_difference,
    row_difference,
    smv,
)
from pyg_ext.metrics.rank import effective_rank, numerical_rank
from pyg_ext.metrics.shared import sharing
from pyg_ext.metrics.smooth_distance import smooth_distance
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.reversible import ReversibleSequential
from pyg_ext.utils.adjacency import edge_list, entries
from pyg_ext.utils.checks import (
    check_count,
    check_mask,
    check_name,
    check_vector,
)

Measure = Callable[..., Any]

MOST_DRAWN = 1e150  # axes end before float64 does

DEFAULT = (
    'dirichlet_energy',
    'rayleigh_quotient',
    'mad',
    'numerical_rank',
    'effective_rank',
)
KNOWN = {
    measure.__name__: measure
    for measure in (
        dirichlet_energy,
        rayleigh_quotient,
        mad,
        mad_rusch,
        mad_gap,
        smv,
        row_difference,
        column_difference,
        group_distance_ratio,
        numerical_rank,
        effective_rank,
        feature_correlation,
        smooth_distance,
        linear_probe,
    )
}


def _root_mean_square(x: Tensor) -> float:
    x = x.detach() if x.is_floating_point() else x.double()
    x, scale = in_range(x.reshape(1, -1))
    norm = torch.linalg.vector_norm(x, dtype=torch.double)
    return (norm / x.numel() ** 0.5 * scale).item()


def _in_backward() -> bool:
    """Whether autograd is running, which may compute a layer again."""
    return torch._C._current_graph_task_id() != -1


class OverSmoothingProbe:
    r"""Watches a network layer by layer: what each hidden state measures, how
    large it is, and what gradient reaches it.

    .. code-block:: python

        with OverSmoothingProbe(model, data.edge_index) as probe:
            loss = F.cross_entropy(model(data.x, data.edge_index), data.y)
            loss.backward()
        print(probe.to_pandas())
        print(diagnose(probe))

    Each call of the model is a step. States become numbers on the spot and
    are never kept; nothing is changed, and on leaving the block no hook is
    left. What is computed again in a backward pass (checkpoints, reversible
    blocks) is not counted again.

    There is a row for each step and layer, with the columns

    * ``step``, ``layer``, ``module``, and ``training``: whether the model was
      in training mode;
    * ``activation``: the root mean square of the entries of the state;
    * ``gradient``: that of the gradient of the loss that reaches it, where a
      backward pass came;
    * one for each measure; NaN for a state that is not finite.

    Several graphs may be one, as in a batch of PyG: numbers are of all nodes
    then.

    Args:
        model (torch.nn.Module): Any module.
        edge_index (torch.Tensor or SparseTensor): The edges on which to
            measure, whatever the model gets; but where its own edge indices
            name nodes beyond these, it is called on a larger graph, and that
            is measured on.
        measures (list or dict, optional): Names of functions in
            :mod:`pyg_ext.metrics`, or functions of a state by name. What they
            call ``edge_index``, ``edge_weight``, ``y``, ``train_mask`` or
            ``test_mask`` is given to them. (default:
            :obj:`("dirichlet_energy", "rayleigh_quotient", "mad",
            "numerical_rank", "effective_rank")`)
        layers (list or type, optional): The modules whose outputs are the
            states: their names, themselves, or a class of them. By default
            each :class:`~pyg_ext.nn.HiddenState` and all layers of each
            :class:`~pyg_ext.nn.ReversibleSequential`, which the models of
            this package have; else each
            :class:`torch_geometric.nn.MessagePassing`.
            (default: :obj:`None`)
        edge_weight (torch.Tensor, optional): Weights of the edges.
            (default: :obj:`None`)
        y (torch.Tensor, optional): The class of each node.
            (default: :obj:`None`)
        train_mask (torch.Tensor, optional): For ``linear_probe``, which nodes
            to fit. (default: :obj:`None`)
        test_mask (torch.Tensor, optional): For ``linear_probe``, which nodes
            to score. (default: :obj:`None`)
        every (int, optional): Looks at every so many steps only.
            (default: :obj:`1`)

    Raises:
        ValueError: On an unknown measure or layer, on a measure that needs
            what was not given, if there is no layer to look at, on edges,
            classes or masks that do not fit each other; in the call of the
            model, if a state has another number of nodes than these. What
            was measured before is kept.
        RuntimeError: If it is entered twice.
    """

    def __init__(
        self,
        model: Module,
        edge_index: Adj,
        measures: Sequence[str] | dict[str, Measure] = DEFAULT,
        layers: Iterable[str | Module] | type[Module] | None = None,
        edge_weight: OptTensor = None,
        y: OptTensor = None,
        train_mask: OptTensor = None,
        test_mask: OptTensor = None,
        every: int = 1,
    ):
        check_count('every', every, 1)
        masks = {'train_mask': train_mask, 'test_mask': test_mask}
        sizes = [len(v) for v in (y, *masks.values()) if v is not None]
        edges, weight, size = edge_list(
            edge_index, edge_weight, sizes[0] if sizes else None
        )
        if y is not None:
            y = check_vector('y', y, size)
        for name, mask in masks.items():
            if mask is not None:
                check_mask(name, mask, size)
        given = {'edge_index': edges, 'edge_weight': weight, 'y': y, **masks}
        self.model = model
        self.num_nodes = size
        # Edge indices alone do not show isolated nodes at the end.
        self._may_be_more = not sizes and not is_sparse(edge_index)
        self._weighted = weight is not None
        self._called_on: Adj | None = None
        self.measures = _bind(measures, given)
        self.layers = _find(model, layers)
        self.every = every
        self.rows: list[dict[str, Any]] = []
        self._handles: list[RemovableHandle] = []
        self._steps = 0
        self._now: list[dict[str, Any]] | None = None  # of the present step
        # Of reversible stacks: the rows of this step, and of that whose
        # gradients are to come.
        self._passed: dict[str, list[dict[str, Any]]] = {}
        self._of_stack: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> 'OverSmoothingProbe':
        if self._handles:
            raise RuntimeError('the probe is attached already')
        try:
            self._attach(self._handles)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _attach(self, hooks: list[RemovableHandle]) -> None:
        hooks.append(
            self.model.register_forward_pre_hook(self._start, with_kwargs=True)
        )
        for name, module in self.layers.items():
            if isinstance(module, ReversibleSequential):
                self._watch_stack(name, module, hooks)
            else:
                look = partial(self._look, name)
                hooks.append(module.register_forward_hook(look))
        hooks.append(
            self.model.register_forward_hook(self._stop, always_call=True)
        )

    def __exit__(self, *error: Any) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._now = self._called_on = None
        self._of_stack.clear()

    def _start(self, model: Module, args: Any, kwargs: Any) -> None:
        if _in_backward():
            return
        self._called_on = _edges_among([*args, *kwargs.values()])
        due = self._steps % self.every == 0
        self._now = [] if due else None
        self._passed = {}
        if torch.is_grad_enabled():
            self._of_stack = self._passed
        self._steps += 1

    def _stop(self, model: Module, inputs: Any, out: Any) -> None:
        if not _in_backward():
            self._now = self._called_on = None

    def _look(self, name: str, module: Module, inputs: Any, out: Any) -> None:
        if self._now is None or _in_backward():
            return
        state = out[0] if isinstance(out, (tuple, list)) and out else out
        row = self._record(name, state)
        if state.requires_grad:
            state.register_hook(partial(_note_gradient, row))

    def _watch_stack(
        self,
        name: str,
        stack: ReversibleSequential,
        hooks: list[RemovableHandle],
    ) -> None:
        """Of reversible blocks, which hand gradients to hooks of their own."""

        def look(layer: Module, inputs: Any, out: Tensor) -> None:
            if self._now is not None and not _in_backward():
                rows = self._passed.setdefault(name, [])
                rows.append(self._record(f'{name}.{len(rows)}', out))

        def note(i: int, state: Tensor, grad: Tensor) -> None:
            rows = self._of_stack.get(name, [])
            if i < len(rows):
                _note_gradient(rows[i], grad)

        for layer in dict.fromkeys(stack.layers):
            hooks.append(layer.register_forward_hook(look))
        for i in range(len(stack.layers)):
            hooks.append(stack.register_state_hook(i, partial(note, i)))

    def _record(self, name: str, state: Any) -> dict[str, Any]:
        if not isinstance(state, Tensor):
            raise ValueError(
                f'the output of {name!r} must be a tensor, or begin with one '
                f'(got {type(state).__name__})'
            )
        edges = {}
        if any(function.keywords for function in self.measures.values()):
            edges = self._other_edges(name, state)
        row = {
            'step': self._steps - 1,
            'layer': len(self._now),
            'module': name,
            'training': self.model.training,
            'activation': _root_mean_square(state),
            'gradient': nan,
            **dict.fromkeys(self.measures, nan),
        }
        self._now.append(row)
        self.rows.append(row)
        kind, state = state.device.type, state.detach()
        with (
            sharing(),
            torch.no_grad(),
            torch.autocast(kind, enabled=False),
        ):
            for measure, function in self.measures.items():
                other = edges if 'edge_index' in function.keywords else {}
                try:
                    row[measure] = float(function(state, **other))
                except Exception as error:
                    if hasattr(error, 'add_note'):  # Python 3.11
                        error.add_note(
                            f'in {measure!r} of the output of {name!r}'
                        )
                    raise
        return row

    def _other_edges(self, name: str, state: Tensor) -> dict[str, Tensor]:
        """What stands for the given edges where the graph is another one."""
        size = state.size(0) if state.dim() > 0 else 0
        if size == self.num_nodes:
            return {}
        if size > self.num_nodes and self._may_be_more:
            called_on = self._called_on
            if called_on is None or not _beyond(called_on, self.num_nodes):
                return {}  # the last nodes are isolated
            if not self._weighted and not is_sparse(called_on):
                return {'edge_index': called_on}
        raise ValueError(
            f'the output of {name!r} must have a row for each of the '
            f'{self.num_nodes} nodes of the graph that the probe was given '
            f'(got {size}): give it the graph that the model is called on'
        )

    def step(self, step: int = -1) -> list[dict[str, Any]]:
        """The rows of a step, the last one by default.

        Raises:
            IndexError: If there is no such step.
        """
        steps = list(dict.fromkeys(row['step'] for row in self.rows))
        if not -len(steps) <= step < len(steps):
            raise IndexError(
                f'the probe has seen {len(steps)} steps (asked for {step}), '
                f'in {self._steps} calls of the model inside its block; it '
                f'looks at {", ".join(self.layers)}'
            )
        return [row for row in self.rows if row['step'] == steps[step]]

    def to_pandas(self) -> Any:
        """All rows as a :class:`pandas.DataFrame`."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def plot(self, step: int = -1) -> Any:
        """Draws activation, gradient and each measure against the layer, for
        one step, and returns the :class:`matplotlib.figure.Figure`. There is
        a gap where there is no number, or one above 1e150.
        """
        from matplotlib.figure import Figure

        rows = self.step(step)
        names = ['activation', 'gradient', *self.measures]
        across = min(len(names), 3)
        down = -(-len(names) // across)
        figure = Figure((4 * across, 2.6 * down), layout='constrained')
        grid = figure.subplots(down, across, squeeze=False)
        layers = [row['layer'] for row in rows]
        for axes in grid.flat[len(names) :]:
            axes.remove()
        for name, axes in zip(names, grid.flat, strict=False):
            values = [row[name] for row in rows]
            values = [v if abs(v) < MOST_DRAWN else nan for v in values]
            axes.plot(layers, values, marker='o', markersize=3)
            drawn = [value for value in values if not isnan(value)]
            if drawn and min(drawn) > 0:
                axes.set_yscale('log')
            axes.set_title(name.replace('_', ' '), fontsize=10)
            axes.set_xlabel('layer')
            axes.grid(alpha=0.3)
        return figure

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(layers={len(self.layers)}, '
            f'measures={list(self.measures)})'
        )


def _note_gradient(row: dict[str, Any], grad: OptTensor) -> None:
    if grad is not None:
        row['gradient'] = _root_mean_square(grad)


def _edges_among(inputs: Iterable[Any]) -> Adj | None:
    """The edges among the arguments of a model, or in a graph there."""
    for value in inputs:
        value = getattr(value, 'edge_index', value)
        if is_sparse(value) and value.size(0) == value.size(1):
            return value
        if (
            isinstance(value, Tensor)
            and value.dtype in (torch.int, torch.long)
            and value.dim() == 2
            and value.size(0) == 2
        ):
            return value
    return None


def _beyond(edges: Adj, num_nodes: int) -> bool:
    """Whether an edge that is no loop names a node beyond so many."""
    if is_sparse(edges):
        edges, _ = entries(edges)
    source, target = edges
    return bool((edges[:, source != target] >= num_nodes).any())


def _bind(
    measures: Sequence[str] | dict[str, Measure], given: dict[str, Any]
) -> dict[str, Measure]:
    """Each measure as a function of the state alone."""
    if not isinstance(measures, dict):
        measures = [measures] if isinstance(measures, str) else measures
        for name in measures:
            check_name('measure', name, KNOWN)
        measures = {name: KNOWN[name] for name in measures}
    bound = {}
    for name, function in measures.items():
        asked = inspect.signature(function).parameters
        known = {key: v for key, v in given.items() if key in asked}
        for key, value in known.items():
            required = asked[key].default is inspect.Parameter.empty
            if value is None and required:
                raise ValueError(f'the measure {name!r} needs {key}')
        bound[name] = partial(function, **known)
    return bound


def _find(
    model: Module, layers: Iterable[str | Module] | type[Module] | None
) -> dict[str, Module]:
    """The modules to look at, by name, each once."""
    named = dict(model.named_modules())
    if layers is None:
        found = _of_kind(named, (HiddenState, ReversibleSequential))
        found = found or _of_kind(named, MessagePassing)
    elif isinstance(layers, type):
        found = _of_kind(named, layers)
    else:
        if isinstance(layers, (str, Module)):
            layers = [layers]
        names = {module: name for name, module in named.items()}
        found = {}
        for layer in layers:
            name = layer if isinstance(layer, str) else names.get(layer)
            if name not in named:
                raise ValueError(
                    f'the model has no layer {layer!r} (it has: '
                    f'{", ".join(filter(None, named))})'
                )
            found[name] = named[name]
    if not found:
        raise ValueError(
            f'{type(model).__name__} has no layer to look at: name them with '
            f'layers=[...]'
        )
    return found


def _of_kind(named: dict[str, Module], kind: Any) -> dict[str, Module]:
    return {name: m for name, m in named.items() if isinstance(m, kind)}
