"""How large generated data are, by their options alone, and how large they
may be.
"""

import math
from dataclasses import dataclass

from ..errors import UsageError

HIDDEN = 64  # channels of a network that is trained on them
NUMBER, EDGE = 4, 16  # bytes of a feature, and of an edge's two ends
MOST = 1e9  # bytes; a network of some layers keeps several times of it
PARTS = 3
PIXELS = 64  # of an image of a digit
NODES, EDGES = 35, 222  # of a random graph, at most, in the mean of all kinds


@dataclass(frozen=True)
class Size:
    """What is to be made: so many nodes, with so many features each, and
    edges, each direction for itself.
    """

    nodes: int
    features: int
    edges: int

    @property
    def bytes(self) -> int:
        """Of the features, a hidden state of all nodes, and the edges."""
        wide = self.features + HIDDEN
        return NUMBER * self.nodes * wide + EDGE * self.edges

    def check(self, name: str) -> None:
        """Raises a UsageError for what a machine of 8 GB can't train on."""
        if self.bytes <= MOST:
            return
        features = NUMBER * self.nodes * self.features
        raise UsageError(
            f'{name} is too large: {self.nodes:,} nodes with {self.features:,}'
            f' features each ({_mb(features)}) and {self.edges:,} edges '
            f'({_mb(EDGE * self.edges)}), which with a hidden state of '
            f'{HIDDEN} channels are {_mb(self.bytes)}; at most {_mb(MOST)} '
            f'are meant, what 8 GB of memory can train on'
        )


def _mb(size: float) -> str:
    return f'{size / 1e6:,.0f} MB'


def ring_transfer(distance: int, classes: int) -> Size:
    """Of even rings, one for each class in each part."""
    return _transfer(2 * distance, 2 * distance, classes)


def crossed_ring(distance: int, classes: int) -> Size:
    """The same with two crosses for each pair of neighbors inside."""
    return _transfer(2 * distance, 4 * (distance - 1), classes)


def clique_path(distance: int, classes: int) -> Size:
    """A clique and a path of as many nodes."""
    size = distance - 1
    return _transfer(2 * size, math.comb(size, 2) + size, classes)


def _transfer(nodes: int, pairs: int, classes: int) -> Size:
    graphs = PARTS * classes
    return Size(graphs * nodes, classes, graphs * 2 * pairs)


def tree_neighbors_match(radius: int, permutations: int, seed: int) -> Size:
    """Trees: each order of the values, or so many, with each key."""
    leaves = 2**radius
    trees = min(math.factorial(leaves), permutations) * leaves
    nodes = 2 * leaves - 1
    return Size(trees * nodes, 2 * leaves, trees * (2 * nodes - 1))


def digit_chain(distance: int, chains: int, seed: int) -> Size:
    """Paths of images and a mark."""
    return Size(chains * (distance + 1), PIXELS + 1, chains * 2 * distance)


def random_graphs(graphs: int, seed: int) -> Size:
    """Small random graphs, at most."""
    return Size(graphs * NODES, 2, graphs * EDGES)
