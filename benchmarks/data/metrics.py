"""What a metric means: its score, and the loss to train it with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Metric:
    """A score of outputs, ``[N, C]``, against the truth, and its loss."""

    score: Callable[[Tensor, Tensor], float]
    loss: Callable[[Tensor, Tensor], Tensor]


def accuracy(out: Tensor, y: Tensor) -> float:
    """Share of right classes, in [0, 1]."""
    return (out.argmax(dim=-1) == y).double().mean().item()


def miou(out: Tensor, y: Tensor) -> float:
    """Intersection over union of each class, their mean, in [0, 1]."""
    from sklearn.metrics import jaccard_score  # slow to load

    guess = out.argmax(dim=-1).cpu()
    return float(jaccard_score(y.cpu(), guess, average='macro'))


def log_cross_entropy(out: Tensor, y: Tensor) -> Tensor:
    """The mean of log(e + cross entropy) - log e, with e = 1 - log 2, which
    outliers pull less (arXiv 2103.13355).
    """
    shift = 1 - math.log(2)
    each = F.cross_entropy(out, y, reduction='none')
    return (each + shift).log().mean() - math.log(shift)


def num_outputs(y: Tensor) -> int:
    """The outputs to give for a truth: one for each class, or each task."""
    return int(y.max()) + 1 if y.dim() == 1 else y.size(1)


def _known(out: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Where the truth is known: it has NaN where it is not."""
    known = ~y.isnan()
    return out[known], y[known]


def _cross_entropies(out: Tensor, y: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(*_known(out, y.to(out.dtype)))


def _squares(out: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(*_known(out, y))


def _of_ogb(name: str, like: str, out: Tensor, y: Tensor) -> float:
    """The metric as ogb has it: the mean over tasks."""
    from ogb.graphproppred import Evaluator  # loads pandas and scikit-learn

    evaluator = Evaluator(like)
    evaluator.num_tasks = y.size(1)
    given = {'y_true': y.detach(), 'y_pred': out.detach()}
    return float(evaluator.eval(given)[name])


METRICS = {
    'accuracy': Metric(accuracy, F.cross_entropy),
    'miou': Metric(miou, F.cross_entropy),
    'rocauc': Metric(
        partial(_of_ogb, 'rocauc', 'ogbg-molhiv'), _cross_entropies
    ),
    'ap': Metric(partial(_of_ogb, 'ap', 'ogbg-molpcba'), _cross_entropies),
    'rmse': Metric(partial(_of_ogb, 'rmse', 'ogbg-molesol'), _squares),
}
