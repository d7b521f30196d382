import dataclasses
import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch_geometric import seed_everything
from torch_geometric.data import Data
from torch_geometric.transforms import NormalizeFeatures
from torch_geometric.typing import Adj

from benchmarks import probe
from benchmarks.label_reuse import LabelReuse
from benchmarks.methods import Network
from benchmarks.protocols import Protocol
from benchmarks.scores import METRICS, Metric, log_cross_entropy, num_outputs
from pyg_ext.utils import CSRTensor

SPLITS = ('train', 'val', 'test')
SPARSE_BELOW = 0.2  # share of non-zeros under which features are kept sparse


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
        batch_size: How many graphs make a step, where there are many.
        loss: ``log`` for the logarithm of the cross entropy of each node
            (arXiv 2103.13355), in place of itself.
        optimizer: ``rmsprop`` in place of Adam.
        warmup: Epochs in which the learning rate grows to its value.
        label_rate: The share of training nodes whose labels are inputs of a
            step; see :class:`benchmarks.label_reuse.LabelReuse`.
        label_steps: How often predictions become inputs, in place of labels
            that are not known.
    """

    lr: float = 0.01
    weight_decay: float | dict[str, float] = field(default=0.0)
    epochs: int = 200
    patience: int = 0
    select: str = 'loss'
    row_normalize: bool = False
    batch_size: int | None = None
    loss: str | None = None
    optimizer: str | None = None
    warmup: int | None = None
    label_rate: float | None = None
    label_steps: int | None = None

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


class Diverged(Exception):
    """The training loss is no longer finite."""


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


def prepare(
    data: Data,
    recipe: Recipe,
    device: torch.device | str = 'cpu',
    sparse: bool = True,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Features, labels and the node indices of the splits.

    Mostly zero features of a graph become a sparse matrix.
    """
    if recipe.row_normalize:
        data = NormalizeFeatures()(data)
    x = data.x
    sparse = sparse and data.edge_index is not None
    if sparse and x.count_nonzero() < SPARSE_BELOW * x.numel():
        x = CSRTensor.from_dense(x)
    index = {s: data[f'{s}_mask'].nonzero().view(-1) for s in SPLITS}
    return (
        x.to(device),
        data.y.to(device),
        {split: i.to(device) for split, i in index.items()},
    )


def epoch(
    model: torch.nn.Module,
    x: Tensor,
    adj: Adj | None,
    y: Tensor,
    index: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    metric: Metric,
    redraw: Callable[[], Adj] | None = None,
) -> tuple[float, float, dict[str, float]]:
    """One training step, on edges of its own if they are redrawn, and the
    evaluation after it.

    Returns:
        The training loss before the step, the validation loss, and the
        metric on each split.
    """
    model.train()
    nodes = index['train']
    if isinstance(model, LabelReuse):
        nodes = model.draw()
    optimizer.zero_grad()
    out = model(x, adj if redraw is None else redraw())[nodes]
    loss = metric.loss(out, y[nodes])
    loss.backward()
    optimizer.step()

    model.eval()
    with torch.no_grad():
        out = model(x, adj)
        val_loss = metric.loss(out[index['val']], y[index['val']])
        scores = {s: metric.score(out[i], y[i]) for s, i in index.items()}
    return loss.item(), val_loss.item(), scores


def fit(
    model: torch.nn.Module,
    once: Callable[[torch.optim.Optimizer], tuple],
    recipe: Recipe,
    protocol: Protocol,
) -> dict[str, Any]:
    """Trains a model and returns its scores.

    Args:
        model: What to train.
        once: Trains for an epoch and returns what :func:`epoch` returns.
        recipe: How to train.
        protocol: What to measure.

    Raises:
        Diverged: If the training loss becomes infinite or no number.
    """
    sign = 1.0 if protocol.direction == 'max' else -1.0
    groups = parameter_groups(model, recipe.weight_decay)
    if recipe.optimizer == 'rmsprop':
        optimizer = torch.optim.RMSprop(groups, lr=recipe.lr)
    else:
        optimizer = torch.optim.Adam(groups, lr=recipe.lr, fused=True)
    best: dict[str, dict[str, Any]] = {}
    for number in range(1, recipe.epochs + 1):
        if recipe.warmup is not None:
            rate = recipe.lr * min(1.0, number / recipe.warmup)
            for group in optimizer.param_groups:
                group['lr'] = rate
        loss, val_loss, scores = once(optimizer)
        if not math.isfinite(loss):
            raise Diverged(f'the loss is {loss} in epoch {number}')
        goals = {
            'loss': -val_loss,
            'metric': sign * scores['val'],
            'last': number,
        }
        for name, value in goals.items():
            if name not in best or value > best[name]['goal']:
                best[name] = {'goal': value, 'epoch': number, **scores}
        waited = number - best[recipe.select]['epoch']
        if recipe.patience and waited >= recipe.patience:
            break

    judged = best[recipe.select]
    return {
        'val': judged['val'],
        'test': judged['test'],
        'test_at_best_loss': best['loss']['test'],
        'test_at_best_metric': best['metric']['test'],
        'train': judged['train'],
        'best_epoch': judged['epoch'],
        'epochs': number,
    }


class OnClouds(torch.nn.Module):
    """A network on whole graphs, of which it sees in training only those to
    train on; the others' outputs are zero then.
    """

    def __init__(
        self, model: torch.nn.Module, batch: Tensor, train_mask: Tensor
    ):
        super().__init__()
        self.model = model
        points = train_mask[batch]
        place = train_mask.cumsum(0) - 1  # of a graph among those to train on
        self.register_buffer('batch', batch)
        self.register_buffer('train_mask', train_mask)
        self.register_buffer('train_points', points)
        self.register_buffer('train_batch', place[batch[points]])

    def forward(self, x: Tensor, adj: None) -> Tensor:
        if not self.training:
            return self.model(x, adj, self.batch)
        some = self.model(x[self.train_points], adj, self.train_batch)
        out = some.new_zeros(len(self.train_mask), some.size(1))
        out[self.train_mask] = some
        return out


def peak_mb(device: torch.device) -> float:
    """Peak memory: of the device, or of this process with its libraries."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == 'darwin' else 2**10)


def run(
    network: Network,
    data: Data,
    recipe: Recipe,
    protocol: Protocol,
    seed: int,
    device: str = 'cpu',
    probed: bool = False,
) -> dict[str, Any]:
    """One training from a seed: the measured part of a row of the store.

    Args:
        network: What to train.
        data: The graph, with masks.
        recipe: How to train.
        protocol: What to measure.
        seed: Seed of the parameters, of the dropout masks and of walks.
        device: Where to run.
        probed: Whether to look at each layer before and after.
    """
    start = time.perf_counter()
    edges = data.edge_index
    data = network.prepare(data, seed)
    sparse = network.method.backbone.sparse_features
    x, y, index = prepare(data, recipe, device, sparse)
    adj, redraw = network.adjacency(data), None
    if adj is not None:
        adj, data.edge_index = adj.to(device), data.edge_index.to(device)
        redraw = network.redraw(data)
    seed_everything(seed)
    classes = num_outputs(data.y)
    labels = 0 if recipe.label_rate is None else classes
    model = network.build(data.num_features + labels, classes)
    if recipe.label_rate is not None:
        model = LabelReuse(
            model,
            y,
            index['train'],
            classes,
            recipe.label_rate,
            recipe.label_steps or 0,
        )
    if data.batch is not None:
        model = OnClouds(model, data.batch, data.train_mask)
    model.to(device)
    states = {}
    given = (x, adj, y, index)
    if probed:
        states['initial'] = probe.look(model, *given, edges.to(device))
    metric = METRICS[protocol.metric]
    if recipe.loss == 'log':
        metric = dataclasses.replace(metric, loss=log_cross_entropy)

    def once(optimizer: torch.optim.Optimizer) -> tuple:
        return epoch(model, *given, optimizer, metric, redraw)

    scores = fit(model, once, recipe, protocol)
    if probed:
        states['trained'] = probe.look(model, *given, edges.to(device))
        scores['probe'] = states
    return {
        **scores,
        'seconds': time.perf_counter() - start,
        'peak_mb': peak_mb(y.device),
    }
