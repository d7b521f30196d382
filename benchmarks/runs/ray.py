"""Runs as the tasks of a Ray cluster."""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pyg_ext

from ..errors import UsageError
from .cells import Cell
from .processes import Results, Sent, Work, processes

RETRIES = 3  # of a run whose node is lost
VISIBLE = 'CUDA_VISIBLE_DEVICES'


def tasks(
    work: Work,
    cells: list[Cell],
    jobs: int | None,
    device: str,
    address: str | None = None,
) -> Results:
    """Does each run in a process of its own somewhere in the cluster, with
    one CPU, and one GPU where there are any.

    A run that is lost with its node is done again on another.

    Args:
        work: Does a run.
        cells: The runs.
        jobs: Must be nothing: the cluster says how many runs it has room for.
        device: ``cpu``, ``cuda`` or ``auto``.
        address: Of the cluster; without it, the one that runs on this
            machine, or a new one.

    Returns:
        Each run with its result, as it is done.

    Raises:
        UsageError: If there is no Ray, no such cluster, or no GPU in it, and
            if :obj:`jobs` is given or :obj:`device` names one GPU.
    """
    ray = connect(address, jobs, device)
    sent = Sent(work)
    try:
        gpus = ray.cluster_resources().get('GPU', 0)
        if device == 'cuda' and not gpus:
            raise UsageError('the cluster has no GPU (got --device cuda)')

        @ray.remote(
            num_cpus=1,
            num_gpus=1 if gpus and device != 'cpu' else 0,
            max_retries=RETRIES,
        )
        def task(cell: Cell) -> dict[str, Any]:
            # The process that starts others may have seen another GPU.
            alone = partial(_run, sent, os.environ.get(VISIBLE))
            [_, (_, result)] = processes(alone, [cell], 1, 'cpu')
            return result

        pending = {task.remote(cell): cell for cell in cells}
        while pending:
            [done], _ = ray.wait([*pending])
            yield pending.pop(done), _result(ray, done)
    finally:
        ray.shutdown()  # ends what still runs


def connect(address: str | None, jobs: int | None, device: str) -> Any:
    """Joins the cluster with the code of this checkout, and returns Ray.

    Raises:
        UsageError: As :func:`tasks`.
    """
    ray = check(jobs, device)
    with tempfile.TemporaryDirectory() as folder:
        try:
            ray.init(
                address=address,
                runtime_env={'py_modules': _packages(Path(folder))},
                log_to_driver=False,
                logging_level='error',
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UsageError(f'no cluster at {address}: {error}') from error
    return ray


def _packages(folder: Path) -> list[str]:
    """The folders of this package and of pyg_ext: Ray calls a package as its
    folder is called, which in a checkout is not always the name it goes by.
    """
    name = __package__.partition('.')[0]
    copy = shutil.copytree(
        Path(__file__).parents[1],
        folder / name,
        ignore=shutil.ignore_patterns('__pycache__'),
    )
    return [str(copy), str(Path(pyg_ext.__file__).parent)]


def check(jobs: int | None, device: str) -> Any:
    """Whether a cluster may be asked for this; returns Ray.

    Raises:
        UsageError: As :func:`tasks`.
    """
    if jobs is not None:
        raise UsageError(
            f'--jobs is for the processes of this machine; a cluster takes as '
            f'many runs as it has room for (got --jobs {jobs})'
        )
    if device not in ('auto', 'cpu', 'cuda'):
        raise UsageError(
            f'Ray says which GPU a run gets: --device must be cpu, cuda or '
            f'auto (got {device})'
        )
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            '--engine ray needs Ray: pip install pyg-ext[cluster]'
        ) from error
    return ray


def _result(ray: Any, done: Any) -> dict[str, Any]:
    try:
        return ray.get(done)
    except ray.exceptions.RayError as error:  # lost more often than retried
        last = str(error).strip().splitlines()[-1]
        return {'status': 'failed', 'error': f'{type(error).__name__}: {last}'}


def _run(work: Work, visible: str | None, cell: Cell) -> dict[str, Any]:
    if visible is not None:
        os.environ[VISIBLE] = visible
    return work(cell)
