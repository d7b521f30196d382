import pytest

from benchmarks.runs.cells import Cell


@pytest.fixture
def cell():
    """A run on the digits that takes a second."""

    def make(method='gcn', depth=2, seed=0, **config):
        recipe = {
            'lr': 0.01,
            'weight_decay': 5e-4,
            'epochs': 3,
            'patience': 0,
            'select': 'loss',
            'row_normalize': False,
            'hidden_channels': 8,
            'dropout': 0.5,
        }
        return Cell(
            'digits',
            method,
            depth,
            seed,
            'classic',
            'digits-5-per-class',
            {**recipe, **config},
        )

    return make


@pytest.fixture
def row(cell):
    """A row of the store, as if it had been measured."""

    def make(status='ok', test=0.5, config=None, **cell_or_row):
        names = ('method', 'depth', 'seed')
        chosen = {k: v for k, v in cell_or_row.items() if k in names}
        rest = {k: v for k, v in cell_or_row.items() if k not in names}
        measured = {
            'val': test,
            'test': test,
            'test_at_best_loss': test,
            'test_at_best_metric': test + 0.01,
            'train': 1.0,
            'best_epoch': 2,
            'epochs': 3,
            'seconds': 0.1,
            'peak_mb': 400.0,
            'device': 'cpu',
        }
        failed = {'error': 'Diverged: the loss is nan in epoch 2'}
        return {
            **cell(**chosen, **(config or {})).row(),
            'status': status,
            **(measured if status == 'ok' else failed),
            'commit': 'abc',
            'versions': {'torch': '2'},
            **rest,
        }

    return make
