"""Epochs until enough, whatever an epoch is."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..data.metrics import Metric
from ..recipes.recipe import Recipe, parameter_groups
from .checkpoint import Journal


class Diverged(Exception):
    """The training loss is no longer finite."""


def check_outputs(out: Tensor, y: Tensor) -> None:
    """Raises a ValueError for outputs that do not fit the truth."""
    if out.dim() != 2 or len(out) != len(y):
        raise ValueError(
            f'a network must give a row of outputs for each of {len(y)} '
            f'labels (got shape {[*out.shape]})'
        )


def fit(
    model: torch.nn.Module,
    once: Callable[[torch.optim.Optimizer], tuple],
    recipe: Recipe,
    metric: Metric,
    journal: Journal | None = None,
) -> dict[str, Any]:
    """Trains a model and returns its scores.

    Args:
        model: What to train, whose names of parameters weight decay knows.
        once: Trains for an epoch and returns what :func:`epoch` returns.
        recipe: How to train.
        metric: What to measure.
        journal: Where to go on from, and what to write down.

    Raises:
        Diverged: If the training loss becomes infinite or no number.
    """
    groups = parameter_groups(model, recipe.weight_decay)
    if recipe.optimizer == 'rmsprop':
        optimizer = torch.optim.RMSprop(groups, lr=recipe.lr)
    else:
        optimizer = torch.optim.Adam(groups, lr=recipe.lr, fused=True)
    decays = [group['weight_decay'] for group in groups]
    number, best = 0, {}
    if journal is not None:
        number, best = journal.begin(
            model, optimizer, recipe.plateau is not None
        )

    def tired() -> bool:
        if not (recipe.patience and best):
            return False
        return number - best[recipe.select]['epoch'] >= recipe.patience

    while number < recipe.epochs and not tired():
        number += 1
        if journal is not None:
            journal.seed(number)
        if recipe.warmup is not None:
            rate = recipe.lr * min(1.0, number / recipe.warmup)
            for group in optimizer.param_groups:
                group['lr'] = rate
        if recipe.decay_after is not None:
            on = number > recipe.decay_after
            for group, decay in zip(
                optimizer.param_groups, decays, strict=True
            ):
                group['weight_decay'] = decay if on else 0.0
        loss, val_loss, scores = once(optimizer)
        if not math.isfinite(loss):
            raise Diverged(f'the loss is {loss} in epoch {number}')
        goals = {
            'loss': -val_loss,
            'metric': metric.sign * scores['val'],
            'last': number,
        }
        for name, value in goals.items():
            if name not in best or value > best[name]['goal']:
                best[name] = {'goal': value, 'epoch': number, **scores}
        waited = number - best[recipe.select]['epoch']
        if recipe.plateau and waited and waited % (recipe.plateau + 1) == 0:
            for group in optimizer.param_groups:
                group['lr'] /= 2
        if journal is not None:
            line = f'loss {loss:.4g}, validation {scores["val"]:.4f}'
            journal.end(number, model, optimizer, best, line)

    judged = best[recipe.select]
    return {
        'val': judged['val'],
        'test': judged['test'],
        'test_at_best_loss': best['loss']['test'],
        'test_at_best_metric': best['metric']['test'],
        'train': judged['train'],
        'best_epoch': judged['epoch'],
        'epochs': number,
        'parameters': sum(p.numel() for p in model.parameters()),
    }
