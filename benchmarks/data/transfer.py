"""Tasks in which something far away must be known: one graph each, whose
components are the examples.
"""

import itertools
import math
from collections.abc import Iterable, Sequence

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from .graphs import SPLITS

Edges = Iterable[tuple[int, int]]


def ring_transfer(distance: int, classes: int) -> Data:
    """Rings whose target must tell the class of the node opposite."""
    return _transfer(_ring(distance), distance, classes)


def crossed_ring(distance: int, classes: int) -> Data:
    """The same with crosses between the two ways around, which make more
    ways and no shorter one.
    """
    size = 2 * distance
    crosses = [
        (node, other % size)
        for node in range(distance)
        for other in (size - 1 - node, size + 1 - node)
        if other % size != node
    ]
    return _transfer([*_ring(distance), *crosses], distance, classes)


def clique_path(distance: int, classes: int) -> Data:
    """A clique in which the target is, and a path from it to the source."""
    size = distance - 1
    clique = itertools.combinations(range(size), 2)
    path = itertools.pairwise(range(size - 1, 2 * size))
    return _transfer([*clique, *path], 2 * size - 1, classes)


def _ring(distance: int) -> list[tuple[int, int]]:
    size = 2 * distance
    return [(node, (node + 1) % size) for node in range(size)]


def _transfer(edges: Edges, source: int, classes: int) -> Data:
    """Node 0 is the target, all zeros; the source has its class, one hot; all
    others are ones. Each part has one graph of each class: there are no
    others.
    """
    graph = nx.Graph(edges)
    x = torch.ones(len(graph), classes)
    x[0] = 0
    of_class = []
    for label in range(classes):
        x[source] = torch.eye(classes)[label]
        of_class.append((x.clone(), label))
    return union(
        [(x, graph.edges, label) for x, label in of_class * len(SPLITS)],
        [classes] * len(SPLITS),
    )


def tree_neighbors_match(radius: int, permutations: int, seed: int) -> Data:
    """Binary trees whose leaves have a key and a value each: the root has a
    key, and must tell the value of its leaf. Edges lead to the root; each
    node has one to itself.
    """
    leaves = 2**radius
    inner = leaves - 1
    draw = np.random.default_rng(seed)
    if math.factorial(leaves) <= permutations:
        orders = [*itertools.permutations(range(leaves))]
    else:
        orders = [draw.permutation(leaves) for _ in range(permutations)]
    edges = [(n, n) for n in range(inner + leaves)]
    edges += [(n, (n - 1) // 2) for n in range(1, inner + leaves)]
    leaf = np.arange(leaves)
    examples = []
    for order, key in itertools.product(orders, range(leaves)):
        x = torch.zeros(inner + leaves, 2 * leaves)
        x[0, key] = 1
        x[inner + leaf, leaf] = 1
        x[inner + leaf, leaves + np.asarray(order)] = 1
        examples.append((x, edges, int(order[key])))
    examples = [examples[i] for i in draw.permutation(len(examples))]
    return union(examples, shares(len(examples)), directed=True)


def digit_chain(distance: int, chains: int, seed: int) -> Data:
    """Paths of images of handwritten digits: one end must tell the digit at
    the other, which is marked. No image is in two parts.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    draw = np.random.default_rng(seed)
    cuts = np.cumsum(shares(len(pixels)))[:2]
    parts = np.split(draw.permutation(len(pixels)), cuts)
    examples, sizes = [], shares(chains)
    for part, size in zip(parts, sizes, strict=True):
        for images in draw.choice(part, (size, distance + 1)):
            mark = np.zeros((distance + 1, 1))
            mark[-1] = 1
            x = np.hstack([pixels[images] / 16, mark])
            path = itertools.pairwise(range(distance + 1))
            label = int(labels[images[-1]])
            examples.append((torch.from_numpy(x).float(), [*path], label))
    return union(examples, sizes)


def shares(size: int) -> list[int]:
    """So many to train, validate and test: 80, 10 and 10 %."""
    tenth = max(size // 10, 1)
    return [size - 2 * tenth, tenth, tenth]


def union(
    examples: Sequence[tuple[Tensor, Edges, int]],
    sizes: Sequence[int],
    directed: bool = False,
) -> Data:
    """One graph whose components are the examples; node 0 of each has the
    label, all others have -1, which is none.

    Args:
        examples: Features, edges and a label each, by parts.
        sizes: How many there are of each part.
        directed: Whether edges lead one way.
    """
    ends = np.cumsum([len(x) for x, *_ in examples])
    first = ends - [len(x) for x, *_ in examples]
    edges = np.concatenate(
        [
            np.array([*pairs]) + start
            for (_, pairs, _), start in zip(examples, first, strict=True)
        ]
    ).T  # [2, E]
    if not directed:
        edges = np.hstack([edges, edges[::-1]])
    y = np.full(ends[-1], -1)
    y[first] = [label for *_, label in examples]
    data = Data(
        x=torch.cat([x for x, *_ in examples]),
        edge_index=torch.from_numpy(np.ascontiguousarray(edges)),
        y=torch.from_numpy(y),
        batch=torch.from_numpy(np.repeat(np.arange(len(first)), ends - first)),
    )
    for split, some in zip(
        SPLITS, np.split(first, np.cumsum(sizes)[:2]), strict=True
    ):
        mask = torch.zeros(int(ends[-1]), dtype=torch.bool)
        mask[some] = True
        data[f'{split}_mask'] = mask
    return data
