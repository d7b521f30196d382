"""What specification strings do to the edges."""

from typing import Any

from torch_geometric.utils import dropout_edge, dropout_node

from pyg_ext.transforms import SDRF, FoSR
from pyg_ext.utils import dropout_path

# What changes the edges, and its options; a recipe's `augment` goes before.
EDGES: dict[str, dict[str, Any]] = {
    'ppr': {'k': 64, 'alpha': 0.15, 'mode': 'replace', 'symmetric': False},
    'heat': {'k': 64, 't': 5.0, 'mode': 'replace', 'symmetric': False},
    'walk': {'k': 64, 'mode': 'replace', 'symmetric': False},
    'sdrf': {'num_iterations': 100, 'removal_bound': None},
    'fosr': {'num_iterations': 100},
    'dropedge': {'p': 0.5},
    'dropnode': {'p': 0.5},
    'droppath': {'p': 0.5},
}


SIMILARITIES = ('ppr', 'heat', 'walk')


# What rewires bottlenecks, once:
REWIRINGS = {'sdrf': SDRF, 'fosr': FoSR}


# What draws the edges of a step:
DROPS = {
    'dropedge': dropout_edge,
    'dropnode': dropout_node,
    'droppath': dropout_path,
}


# What the makers of edges take beside options:
GRAPH = {
    *('edge_index', 'edge_weight', 'num_nodes', 'method', 'loop', 'progress'),
    *('training', 'force_undirected', 'relabel_nodes', 'is_sorted'),
}
