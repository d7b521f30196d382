"""Named sets of graphs from TU Dortmund."""

from pathlib import Path

from . import of_pyg
from .download import reading
from .graphs import Graphs


def read(name: str, number: int, root: Path | None) -> Graphs:
    """Graphs with a class each, and all features of their nodes.

    Args:
        name: What PyG calls them.
        number: How many there are.
        root: Folder with ``TUDataset``.

    Raises:
        UsageError: If they cannot be read, nor downloaded, or are others.
    """
    graphs = [*of_pyg.tu(name, root, use_node_attr=True)]
    with reading(name):
        if len(graphs) != number:
            raise ValueError(
                f'it must have {number} graphs (got {len(graphs)})'
            )
    return Graphs(graphs)
