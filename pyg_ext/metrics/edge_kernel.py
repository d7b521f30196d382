from pyg_ext.utils.compiled import compiled


@compiled
def squared_differences(source, target, out, x, scale):
    """The squared distance along each edge, of rows times their scale.

    Args:
        source: Where an edge begins, ``[E]``.
        target: Where it ends, likewise.
        out: Result, in float64, likewise.
        x: Features, ``[N, F]``.
        scale: What multiplies each row, in float64, ``[N]``.
    """
    channels = x.shape[1]
    whole = channels - channels % 4
    for e in range(len(out)):
        one, other = x[source[e]], x[target[e]]
        a, b = scale[source[e]], scale[target[e]]
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0  # which one instruction adds to
        for c in range(0, whole, 4):
            d0 = a * one[c] - b * other[c]
            d1 = a * one[c + 1] - b * other[c + 1]
            d2 = a * one[c + 2] - b * other[c + 2]
            d3 = a * one[c + 3] - b * other[c + 3]
            s0 += d0 * d0
            s1 += d1 * d1
            s2 += d2 * d2
            s3 += d3 * d3
        for c in range(whole, channels):
            d0 = a * one[c] - b * other[c]
            s0 += d0 * d0
        out[e] = (s0 + s1) + (s2 + s3)
