from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pyg_ext.utils.checks import check_count
from pyg_ext.utils.walk_steps import EXECUTOR, DiffusionRun, Rows


@contextmanager
def on_ray(
    num_tasks: int, num_cpus: int = 1, address: str | None = None
) -> Iterator[None]:
    r"""Splits the seeds of a diffusion or of random walks into the tasks of a
    `Ray <https://docs.ray.io>`_ cluster: :func:`ppr_topk`,
    :func:`heat_kernel_topk`, :func:`diffusion_topk`, :func:`walk_topk`,
    :func:`similarity_graph` and what is built on them, such as
    :class:`~pyg_ext.transforms.AddRandomWalkEdges`, inside of

    .. code-block:: python

        with on_ray(num_tasks=64, address='auto'):
            edge_index, weight = ppr_topk(data.edge_index)

    The result is the same, bit for bit. The graph is stored once on each
    machine, in memory that its tasks share and only read: 4 bytes for each
    edge and 16 for each node, and 16 more for each edge that has a weight.
    Each thread takes 44 bytes for each node besides. A task that is lost with
    its machine is done again on another.

    Tensors on a CUDA device are not split.

    Args:
        num_tasks (int): The number of tasks; several for each processor of
            the cluster, so that none waits long for the last.
        num_cpus (int, optional): The threads of a task. (default: :obj:`1`)
        address (str, optional): The address of the cluster, if this process
            has not joined one; without it, the one that runs on this
            machine, or a new one. (default: :obj:`None`)

    Raises:
        ValueError: If a number is less than one, or this process has joined
            the cluster of another :obj:`address`.
        ImportError: If Ray is not installed.
    """
    for name, number in (('num_tasks', num_tasks), ('num_cpus', num_cpus)):
        check_count(name, number)
    import ray

    def execute(run: DiffusionRun, seeds: np.ndarray) -> Iterator[Rows]:
        @ray.remote(num_cpus=num_cpus)
        def task(run: DiffusionRun, part: np.ndarray) -> Rows:
            blocks = zip(*run.rows(part, num_cpus), strict=True)
            counts, nodes, values = map(np.concatenate, blocks)
            return counts, nodes, values

        parts = np.array_split(seeds, min(num_tasks, max(len(seeds), 1)))
        shared = ray.put(run)
        pending = [task.remote(shared, part) for part in parts if len(part)]
        pending.reverse()
        try:
            while pending:  # in order, and not kept
                yield ray.get(pending[-1])
                pending.pop()
        finally:
            for rest in pending:
                ray.cancel(rest)

    joined = ray.is_initialized()
    if joined:
        here = ray.get_runtime_context().gcs_address
        if address not in (None, 'auto', here):
            raise ValueError(
                f'address must be that of the cluster which this process has '
                f'joined, {here} (got {address!r})'
            )
    else:
        package = Path(__file__).parent.parent
        ray.init(
            address,
            runtime_env={'py_modules': [str(package)]},
            logging_level='error',
        )
    token = EXECUTOR.set(execute)
    try:
        yield
    finally:
        EXECUTOR.reset(token)
        if not joined:
            ray.shutdown()
