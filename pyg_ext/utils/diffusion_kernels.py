"""Compiled loops of diffusions and random walks.

A kernel computes the rows of a similarity matrix for a block of *seeds*, one
by one in a sparse accumulator, and writes the sparsified rows in CSR form. It
returns how many seeds are done: not all where the output is full.

What they share:

* ``graph``: the transition matrix in CSR form: ``rowptr``, ``col``, the
  probabilities ``prob`` and their ``cumsum`` along a row (both empty where
  all of a row are equal), and the ``degree`` of the nodes. At a dangling node,
  whose row is empty, a walk stays.
* ``rule``: the sparsification: the most entries of a row, the least value,
  whether the seed counts, and the ``scale`` of a node's value (empty for one).
* ``workspace``: ``mass``, the accumulator, of one entry a node, and
  ``residuals`` of two, which are zero between two seeds; lists of nodes, with
  room for one more than there are; and one entry which says whether to stop:
  nobody reads the output then.
* ``out``: entries of each row, their columns and values.

Unsigned integers spare the checks for negative indices, a third of the time.
"""

import numpy as np

from pyg_ext.utils.compiled import compiled
from pyg_ext.utils.prefetch import prefetch
from pyg_ext.utils.sorting import smallest, sort

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
ZERO, ONE = np.uint64(0), np.uint64(1)
HALF, LOW = np.uint64(32), np.uint64(2**32 - 1)
CHUNK = 2**16  # steps of walks between two checks whether to stop
LANES = 16  # walks side by side
LATER, SOON, SOONER = np.uint64(16), np.uint64(8), np.uint64(4)  # ahead
LINE = np.uint64(16)  # columns in a line of memory
PUSHED = 1e-300  # a residual of nothing, which vanishes in any sum


@compiled
def forward_push(seeds, graph, rule, workspace, out, alpha, eps):
    """Personalized PageRank: a node with a residual of ``alpha * eps`` times
    its degree or more is pushed, first in first out.

    The loop over the edges of a node has no branch, which a processor could
    not foresee: what joins a list is written behind its end, and the end
    moves or does not. A residual lies beside its limit, so that an edge reads
    one line of memory. Where the rows are of the nodes that are next in the
    queue is fetched ahead, then the rows; what lies behind the end of the
    queue is some node too.
    """
    rowptr, col, prob, _, degree = graph
    mass, residuals, touched, queue, reached, _, stop = workspace
    size, start = np.uint64(len(queue)), 0
    weighted = len(prob) > 0
    state = residuals.reshape((-1, 2))
    if state[0, 1] == 0.0:  # a new workspace
        state[:, 1] = alpha * eps * degree
    for done in range(len(seeds)):
        seed = seeds[done]
        state[seed, 0] = alpha
        reached[0] = queue[0] = seed
        num, far, head, tail = 0, ONE, ZERO, ONE
        while head != tail:  # no node waits twice: there is room for another
            if stop[0]:
                return done
            v = np.uint64(queue[head])
            head = head + ONE if head + ONE < size else ZERO
            soon = np.uint64(queue[min(head + SOON, size - ONE)])
            prefetch(rowptr, soon)
            prefetch(mass, soon)
            soon = np.uint64(queue[min(head + SOONER, size - ONE)])
            prefetch(col, np.uint64(rowptr[soon]))
            prefetch(col, np.uint64(rowptr[soon]) + LINE)
            pushed = state[v, 0]
            state[v, 0] = PUSHED
            if mass[v] == 0.0:
                touched[num] = v
                num += 1
            first, last = np.uint64(rowptr[v]), np.uint64(rowptr[v + ONE])
            if first == last:
                mass[v] += pushed / alpha
                continue
            mass[v] += pushed
            pushed *= 1.0 - alpha
            share = pushed / (last - first)
            for e in range(first, last):
                u = np.uint64(col[e])
                if weighted:
                    share = pushed * prob[e]
                before, limit = state[u, 0], state[u, 1]
                after = before + share
                state[u, 0] = after
                reached[far] = u
                far += np.uint64(before == 0.0)
                # What is at the limit or above is in the queue already.
                queue[tail] = u
                tail += np.uint64((before < limit) & (limit <= after))
                tail = tail if tail < size else ZERO
        for i in range(far):
            state[reached[i], 0] = 0.0
        start = write_row(done, seed, num, rule, workspace, out, start)
        if start < 0:
            return done
    return len(seeds)


@compiled
def series_push(seeds, graph, rule, workspace, out, theta, floor):
    """A power series of the transition matrix, step by step: after step
    ``j`` a node gets ``theta[j]`` times its residual, and pushes it if that is
    at least ``floor[j]`` times its degree.

    As in :func:`forward_push`, what joins a list is written behind its end.
    First those that push are told from the others, most of them in late
    steps; only their rows are fetched ahead.
    """
    rowptr, col, prob, _, degree = graph
    mass, residuals, touched, frontier, reached, _, stop = workspace
    residual, after = residuals[: len(mass)], residuals[len(mass) :]
    start, weighted = 0, len(prob) > 0
    for done in range(len(seeds)):
        seed = seeds[done]
        residual[seed], frontier[0] = 1.0, seed
        num, active = 0, ONE
        for j in range(len(theta)):
            if stop[0]:
                return done
            coefficient = theta[j]
            low = floor[j] if j + 1 < len(theta) else np.inf
            count = ZERO
            for i in range(active):
                soon = np.uint64(frontier[min(i + LATER, active - ONE)])
                prefetch(residual, soon)
                prefetch(mass, soon)
                prefetch(degree, soon)
                v = np.uint64(frontier[i])
                value, held = residual[v], mass[v]
                gain = coefficient * value
                touched[num] = v
                num += (held == 0.0) & (gain > 0.0)
                mass[v] = held + gain
                pushes = value >= low * degree[v]
                residual[v] = value if pushes else 0.0
                frontier[count] = v
                count += np.uint64(pushes)
            active = ZERO
            for i in range(count):
                soon = np.uint64(frontier[min(i + SOON, count - ONE)])
                prefetch(rowptr, soon)
                soon = np.uint64(frontier[min(i + SOONER, count - ONE)])
                prefetch(col, np.uint64(rowptr[soon]))
                prefetch(col, np.uint64(rowptr[soon]) + LINE)
                v = np.uint64(frontier[i])
                value = residual[v]
                residual[v] = 0.0
                first, last = np.uint64(rowptr[v]), np.uint64(rowptr[v + ONE])
                if first == last:
                    if after[v] == 0.0:
                        reached[active] = v
                        active += ONE
                    after[v] += value
                    continue
                share = value / (last - first)
                for e in range(first, last):
                    u = np.uint64(col[e])
                    if weighted:
                        share = value * prob[e]
                    before = after[u]
                    reached[active] = u
                    active += np.uint64(before == 0.0)
                    after[u] = before + share
            residual, after = after, residual
            frontier, reached = reached, frontier
        start = write_row(done, seed, num, rule, workspace, out, start)
        if start < 0:
            return done
    return len(seeds)


@compiled
def dense_rows(seeds, graph, rule, workspace, out, matrix):
    """Rows of a dense matrix."""
    mass, _, touched, _, _, _, stop = workspace
    start = 0
    for done in range(len(seeds)):
        if stop[0]:
            return done
        for v in range(len(mass)):
            mass[v], touched[v] = matrix[seeds[done], v], v
        num = len(mass)
        start = write_row(done, seeds[done], num, rule, workspace, out, start)
        if start < 0:
            return done
    return len(seeds)


@compiled
def write_row(done, seed, num, rule, workspace, out, start):
    """Writes the largest values of the touched nodes, the lower node first
    where they are equal, clears the accumulator, and returns where the row
    ends: -1 where it does not fit.
    """
    k, threshold, loop, scale = rule
    mass, _, touched, index, _, keys, _ = workspace
    counts, columns, values = out
    scaled = len(scale) > 0 and scale[seed] > 0.0
    unit = 1.0 / scale[seed] if scaled else 1.0
    size = 0
    for i in range(num):
        v = touched[i]
        value = mass[v]
        mass[v] = 0.0
        if scaled and v != seed:
            value *= unit * scale[v]
        if value > 0.0 and value >= threshold and (loop or v != seed):
            keys[size], index[size] = -value, v
            size += 1
    if k < size:
        smallest(keys, index, k, size)
        size = k
    if start + size > len(columns):
        return -1
    sort(keys, index, size)
    for i in range(size):
        columns[start + i], values[start + i] = index[i], -keys[i]
    counts[done] = size
    return start + size


@compiled
def monte_carlo(
    seeds, graph, rule, workspace, out, restart, number, length, key
):
    """The share of visits to each node in ``number`` walks of ``length``
    steps.
    """
    rowptr, col, prob, cumsum, degree = graph
    ways = (rowptr, col.reshape((-1, 1)), prob, cumsum, degree)
    mass, _, touched, _, _, _, stop = workspace
    start, one = 0, 1.0 / (number * (length + 1))
    chunk = min(number, max(CHUNK // (length + 1), 1))  # walks at a time
    starts = np.empty(chunk, np.int64)
    nodes = np.empty((chunk, length + 1), np.int64)
    edges = np.empty((chunk, 0), np.int64)
    for done in range(len(seeds)):
        seed, num = seeds[done], 0
        starts[:] = seed
        for first in range(0, number, chunk):
            if stop[0]:
                return done
            numbers = np.arange(first, min(first + chunk, number))
            walk(starts, nodes, edges, numbers, ways, restart, key, seed)
            for s in range(len(numbers)):
                for i in range(length + 1):
                    v = nodes[s, i]
                    if mass[v] == 0.0:
                        touched[num] = v
                        num += 1
                    mass[v] += one
        start = write_row(done, seed, num, rule, workspace, out, start)
        if start < 0:
            return done
    return len(seeds)


@compiled
def spgemm(seeds, graph, rule, workspace, out, rows, columns):
    """Rows of a sparse matrix times its transpose, both in CSR form."""
    mass, _, touched, _, _, _, stop = workspace
    start = 0
    for done in range(len(seeds)):
        if stop[0]:
            return done
        seed, num = seeds[done], 0
        for e in range(rows[0][seed], rows[0][seed + 1]):
            middle, value = rows[1][e], rows[2][e]
            for f in range(columns[0][middle], columns[0][middle + 1]):
                v = columns[1][f]
                if mass[v] == 0.0:
                    touched[num] = v
                    num += 1
                mass[v] += value * columns[2][f]
        start = write_row(done, seed, num, rule, workspace, out, start)
        if start < 0:
            return done
    return len(seeds)


@compiled
def walk(starts, nodes, edges, numbers, graph, restart, key, place):
    """One walk for each of the numbers ``[S]``, from its start: the ``nodes``
    ``[S, L + 1]`` and ``edges`` ``[S, L]``, -1 where none was taken, or ``[S,
    0]`` if nobody asks. ``restart`` is in units of 2^-32; the random numbers
    depend on the key, the place and the number of a walk.

    The columns of the graph are ``hops`` ``[E, 2]``: where an edge leads, and
    which one it is, or ``[E, 1]`` if nobody asks. Some walks go side by side,
    so that one need not wait for the memory that another reads, as in
    "ThunderRW: An In-Memory Graph Random Walk Engine" (Sun et al. 2021).
    """
    rowptr, hops, _, cumsum, _ = graph
    here, state = np.empty(LANES, np.uint64), np.empty(LANES, np.uint64)
    draw, edge = np.empty(LANES, np.uint64), np.empty(LANES, np.int64)
    for s in range(0, len(numbers), LANES):
        lanes = min(len(numbers) - s, LANES)
        for j in range(lanes):
            here[j] = nodes[s + j, 0] = starts[s + j]
            state[j] = stream(key, place, numbers[s + j])
        for i in range(nodes.shape[1] - 1):
            for j in range(lanes):
                state[j] += GOLDEN
                draw[j] = splitmix64(state[j])
            for j in range(lanes):
                e = edge_of(draw[j], here[j], rowptr, cumsum)
                edge[j] = -1 if (draw[j] >> HALF) < restart else e
            for j in range(lanes):
                e = edge[j]
                if e >= 0:
                    here[j] = hops[e, 0]
                elif (draw[j] >> HALF) < restart:
                    here[j] = starts[s + j]
                nodes[s + j, i + 1] = here[j]
                if edges.shape[1] > 0:
                    edges[s + j, i] = hops[e, 1] if e >= 0 else -1


@compiled
def biased_walk(starts, nodes, edges, numbers, graph, restart, key, bias):
    """As :func:`walk`, by node2vec's rule: an edge is drawn, and taken with
    the probability of ``bias`` if it leads back to the node before, to one
    that the node before has an edge to, or to any other; else another is
    drawn. The ``hops`` of a row must be sorted.
    """
    rowptr, hops, _, cumsum, _ = graph
    for s in range(len(numbers)):
        v = before = origin = starts[s]
        nodes[s, 0] = v
        state = stream(key, 0, numbers[s])
        e = -1  # the edge of the last step
        for i in range(nodes.shape[1] - 1):
            first = e < 0  # there is no node before
            state += GOLDEN
            draw = splitmix64(state)
            e = -1
            if (draw >> HALF) < restart:
                v = origin
            else:
                e = edge_of(draw, np.uint64(v), rowptr, cumsum)
                while e >= 0 and not first:
                    share = bias[kind(before, hops[e, 0], rowptr, hops)]
                    state += GOLDEN
                    if uniform(splitmix64(state)) < share:
                        break
                    state += GOLDEN
                    draw = splitmix64(state)
                    e = edge_of(draw, np.uint64(v), rowptr, cumsum)
                if e >= 0:
                    before, v = v, hops[e, 0]
            nodes[s, i + 1] = v
            edges[s, i] = hops[e, 1] if e >= 0 else -1


@compiled
def kind(before, node, rowptr, hops):
    """0 for the node before itself, 1 for one that it has an edge to, 2 for
    any other.
    """
    if node == before:
        return 0
    low, high = rowptr[before], rowptr[before + 1]
    while low < high:
        middle = (low + high) // 2
        if hops[middle, 0] < node:
            low = middle + 1
        else:
            high = middle
    return 1 if low < rowptr[before + 1] and hops[low, 0] == node else 2


@compiled
def edge_of(draw, v, rowptr, cumsum):
    """One of the edges of a node by the low half of a draw, or -1 if it has
    none.
    """
    first = rowptr[v]
    size = np.uint64(rowptr[v + ONE] - first)
    if size == 0:
        return -1
    if len(cumsum) == 0:
        return first + np.int64(((draw & LOW) * size) >> HALF)
    last = first + np.int64(size) - 1
    return inverse_cdf(cumsum, first, last, uniform(draw))


@compiled
def row_cumsum(rowptr, weight):
    """The cumulative sums of the weights of each row, in units of the largest
    of the row: no row sees another, and no sum overflows.
    """
    cumsum = np.empty(len(weight))
    for v in range(len(rowptr) - 1):
        largest, total = 0.0, 0.0
        for e in range(rowptr[v], rowptr[v + 1]):
            largest = max(largest, weight[e])
        for e in range(rowptr[v], rowptr[v + 1]):
            total += weight[e] / largest
            cumsum[e] = total
    return cumsum


@compiled
def inverse_cdf(cumsum, low, high, share):
    """The first place whose cumulative sum is above a share of the last."""
    wanted = share * cumsum[high]
    while low < high:
        middle = (low + high) // 2
        if cumsum[middle] > wanted:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def uniform(draw):
    """A number in [0, 1) that tells nothing of the high half of a draw."""
    return np.float64(splitmix64(draw + GOLDEN) >> np.uint64(11)) * 2.0**-53


@compiled
def stream(key, place, number):
    """The state that the random numbers of a walk start from."""
    state = splitmix64(np.uint64(key) + GOLDEN * np.uint64(place + 1))
    return splitmix64(state + GOLDEN * np.uint64(number + 1))


@compiled
def splitmix64(state):
    """The next random number (Steele, Lea and Flood 2014)."""
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
