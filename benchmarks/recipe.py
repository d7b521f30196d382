"""How a model is trained."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

# What makes a step of one graph, and what it needs, with its defaults:
BATCHES: dict[str, dict[str, Any]] = {
    'random': {'parts': 10},
    'cluster': {'parts': 10, 'batch_size': 1},
    'neighbor': {'batch_size': 1024, 'fanout': [10, 10]},
    'saint': {'parts': 10, 'batch_size': 2000, 'walk_length': 2},
}


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Every field may stand in a preset.

    Args:
        lr: Learning rate of Adam.
        weight_decay: One value for all parameters, or a value for each
            prefix of parameter names (the longest that fits counts).
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
        label_rate: The share of training nodes whose labels are inputs of a
            step; see :class:`benchmarks.label_reuse.LabelReuse`.
        label_steps: How often predictions become inputs, in place of labels
            that are not known.
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
    warmup: int | None = None
    label_rate: float | None = None
    label_steps: int | None = None
    processes: int | None = None

    def __post_init__(self) -> None:
        decay = self.weight_decay
        decays = decay.values() if isinstance(decay, dict) else (decay,)
        wanted = {
            'lr': ('a positive number', _is_number(self.lr) and self.lr > 0),
            'weight_decay': (
                'a number of at least 0, or one for each parameter prefix',
                all(_is_number(d) and d >= 0 for d in decays),
            ),
            'epochs': (
                'a whole number of at least 1',
                _is_int(self.epochs, 1),
            ),
            'patience': (
                'a whole number of at least 0',
                _is_int(self.patience, 0),
            ),
            'select': (
                "'loss', 'metric' or 'last'",
                self.select in ('loss', 'metric', 'last'),
            ),
            'row_normalize': (
                'true or false',
                isinstance(self.row_normalize, bool),
            ),
            'loss': ("'log' or nothing", self.loss in (None, 'log')),
            'optimizer': (
                "'rmsprop' or nothing",
                self.optimizer in (None, 'rmsprop'),
            ),
            'warmup': (
                'a whole number of at least 1, or nothing',
                self.warmup is None or _is_int(self.warmup, 1),
            ),
            'label_rate': (
                'a number between 0 and 1, or nothing',
                self.label_rate is None
                or (_is_number(self.label_rate) and 0 < self.label_rate < 1),
            ),
            'label_steps': (
                'a whole number of at least 0, beside a label_rate',
                self.label_steps is None
                or (_is_int(self.label_steps, 0) and self.label_rate),
            ),
            'batch': (
                f'one of {", ".join(BATCHES)}, or nothing',
                self.batch is None or self.batch in BATCHES,
            ),
            'parts': (
                'a whole number of at least 2, or nothing',
                self.parts is None or _is_int(self.parts, 2),
            ),
            'fanout': (
                'a list of whole numbers of at least 1, or -1, one for each '
                'hop',
                self.fanout is None
                or (
                    isinstance(self.fanout, list)
                    and self.fanout
                    and all(f == -1 or _is_int(f, 1) for f in self.fanout)
                ),
            ),
            'walk_length': (
                'a whole number of at least 1, or nothing',
                self.walk_length is None or _is_int(self.walk_length, 1),
            ),
            'edge_features': (
                'true or nothing',
                self.edge_features in (None, True),
            ),
            'batch_size': (
                'a whole number of at least 1, or nothing',
                self.batch_size is None or _is_int(self.batch_size, 1),
            ),
        }
        for name, (meant, ok) in wanted.items():
            if not ok:
                raise ValueError(
                    f'{name} must be {meant} (got {getattr(self, name)!r})'
                )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_int(value: Any, low: int) -> bool:
    return type(value) is int and value >= low


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
