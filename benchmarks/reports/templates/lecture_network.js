// A graph network with random weights, and how alike its states are.
// Matrices are arrays of rows.
'use strict';

const sum = (values) => values.reduce((total, value) => total + value, 0);
const each = (x, change) =>
  x.map((row, i) => row.map((value, j) => change(value, i, j)));
const transposed = (x) => x[0].map((_, j) => x.map((row) => row[j]));
const product = (a, b) =>
  a.map((row) => b[0].map((_, j) => sum(row.map((v, k) => v * b[k][j]))));
const relu = (x) => each(x, (value) => Math.max(value, 0));
const squares = (x) => sum(x.flat().map((value) => value * value));

function centered(x) {
  const means = transposed(x).map((column) => sum(column) / x.length);
  return each(x, (value, i, j) => value - means[j]);
}

/** PairNorm as PyG has it. */
function pairNorm(x) {
  const rest = centered(x);
  const size = Math.sqrt(1e-5 + squares(rest) / x.length);
  return each(rest, (value) => value / size);
}

/** The adjacency with self-loops, divided by the roots of both degrees. */
function normalized(edges, count) {
  const a = Array.from({ length: count }, (_, i) =>
    Array.from({ length: count }, (_, j) => Number(i === j)),
  );
  for (const [i, j] of edges) a[i][j] = a[j][i] = 1;
  const degree = a.map(sum);
  return each(a, (value, i, j) => value / Math.sqrt(degree[i] * degree[j]));
}

const ALPHA = 0.1; // GCNII's share of the first state
const THETA = 0.5; // and how fast its weights come to do nothing

// What a layer makes of the state x, given the adjacency p, weights w, the
// first state and the number of the layer.
const LAYERS = {
  gcn: ({ x, p, w }) => relu(product(product(p, x), w)),
  residual: (given) => {
    const change = LAYERS.gcn(given);
    return each(given.x, (value, i, j) => value + change[i][j]);
  },
  initial: ({ x, p, w, first, layer }) => {
    const beta = Math.log(THETA / layer + 1);
    const mixed = each(
      product(p, x),
      (value, i, j) => (1 - ALPHA) * value + ALPHA * first[i][j],
    );
    const turned = product(mixed, w);
    return relu(
      each(mixed, (value, i, j) => (1 - beta) * value + beta * turned[i][j]),
    );
  },
  pairnorm: ({ x, p, w }) => relu(pairNorm(product(product(p, x), w))),
  mlp: ({ x, w }) => relu(product(x, w)),
};

/** The states of a network, from that before the first layer on. */
function states(kind, p, first, weights) {
  const out = [first];
  weights.forEach((w, i) => {
    out.push(LAYERS[kind]({ x: out[i], p, w, first, layer: i + 1 }));
  });
  return out;
}

/** Rows of length one; those of zeros stay. */
const directions = (x) =>
  x.map((row) => {
    const length = Math.sqrt(squares([row]));
    return row.map((value) => (length > 0 ? value / length : 0));
  });

/** Eigenvalues, largest first, and vectors of a symmetric matrix (Jacobi). */
function eigen(matrix) {
  const a = matrix.map((row) => [...row]);
  const size = a.length;
  const vectors = each(a, (_, i, j) => Number(i === j)); // in rows
  const tiny = 1e-16 * sum(a.map((row, i) => Math.abs(row[i])));
  for (let sweep = 0; sweep < 20; sweep++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        if (Math.abs(a[p][q]) <= tiny) continue;
        const angle = Math.atan((2 * a[p][q]) / (a[q][q] - a[p][p])) / 2;
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        const turn = (u, v) => [c * u - s * v, s * u + c * v];
        for (const row of a) [row[p], row[q]] = turn(row[p], row[q]);
        for (const m of [a, vectors]) {
          for (let k = 0; k < size; k++) {
            [m[p][k], m[q][k]] = turn(m[p][k], m[q][k]);
          }
        }
      }
    }
  }
  const pairs = a.map((row, i) => ({ value: row[i], vector: vectors[i] }));
  return pairs.sort((one, other) => other.value - one.value);
}

/**
 * How alike nodes are, as pyg_ext.metrics has it: dirichlet_energy, mad over
 * the edges, numerical_rank.
 */
function measures(x, edges) {
  const apart = (rows, i, j) =>
    sum(rows[i].map((value, k) => (value - rows[j][k]) ** 2));
  const unit = directions(x);
  const distances = x.map(() => []);
  let energy = 0;
  for (const [i, j] of edges) {
    energy += (2 * apart(x, i, j)) / x.length; // an edge has two ways
    const distance = apart(unit, i, j) / 2;
    distances[i].push(distance);
    distances[j].push(distance);
  }
  const means = distances.map((some) => sum(some) / some.length);
  const spectrum = eigen(product(transposed(x), x)).map(({ value }) => value);
  return {
    energy,
    mad: sum(means) / x.length,
    rank: spectrum[0] > 0 ? sum(spectrum) / spectrum[0] : null,
  };
}

/** The directions of the states in the plane in which they differ most. */
function plane(x) {
  const rest = centered(directions(x));
  const axes = eigen(product(transposed(rest), rest)).slice(0, 2);
  return rest.map((row) =>
    axes.map(({ vector }) => sum(row.map((value, k) => value * vector[k]))),
  );
}

/** A plane turned, or mirrored and turned, to be as near another as can be. */
function turnedTo(other, points) {
  const fits = [1, -1].map((mirror) => {
    let [along, across] = [0, 0];
    points.forEach(([x, y], i) => {
      along += x * other[i][0] + mirror * y * other[i][1];
      across += x * other[i][1] - mirror * y * other[i][0];
    });
    return { mirror, angle: Math.atan2(across, along), fit: along ** 2 + across ** 2 };
  });
  const { mirror, angle } = fits[0].fit >= fits[1].fit ? fits[0] : fits[1];
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return points.map(([x, y]) => [c * x - s * mirror * y, s * x + c * mirror * y]);
}

/** Places of the nodes after each layer, with as little turning as can be. */
function places(all) {
  const out = [plane(all[0])];
  for (const x of all.slice(1)) out.push(turnedTo(out[out.length - 1], plane(x)));
  return out;
}
