"""Accuracy against depth on real graphs: from Python, and from the command
line by ``python -m benchmarks``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import UsageError
    from .interface.edges import compare_edges
    from .interface.names import (
        load_dataset,
        register_dataset,
        register_method,
        register_preset,
    )
    from .interface.report import report
    from .interface.runs import Stopped
    from .interface.sweep import sweep
    from .interface.train import train
    from .interface.tune import tune, tuned_sweep
    from .reports.outcome import Runs
    from .reports.tuned import TunedRuns

PLACES = {
    'Runs': 'reports.outcome',
    'Stopped': 'interface.runs',
    'TunedRuns': 'reports.tuned',
    'UsageError': 'errors',
    'compare_edges': 'interface.edges',
    'load_dataset': 'interface.names',
    'register_dataset': 'interface.names',
    'register_method': 'interface.names',
    'register_preset': 'interface.names',
    'report': 'interface.report',
    'sweep': 'interface.sweep',
    'train': 'interface.train',
    'tune': 'interface.tune',
    'tuned_sweep': 'interface.tune',
}

__all__ = [
    'Runs',
    'Stopped',
    'TunedRuns',
    'UsageError',
    'compare_edges',
    'load_dataset',
    'register_dataset',
    'register_method',
    'register_preset',
    'report',
    'sweep',
    'train',
    'tune',
    'tuned_sweep',
]


def __getattr__(name: str) -> Any:
    """What is asked for is imported then: a command line says what is wrong
    with its arguments before anything slow is loaded.
    """
    if name not in PLACES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    try:
        module = import_module(f'.{PLACES[name]}', __name__)
    except ModuleNotFoundError as error:
        raise ImportError(
            f'{name} needs {error.name}: pip install pyg-ext[benchmark]'
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
