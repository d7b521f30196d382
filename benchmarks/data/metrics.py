"""What a metric means: its score, its direction, its loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from ..late import Place, find

if TYPE_CHECKING:
    from ogb.graphproppred import Evaluator
    from torch import Tensor


@dataclass(frozen=True)
class Metric:
    """A score of outputs against the truth, and what is minimized for it.

    Args:
        name: What tables call it.
        score: Of outputs, ``[N, C]``, and the truth, ``[N]`` or ``[N, C]``.
        loss: Of the same, and perhaps a weight of each row, ``[N]``.
        direction: ``max`` if more is better, else ``min``.
        scale: What tables multiply it with: shares are in percent there.
        classes: Whether the truth is one class of each row.
    """

    name: str
    score: Callable[[Tensor, Tensor], float]
    loss: Callable[..., Tensor]
    direction: str = 'max'
    scale: float = 100.0
    classes: bool = False

    @property
    def sign(self) -> float:
        """What makes more of it better."""
        return 1.0 if self.direction == 'max' else -1.0

    @property
    def digits(self) -> int:
        """How many stand behind the point in tables."""
        return 2 if self.scale == 100 else 4

    @property
    def title(self) -> str:
        """Its name as tables have it, with unit and direction."""
        unit = ' in percent' if self.scale == 100 else ''
        better = ' (lower is better)' if self.direction == 'min' else ''
        return f'{self.name}{unit}{better}'


def accuracy(out: Tensor, y: Tensor) -> float:
    """Share of right classes, in [0, 1]."""
    return (out.argmax(dim=-1) == y).double().mean().item()


def miou(out: Tensor, y: Tensor) -> float:
    """Intersection over union of each class, their mean, in [0, 1]."""
    from sklearn.metrics import jaccard_score  # slow to load

    guess = out.argmax(dim=-1).cpu()
    return float(jaccard_score(y.cpu(), guess, average='macro'))


def num_outputs(y: Tensor) -> int:
    """The outputs to give for a truth: one for each class, or each task."""
    return int(y.max()) + 1 if y.dim() == 1 else y.size(1)


def cross_entropy(
    out: Tensor, y: Tensor, weight: Tensor | None = None
) -> Tensor:
    """The mean over rows, by their weights if there are some."""
    from torch.nn.functional import cross_entropy  # slow to load

    if weight is None:
        return cross_entropy(out, y)
    return _mean(cross_entropy(out, y, reduction='none'), weight)


def log_cross_entropy(
    out: Tensor, y: Tensor, weight: Tensor | None = None
) -> Tensor:
    """The mean of log(e + cross entropy) - log e, with e = 1 - log 2, which
    outliers pull less (arXiv 2103.13355).
    """
    from torch.nn.functional import cross_entropy

    shift = 1 - math.log(2)
    each = cross_entropy(out, y, reduction='none')
    return _mean((each + shift).log(), weight) - math.log(shift)


def _tasks(
    loss: Place,
    out: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
) -> Tensor:
    """The mean over rows and tasks whose truth is known: it is NaN else."""
    function = find(loss)
    y = y.to(out.dtype)
    known = ~y.isnan()
    if weight is None:
        return function(out[known], y[known])
    each = function(out[known], y[known], reduction='none')
    return _mean(each, weight.view(-1, 1).expand_as(y)[known])


def _mean(each: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return each.mean()
    return (weight * each).sum() / weight.sum()


@cache
def _evaluator(like: str) -> Evaluator:
    """That of a dataset of ogb, which reads its table of all datasets."""
    from ogb.graphproppred import Evaluator  # loads pandas and scikit-learn

    return Evaluator(like)


def _of_ogb(name: str, like: str, out: Tensor, y: Tensor) -> float:
    """The metric as ogb has it: the mean over tasks."""
    evaluator = _evaluator(like)
    evaluator.num_tasks = y.size(1)
    given = {'y_true': y.detach(), 'y_pred': out.detach()}
    return float(evaluator.eval(given)[name])


def mae(out: Tensor, y: Tensor) -> float:
    """The mean absolute error of what is known: the truth is NaN else."""
    return ERRORS(out, y).item()


BINARY = partial(
    _tasks, 'torch.nn.functional:binary_cross_entropy_with_logits'
)
SQUARES = partial(_tasks, 'torch.nn.functional:mse_loss')
ERRORS = partial(_tasks, 'torch.nn.functional:l1_loss')

METRICS = {
    m.name: m
    for m in (
        Metric('accuracy', accuracy, cross_entropy, classes=True),
        Metric('miou', miou, cross_entropy, classes=True),
        Metric('rocauc', partial(_of_ogb, 'rocauc', 'ogbg-molhiv'), BINARY),
        Metric('ap', partial(_of_ogb, 'ap', 'ogbg-molpcba'), BINARY),
        Metric(
            'rmse',
            partial(_of_ogb, 'rmse', 'ogbg-molesol'),
            SQUARES,
            'min',
            1.0,
        ),
        Metric('mae', mae, ERRORS, 'min', 1.0),
    )
}


def natural(y: Tensor) -> Metric:
    """The metric of labels that come without one: accuracy of classes,
    ROC-AUC of several tasks of 0 and 1, RMSE of other numbers.
    """
    if not y.is_floating_point() and y.dim() == 1:
        return METRICS['accuracy']
    known = y[~y.isnan()] if y.is_floating_point() else y
    if bool(((known == 0) | (known == 1)).all()):
        return METRICS['rocauc']
    return METRICS['rmse']
