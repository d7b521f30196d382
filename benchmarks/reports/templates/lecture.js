// The switches of the page.
'use strict';

const given = JSON.parse(document.getElementById('given').textContent);
const { club, unit } = given;
const adjacency = normalized(club.edges, club.sides.length);
const views = {};

const all = (selector) => [...document.querySelectorAll(selector)];
const one = (id) => document.getElementById(id);
const picked = (name) =>
  all(`input[name="${name}"]:checked`).map((input) => input.value);

/** Draws a chart in the place of that id. */
async function draw(id, spec, datasets = {}) {
  const filled = { ...spec, datasets: { ...spec.datasets, ...datasets } };
  const options = { actions: false, renderer: 'svg' };
  const { view } = await vegaEmbed(one(id), filled, options);
  views[id]?.finalize();
  views[id] = view;
  // Its place has a name, and a table its numbers:
  one(id).querySelector('svg').setAttribute('aria-hidden', 'true');
}

/** Tells a chart what its parameters and its data are now. */
function tell(id, signals, data = {}) {
  const view = views[id];
  for (const [name, value] of Object.entries(signals)) view.signal(name, value);
  for (const [name, value] of Object.entries(data)) view.data(name, value);
  return view.runAsync();
}

// 1. Curves.

const CURVES = Object.keys(given.specs).filter((id) => id.startsWith('curves-'));

function tellCurves() {
  const [graph] = picked('graph');
  for (const part of all('.graph')) part.hidden = part.dataset.graph !== graph;
  const shown = picked('curve');
  for (const id of CURVES) tell(id, { shown });
  window.dispatchEvent(new Event('resize')); // those that were hidden
}

// 2. The club.

const CLUB = ['club', 'plane'];
const LINES = ['line-mad', 'line-energy', 'line-rank'];
const networks = {}; // by draw and kind: places and measures of each layer

function computed(number) {
  if (!networks[number]) {
    const whole = given.draws[number];
    const first = each(whole.first, (value) => value / unit);
    const weights = whole.layers.map((w) => each(w, (v) => v / unit));
    networks[number] = {};
    for (const kind of Object.keys(LAYERS)) {
      const seen = states(kind, adjacency, first, weights);
      networks[number][kind] = {
        places: places(seen),
        measures: seen.map((x) => measures(x, club.edges)),
      };
    }
  }
  return networks[number];
}

const RAISED = '⁻⁰¹²³⁴⁵⁶⁷⁸⁹';

function twoDigits(value) {
  if (value >= 1e-3 && value < 100) return value.toPrecision(2);
  if (value === 0) return '0';
  const [mantissa, power] = value.toExponential(1).split('e');
  const raised = [...String(Number(power))].map((c) => RAISED['-0123456789'.indexOf(c)]);
  return `${mantissa}·10${raised.join('')}`;
}

function inWords({ mad }) {
  if (mad > 0.5) return 'neighbours point in different directions';
  if (mad > 0.1) return 'neighbours still differ';
  if (mad > 0.01) return 'neighbours differ little';
  return mad > 1e-3 ? 'neighbours are nearly alike' : 'all are alike';
}

/** What the charts of the club are drawn from. */
function clubNow() {
  const [kind] = picked('kind');
  const layer = Number(one('layer').value);
  const of = computed(one('draw').value);
  const nodes = of[kind].places[layer].map(([across, up], i) => {
    const [x, y] = club.places[i];
    return { member: i + 1, side: club.sides[i], x, y, across, up };
  });
  const lines = Object.entries(of).flatMap(([name, network]) =>
    network.measures.map((now, i) => ({ kind: name, layer: i, ...now })),
  );
  return { kind, layer, measures: of[kind].measures, nodes, lines };
}

function tellClub() {
  const { kind, layer, measures, nodes, lines } = clubNow();
  const now = measures[layer];
  one('layer-shown').value = layer;
  one('said').textContent =
    `After ${layer} layer${layer === 1 ? '' : 's'}: ${inWords(now)}. ` +
    `MAD ${twoDigits(now.mad)}, Dirichlet energy ${twoDigits(now.energy)}, ` +
    `rank ${now.rank.toFixed(2)}.`;
  fillNumbers(measures);
  for (const id of CLUB) tell(id, {}, { nodes });
  for (const id of LINES) tell(id, { kind, layer }, { lines });
}

function fillNumbers(values) {
  const table = one('numbers');
  const input = document.querySelector('input[name="kind"]:checked');
  table.caption.textContent = input.parentNode.textContent.trim();
  const rows = [0, 1, 2, 4, 8, 16, 32, 64].map((layer) => {
    const { mad, energy, rank } = values[layer];
    const row = document.createElement('tr');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = layer;
    const cells = [mad, energy].map(twoDigits).concat(rank.toFixed(2));
    row.append(head);
    for (const text of cells) {
      const cell = row.insertCell();
      cell.className = 'number';
      cell.textContent = text;
    }
    return row;
  });
  table.tBodies[0].replaceChildren(...rows);
}

let playing = null;

function stop() {
  clearInterval(playing);
  playing = null;
  one('play').textContent = 'Play';
}

function play() {
  if (playing) return stop();
  const slider = one('layer');
  if (slider.value === slider.max) slider.value = 0;
  one('play').textContent = 'Stop';
  playing = setInterval(() => {
    slider.stepUp();
    tellClub();
    if (slider.value === slider.max) stop();
  }, 150);
}

// 3. Layer by layer.

async function drawLayers() {
  const [measure] = picked('measure');
  for (const state of ['initial', 'trained']) {
    const data = { lines: given.lines };
    await draw(state, given.specs[`${state}-${measure}`], data);
  }
  tellLayers();
}

function tellLayers() {
  const signals = {
    shown: picked('probe'),
    depth: Number(picked('depth')[0]),
  };
  for (const state of ['initial', 'trained']) tell(state, signals);
}

// 4. Questions.

function answer({ target }) {
  const box = target.closest('.question').querySelector('.answer');
  box.hidden = false;
  box.querySelector('.verdict').textContent =
    target.value === 'right' ? 'Yes.' : 'No, look:';
}

/** In a checkout the pages are not built: links go to their sources. */
function linkToSources() {
  if (location.protocol !== 'file:' || !/\/docs\/[^/]+$/.test(location.pathname)) {
    return;
  }
  for (const link of all('#docs a')) {
    link.href = link.getAttribute('href').replace(/html$/, 'md');
  }
}

function listen(name, act) {
  for (const input of all(`input[name="${name}"]`)) {
    input.addEventListener('change', act);
  }
}

async function start() {
  linkToSources();
  const { nodes, lines } = clubNow();
  for (const id of CURVES) await draw(id, given.specs[id]);
  for (const id of CLUB) await draw(id, given.specs[id], { nodes });
  for (const id of LINES) await draw(id, given.specs[id], { lines });
  await drawLayers();
  tellCurves();
  tellClub();
  listen('graph', tellCurves);
  listen('curve', tellCurves);
  listen('kind', tellClub);
  one('layer').addEventListener('input', tellClub);
  one('draw').addEventListener('change', tellClub);
  one('play').addEventListener('click', play);
  listen('measure', drawLayers);
  listen('depth', tellLayers);
  listen('probe', tellLayers);
  for (const input of all('.question input')) input.addEventListener('change', answer);
  document.body.dataset.ready = 'yes';
}

start();
