from functools import partial

from pyg_ext.utils.compiled import compiled


@partial(compiled, reorder=True)
def squared_differences(source, target, out, x, scale):
    """The squared distance along each edge, of rows times their scale.

    Args:
        source: Where an edge begins, ``[E]``.
        target: Where it ends, likewise.
        out: Result, in float64, likewise.
        x: Features, ``[N, F]``.
        scale: What multiplies each row, in float64, ``[N]``.
    """
    for e in range(len(out)):
        one, other = x[source[e]], x[target[e]]
        a, b = scale[source[e]], scale[target[e]]
        total = 0.0
        for c in range(x.shape[1]):
            side = a * one[c] - b * other[c]
            total += side * side
        out[e] = total
