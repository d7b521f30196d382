"""A small real graph, and weights for a network that a page computes."""

from typing import Any

import networkx as nx
import numpy as np

CHANNELS = 16
LAYERS = 64
UNIT = 256  # weights are whole numbers of 1 / UNIT: short, and exact
DRAWS = 3
ALPHA, THETA = 0.1, 0.5  # of GCNII: strength of what it adds to a layer


def graph() -> dict[str, Any]:
    """Zachary's karate club: its friendships, the side that each member took
    when it fell apart, and a place for each in a drawing.
    """
    club = nx.karate_club_graph()
    spots = nx.spring_layout(club, weight=None, seed=3)
    around = np.array([spots[member] for member in club])
    around -= around.min(axis=0)
    around = 2 * around / around.max(axis=0) - 1
    return {
        'edges': [list(edge) for edge in club.edges],
        'sides': [club.nodes[member]['club'] for member in club],
        'places': around.round(3).tolist(),
    }


def weights(seed: int) -> dict[str, Any]:
    """A first state for each member and the weights of all layers, uniform
    with the variance of Glorot and Bengio, as whole numbers of 1 / UNIT.
    """
    draw = np.random.default_rng(seed)
    members = len(nx.karate_club_graph())

    def glorot(*shape: int) -> list[Any]:
        most = np.sqrt(6 / sum(shape[-2:])) * UNIT
        return draw.uniform(-most, most, shape).round().astype(int).tolist()

    return {
        'first': glorot(members, CHANNELS),
        'layers': glorot(LAYERS, CHANNELS, CHANNELS),
    }
