"""Real data that may need many layers: heterophilous graphs, and peptides."""

from pathlib import Path

import torch
from ogb.utils.features import get_atom_feature_dims, get_bond_feature_dims
from torch_geometric.data import Data

from . import of_pyg
from .download import reading
from .graphs import SPLITS, Graphs, Sizes, check_categories, check_sizes
from .splits import in_order


def read_heterophilous(name: str, sizes: Sizes, root: Path | None) -> Data:
    """A graph of Platonov et al. 2023 with the masks of its ten splits, a
    column each.

    Raises:
        UsageError: If it cannot be read, nor downloaded, or is another.
    """
    [data] = of_pyg.read('HeterophilousGraphDataset', name, root)
    with reading(name):
        check_sizes(data, sizes)
    return data


def read_peptides(name: str, root: Path | None) -> Graphs:
    """Molecules of Dwivedi et al. 2022, whose atoms and bonds are described
    as those of ogb.

    Raises:
        UsageError: If they cannot be read, nor downloaded.
    """
    parts = [
        [*of_pyg.read('LRGBDataset', name, root, split=split)]
        for split in SPLITS
    ]
    graphs = [graph for part in parts for graph in part]
    index = torch.arange(len(graphs)).split([*map(len, parts)])
    out = Graphs(
        graphs,
        in_order(*index),
        get_atom_feature_dims(),
        get_bond_feature_dims(),
    )
    with reading(name):
        for graph in graphs:
            check_categories(graph.x, out.node_sizes)
            check_categories(graph.edge_attr, out.edge_sizes)
    return out
