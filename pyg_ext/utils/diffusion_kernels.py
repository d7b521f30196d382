"""Compiled loops of the diffusions and of the random walks.

A kernel takes the *seeds* of a block one by one, spreads the mass of a seed
over the nodes, and writes to which it is most similar. It returns how many
seeds are done: not all where the output is full.

What they share:

* ``graph``: rows ``rowptr`` and ``col`` of the nodes that a walk may go to,
  their probabilities ``prob`` and ``sums`` of these along a row (both empty
  where all of a row are equal), and the ``degree`` of the nodes. At a node
  with an empty row a walk stays.
* ``keep``: how many to keep, the least value, whether the seed counts, and
  the ``scale`` of a node's value (empty for one).
* ``work``: arrays of one entry a node. ``mass`` and what holds residuals are
  zero between two seeds. The last one has one entry, which says whether to
  stop: nobody reads what is found then.
* ``out``: counts of the seeds, their nodes and values.

Unsigned integers spare the checks for negative indices, a third of the time.
"""

import numpy as np

from pyg_ext.utils.compiled import compiled
from pyg_ext.utils.knn_kernels import smallest, sort

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
ZERO, ONE = np.uint64(0), np.uint64(1)
HALF, LOW = np.uint64(32), np.uint64(2**32 - 1)
LOT = 2**16  # steps of walks between two looks whether to stop


@compiled
def push(seeds, graph, keep, work, out, alpha, eps):
    """Personalized PageRank: a node with a residual of ``alpha * eps`` times
    its degree or more is pushed, first in first out.
    """
    rowptr, col, prob, _, degree = graph
    mass, residual, _, touched, queue, reached, _, stop = work
    size, start, floor = np.uint64(len(mass)), 0, alpha * eps
    weighted = len(prob) > 0
    for done in range(len(seeds)):
        seed = seeds[done]
        residual[seed] = alpha
        reached[0] = queue[0] = seed
        num, far, head, tail, waiting = 0, ONE, ZERO, ONE, 1
        while waiting > 0:
            if stop[0]:
                return done
            v = np.uint64(queue[head])
            head = head + ONE if head + ONE < size else ZERO
            waiting -= 1
            pushed = residual[v]
            residual[v] = 0.0
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
                before = residual[u]
                if before == 0.0 and mass[u] == 0.0:
                    reached[far] = u
                    far += ONE
                if weighted:
                    share = pushed * prob[e]
                after = before + share
                residual[u] = after
                # What is at the limit or above is in the queue already.
                limit = floor * degree[u]
                if before < limit <= after:
                    tail = tail if tail < size else ZERO
                    queue[tail] = u
                    tail += ONE
                    waiting += 1
        for i in range(far):
            residual[reached[i]] = 0.0
        start = emit(done, seed, num, keep, work, out, start)
        if start < 0:
            return done
    return len(seeds)


@compiled
def spread(seeds, graph, keep, work, out, theta, floor):
    """A series of powers of the walk, step by step: after step ``j`` a node
    gets ``theta[j]`` times the mass there, and spreads it if that is at least
    ``floor[j]`` times its degree.
    """
    rowptr, col, prob, _, degree = graph
    mass, here, there, touched, nodes, others, _, stop = work
    start, weighted = 0, len(prob) > 0
    for done in range(len(seeds)):
        seed = seeds[done]
        here[seed], nodes[0] = 1.0, seed
        num, active = 0, ONE
        for j in range(len(theta)):
            if stop[0]:
                return done
            reached = ZERO
            for i in range(active):
                v = np.uint64(nodes[i])
                value = here[v]
                here[v] = 0.0
                gain = theta[j] * value
                if gain > 0.0:
                    if mass[v] == 0.0:
                        touched[num] = v
                        num += 1
                    mass[v] += gain
                if j + 1 == len(theta) or value < floor[j] * degree[v]:
                    continue
                first, last = np.uint64(rowptr[v]), np.uint64(rowptr[v + ONE])
                if first == last:
                    if there[v] == 0.0:
                        others[reached] = v
                        reached += ONE
                    there[v] += value
                    continue
                share = value / (last - first)
                for e in range(first, last):
                    u = np.uint64(col[e])
                    if weighted:
                        share = value * prob[e]
                    if there[u] == 0.0:
                        others[reached] = u
                        reached += ONE
                    there[u] += share
            here, there = there, here
            nodes, others = others, nodes
            active = reached
        start = emit(done, seed, num, keep, work, out, start)
        if start < 0:
            return done
    return len(seeds)


@compiled
def copy(seeds, graph, keep, work, out, matrix):
    """Rows of a dense matrix."""
    mass, _, _, touched, _, _, _, stop = work
    start = 0
    for done in range(len(seeds)):
        if stop[0]:
            return done
        for v in range(len(mass)):
            mass[v], touched[v] = matrix[seeds[done], v], v
        start = emit(done, seeds[done], len(mass), keep, work, out, start)
        if start < 0:
            return done
    return len(seeds)


@compiled
def emit(done, seed, num, keep, work, out, start):
    """Writes the largest values of the touched nodes, the lower node first
    where they are equal, and returns where they end: -1 where they do not
    fit.
    """
    k, least, loop, scale = keep
    mass, _, _, touched, index, _, keys, _ = work
    counts, nodes, values = out
    scaled = len(scale) > 0 and scale[seed] > 0.0
    unit = 1.0 / scale[seed] if scaled else 1.0
    found = 0
    for i in range(num):
        v = touched[i]
        value = mass[v]
        mass[v] = 0.0
        if scaled and v != seed:
            value *= unit * scale[v]
        if value > 0.0 and value >= least and (loop or v != seed):
            keys[found], index[found] = -value, v
            found += 1
    if k < found:
        smallest(keys, index, k, found)
        found = k
    if start + found > len(nodes):
        return -1
    sort(keys, index, found)
    for i in range(found):
        nodes[start + i], values[start + i] = index[i], -keys[i]
    counts[done] = found
    return start + found


@compiled
def visit(seeds, graph, keep, work, out, restart, number, length, key):
    """Shares of the nodes in ``number`` walks of ``length`` steps."""
    mass, _, _, touched, _, _, _, stop = work
    start, one = 0, 1.0 / (number * (length + 1))
    lot = min(number, max(LOT // (length + 1), 1))  # walks at a time
    starts = np.empty(lot, np.int64)
    nodes = np.empty((lot, length + 1), np.int64)
    edges = np.empty((lot, 0), np.int64)
    for done in range(len(seeds)):
        seed, num = seeds[done], 0
        starts[:] = seed
        for first in range(0, number, lot):
            if stop[0]:
                return done
            numbers = np.arange(first, min(first + lot, number))
            walk(starts, nodes, edges, numbers, graph, restart, key, seed)
            for s in range(len(numbers)):
                for i in range(length + 1):
                    v = nodes[s, i]
                    if mass[v] == 0.0:
                        touched[num] = v
                        num += 1
                    mass[v] += one
        start = emit(done, seed, num, keep, work, out, start)
        if start < 0:
            return done
    return len(seeds)


@compiled
def product(seeds, graph, keep, work, out, rows, columns):
    """Rows of a sparse matrix times its transpose, both in rows."""
    mass, _, _, touched, _, _, _, stop = work
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
        start = emit(done, seed, num, keep, work, out, start)
        if start < 0:
            return done
    return len(seeds)


@compiled
def walk(starts, nodes, edges, numbers, graph, restart, key, place):
    """One walk for each of the numbers ``[S]``, from its start: the ``nodes``
    ``[S, L + 1]`` and ``edges`` ``[S, L]``, -1 where none was taken, or ``[S,
    0]`` if nobody asks. ``restart`` is in units of 2^-32; the random numbers
    depend on the key, the place and the number of a walk.
    """
    rowptr, col, _, sums, _ = graph
    for s in range(len(numbers)):
        v = origin = np.uint64(starts[s])
        nodes[s, 0] = starts[s]
        state = stream(key, place, numbers[s])
        for i in range(nodes.shape[1] - 1):
            state += GOLDEN
            draw = mix(state)
            first = rowptr[v]
            size = np.uint64(rowptr[v + ONE] - first)
            e = -1
            if (draw >> HALF) < restart:
                v = origin
            elif size > 0:
                if len(sums) == 0:
                    e = first + np.int64(((draw & LOW) * size) >> HALF)
                else:
                    last = first + np.int64(size) - 1
                    e = first_above(sums, first, last, uniform(draw))
                v = np.uint64(col[e])
            nodes[s, i + 1] = v
            if edges.shape[1] > 0:
                edges[s, i] = e


@compiled
def row_sums(rowptr, weight):
    """For each weight, the sum of its row up to it, in units of the largest
    of the row: no row sees another, and no sum overflows.
    """
    sums = np.empty(len(weight))
    for v in range(len(rowptr) - 1):
        largest, total = 0.0, 0.0
        for e in range(rowptr[v], rowptr[v + 1]):
            largest = max(largest, weight[e])
        for e in range(rowptr[v], rowptr[v + 1]):
            total += weight[e] / largest
            sums[e] = total
    return sums


@compiled
def first_above(sums, low, high, share):
    """The first place whose sum is above a share of the last one."""
    wanted = share * sums[high]
    while low < high:
        middle = (low + high) // 2
        if sums[middle] > wanted:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def uniform(draw):
    """A number in [0, 1) that tells nothing of the high half of a draw."""
    return np.float64(mix(draw + GOLDEN) >> np.uint64(11)) * 2.0**-53


@compiled
def stream(key, place, number):
    """Where the random numbers of a walk start."""
    state = mix(np.uint64(key) + GOLDEN * np.uint64(place + 1))
    return mix(state + GOLDEN * np.uint64(number + 1))


@compiled
def mix(state):
    """One random number of SplitMix64 (Steele, Lea and Flood 2014)."""
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
