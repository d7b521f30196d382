"""What separates the two regimes of the plain deep GCN.

``python -m docs.regimes`` follows the training of four networks into
``docs/results/regimes.csv``, if it is not there, and prints the tables of
``docs/results/reproduction.md``.
"""

from itertools import product
from statistics import median

import pandas as pd
import torch
import torch.nn.functional as F

from benchmarks import load_dataset
from benchmarks.data import protocols
from benchmarks.methods import spec
from benchmarks.recipes import presets
from benchmarks.reports.intervals import interval
from benchmarks.runs.cells import plan
from benchmarks.training.fit import fit
from benchmarks.training.nodes import Setup, epoch, set_up
from pyg_ext.metrics import OverSmoothingProbe

from .figures.places import DOCS
from .figures.runs import stored

FOLLOWED = [  # decay, dropout, and the epoch that decay starts with
    (0.0, 0.0, 0),
    (0.0, 0.5, 0),
    (5e-4, 0.0, 0),
    (5e-4, 0.5, 0),
    (5e-4, 0.0, 50),
    (5e-4, 0.5, 50),
]
TRACE = DOCS / 'results' / 'regimes.csv'
SEEDS, DEPTH, EVERY = range(5), 16, 10
RECIPE = [
    'lr',
    'hidden_channels',
    'weight_decay',
    'decay_after',
    'dropout',
    'row_normalize',
]


def state(ready: Setup, edges: torch.Tensor, decay: float) -> dict[str, float]:
    """Of a network in evaluation: loss and score; the gradient of its first
    and last hidden state, how large and how smooth the last one is; of its
    hidden weights, medians over layers of the largest singular value and of
    the size of an entry of the gradient, by the loss and by the decay.
    """
    y, train, val = ready.y, ready.index['train'], ready.index['val']
    ready.model.eval()
    with OverSmoothingProbe(ready.model, edges, ['mad']) as probe:
        out = ready.model(ready.x, ready.adj)
        loss = F.cross_entropy(out[train], y[train])
        loss.backward()
    layers = probe.step()
    weights = [conv.lin.weight for conv in ready.plain.convs[1:-1]]
    of_loss = [w.grad.square().mean().sqrt().item() for w in weights]
    of_decay = [decay * w.square().mean().sqrt().item() for w in weights]
    norms = [torch.linalg.matrix_norm(w, 2).item() for w in weights]
    ready.model.zero_grad()
    return {
        'loss': loss.item(),
        'val': (out[val].argmax(dim=1) == y[val]).float().mean().item(),
        'gradient_first': layers[0]['gradient'],
        'gradient_last': layers[-1]['gradient'],
        'activation_last': layers[-1]['activation'],
        'mad_last': layers[-1]['mad'],
        'singular_value': median(norms),
        'of_loss': median(of_loss),
        'of_decay': median(of_decay),
    }


def follow(
    decay: float, dropout: float, start: int, seed: int
) -> list[dict[str, float]]:
    """The states of a network on raw features every few epochs; there is no
    decay before epoch ``start``.
    """
    set_to = {'weight_decay': decay, 'dropout': dropout}
    given = {**set_to, 'row_normalize': False, 'select': 'metric'}
    if start:
        given['decay_after'] = start
    [cell] = plan('cora', ['gcn'], [DEPTH], [seed], 'classic', given)
    network, recipe = presets.split(cell.config, spec.parse('gcn'), DEPTH)
    data = load_dataset('cora')
    ready = set_up(network, data, recipe, seed)
    metric = recipe.metric(protocols.find(cell.protocol).metric)
    rows: list[dict[str, float]] = []
    number = 0

    def note() -> None:
        known = {**set_to, 'start': start, 'seed': seed, 'epoch': number}
        rows.append({**known, **state(ready, data.edge_index, decay)})

    def once(optimizer: torch.optim.Optimizer) -> tuple:
        nonlocal number
        if number % EVERY == 0:
            note()
        number += 1
        return epoch(ready.model, *ready.given, optimizer, metric)

    fit(ready.plain, once, recipe, metric)
    note()
    return rows


def factorial() -> str:
    """Means in percent with 95 % intervals and runs, in Markdown."""
    runs = pd.json_normalize(stored('cora-regimes'))
    given = runs[[f'config.{key}' for key in RECIPE]].set_axis(RECIPE, axis=1)
    given['depth'], given['test'] = runs['depth'], 100 * runs['test']

    def cell(test: pd.Series) -> str:
        if len(test) < 2:
            return f'{test.mean():.1f} (1)'
        low, high = interval(test)
        return f'{test.mean():.1f} [{low:.0f}, {high:.0f}] ({len(test)})'

    cells = given.groupby([*RECIPE, 'depth'], dropna=False)['test'].agg(cell)
    table = cells.unstack('depth').reset_index().astype(object)
    return table.where(table.notna(), '').to_markdown(index=False)


def main() -> None:
    """Follows what was not, and prints the tables."""
    if not TRACE.is_file():
        rows = [
            row
            for given, seed in product(FOLLOWED, SEEDS)
            for row in follow(*given, seed)
        ]
        pd.DataFrame(rows).to_csv(TRACE, index=False, float_format='%.4g')
    print(factorial())
    trace = pd.read_csv(TRACE)
    seen = trace[trace['epoch'].isin((0, 10, 50, 100, 200))]
    print(
        seen.groupby(['weight_decay', 'dropout', 'start', 'epoch'])
        .median()
        .drop(columns='seed')
        .to_markdown()
    )


if __name__ == '__main__':
    main()
