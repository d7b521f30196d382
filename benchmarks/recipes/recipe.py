"""How a model is trained."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Interval, MinLen
from torch import Tensor
from torch_geometric.typing import WITH_TORCH_SPARSE

from ..data.metrics import Metric, log_cross_entropy
from ..errors import UsageError
from ..values import (
    FLAG,
    KEYS,
    NOT_NEGATIVE,
    NOTHING,
    POSITIVE,
    Kind,
    check,
    one_of,
    whole,
)

# What makes a step of one graph, and what it needs, with its defaults:
BATCHES: dict[str, dict[str, Any]] = {
    'random': {'parts': 10},
    'cluster': {'parts': 10, 'batch_size': 1},
    'neighbor': {'batch_size': 1024, 'fanout': [10, 10]},
    'saint': {'parts': 10, 'batch_size': 2000, 'walk_length': 2},
}

# What an unsupervised method learns from, with its defaults:
OBJECTIVE: dict[str, Any] = {
    'walk_length': 5,
    'num_walks': 2,
    'window': 5,
    'negatives': 1.0,
    'steps': 1,
    'unit': True,
    'p': 1.0,
    'q': 1.0,
}


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Every field may stand in a preset.

    Args:
        lr: Learning rate of Adam.
        weight_decay: One value for all parameters, or a value for each
            prefix of parameter names (the longest that fits counts).
        decay_after: Epochs ahead of weight decay, which there is from the
            first one on by default.
        epochs: The most epochs to train.
        patience: Stop after so many epochs without a better value of what
            :obj:`select` names; 0 never stops.
        select: ``loss`` or ``metric``: the epoch with the best validation
            loss or metric (the first on ties) gives the test score; ``last``:
            the last epoch does.
        row_normalize: Whether to scale the features of a node to sum one.
        batch: Of one graph, what makes a step in place of all of it:
            ``random`` parts of the nodes with the edges inside (RevGNN),
            ``cluster`` (METIS, Cluster-GCN), ``neighbor`` (some training
            nodes and a sample of those around them, GraphSAGE), ``saint``
            (the nodes of random walks, GraphSAINT).
        batch_size: How many graphs make a step, where there are many; of one
            graph, the training nodes of a step, or the clusters, or the
            walks. Each process takes so many.
        parts: How many parts the nodes fall into, or how many samples of
            ``saint`` make an epoch.
        fanout: For ``neighbor``: how many neighbors are sampled at each hop;
            -1 for all.
        walk_length: For ``saint``: the steps of a walk.
        edge_features: Whether the network gets the features of edges of one
            graph. Of many graphs it does where it can.
        loss: ``log`` for the logarithm of the cross entropy of each node
            (arXiv 2103.13355), in place of itself.
        optimizer: ``rmsprop`` in place of Adam.
        warmup: Epochs in which the learning rate grows to its value.
        plateau: Epochs without a better value of what :obj:`select` names
            after which the next such one halves the learning rate, as
            :obj:`patience` of PyTorch's ``ReduceLROnPlateau``.
        label_rate: The share of training nodes whose labels are inputs of a
            step; see :class:`benchmarks.training.label_reuse.LabelReuse`.
        label_steps: How often predictions become inputs, in place of labels
            that are not known.
        objective: Of an unsupervised method, how its pairs of nodes are
            drawn, see :mod:`benchmarks.training.embedding`: the steps of a
            walk, ``walk_length``; the walks from a node, ``num_walks``; how
            far apart on a walk a pair may be, ``window``; the bias of
            node2vec, ``p`` and ``q``; how much a pair of random nodes weighs,
            ``negatives``; the steps that the pairs of an epoch make,
            ``steps``; whether vectors are of length one, ``unit``.
        inductive: Whether the nodes to test, and their edges, are not there
            in training; all are in evaluation.
        processes: How many processes share the training nodes; torchrun says.
    """

    lr: float = 0.01
    weight_decay: float | dict[str, float] = field(default=0.0)
    epochs: int = 200
    patience: int = 0
    select: str = 'loss'
    row_normalize: bool = False
    batch: str | None = None
    batch_size: int | None = None
    parts: int | None = None
    fanout: list[int] | None = None
    walk_length: int | None = None
    edge_features: bool | None = None
    loss: str | None = None
    optimizer: str | None = None
    decay_after: int | None = None
    warmup: int | None = None
    plateau: int | None = None
    label_rate: float | None = None
    label_steps: int | None = None
    objective: dict[str, Any] | None = None
    inductive: bool | None = None
    processes: int | None = None

    def __post_init__(self) -> None:
        check(vars(self), KINDS)
        for name in ('label_rate', 'edge_features'):
            if self.inductive and getattr(self, name) is not None:
                raise ValueError(
                    f'{name} belongs to the nodes and edges of training: it '
                    f'cannot be beside inductive'
                )
        if self.plateau and (self.warmup or self.select == 'last'):
            raise ValueError(
                f'plateau halves a learning rate where a validation score '
                f'stays: it cannot be beside warmup or select=last (got '
                f'warmup={self.warmup}, select={self.select})'
            )
        if self.label_steps is not None and self.label_rate is None:
            raise ValueError(
                f'label_steps must be beside a label_rate (got '
                f'{self.label_steps})'
            )

    def metric(self, metric: Metric) -> Metric:
        """A metric with the loss that the recipe asks for."""
        if self.loss == 'log':
            return replace(metric, loss=log_cross_entropy)
        return metric


WHOLE = whole(1) | NOTHING
HOPS = Kind(
    'a list of whole numbers of at least 1, or -1, one for each hop',
    Annotated[list[Literal[-1] | Annotated[int, Ge(1)]], MinLen(1)],
)
DECAYS = Kind(
    'one for each prefix of parameter names',
    Annotated[dict[str, NOT_NEGATIVE.type], MinLen(1)],
)
INSIDE = Kind(
    'a number between 0 and 1', Annotated[float, Interval(gt=0, lt=1)]
)

# What each field may be:
KINDS = {
    'lr': POSITIVE,
    'weight_decay': NOT_NEGATIVE | DECAYS,
    'epochs': whole(1),
    'patience': whole(0),
    'select': one_of('loss', 'metric', 'last'),
    'row_normalize': FLAG,
    'batch': one_of(*BATCHES) | NOTHING,
    'batch_size': WHOLE,
    'parts': whole(2) | NOTHING,
    'fanout': HOPS | NOTHING,
    'walk_length': WHOLE,
    'edge_features': Kind('true', Literal[True]) | NOTHING,
    'loss': one_of('log') | NOTHING,
    'optimizer': one_of('rmsprop') | NOTHING,
    'decay_after': WHOLE,
    'warmup': WHOLE,
    'plateau': WHOLE,
    'label_rate': INSIDE | NOTHING,
    'label_steps': whole(0) | NOTHING,
    'objective': KEYS | NOTHING,
    'inductive': Kind('true', Literal[True]) | NOTHING,
    'processes': WHOLE,
}
BIAS = Kind(
    'a number in [0.01, 100]', Annotated[float, Interval(ge=0.01, le=100)]
)
OBJECTIVE_KINDS = {
    'walk_length': whole(1),
    'num_walks': whole(1),
    'window': whole(1),
    'negatives': POSITIVE,
    'steps': whole(1),
    'unit': FLAG,
    'p': BIAS,
    'q': BIAS,
}


def parameter_groups(
    model: torch.nn.Module, decay: float | dict[str, float]
) -> list[dict[str, Any]]:
    """Splits the parameters of a model by their weight decay.

    Raises:
        ValueError: If a prefix fits no parameter, or a parameter no prefix.
    """
    if not isinstance(decay, dict):
        return [{'params': [*model.parameters()], 'weight_decay': decay}]
    groups: dict[str, list[Tensor]] = {prefix: [] for prefix in decay}
    for name, parameter in model.named_parameters():
        fits = [p for p in decay if f'{name}.'.startswith(f'{p}.')]
        if not fits:
            raise ValueError(
                f'no prefix of weight_decay fits the parameter {name} '
                f'(got {", ".join(decay)})'
            )
        groups[max(fits, key=len)].append(parameter)
    for prefix, parameters in groups.items():
        if not parameters:
            raise ValueError(f'weight_decay prefix {prefix!r} fits nothing')
    return [
        {'params': parameters, 'weight_decay': decay[prefix]}
        for prefix, parameters in groups.items()
    ]


SPARSE = ('neighbor', 'saint')  # need torch_sparse


def check_batch(kind: str) -> None:
    """Raises an error if a kind of batches cannot be made here."""
    if kind in SPARSE and not WITH_TORCH_SPARSE:
        raise UsageError(
            f'batch={kind} needs torch_sparse, which is not installed; '
            f'`make sparse` builds it'
        )
