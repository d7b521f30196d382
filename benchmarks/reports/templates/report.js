const views = {};
const all = (selector) => [...document.querySelectorAll(selector)];
const box = (name) => document.querySelector(`input[name="${name}"]`);

// What the switches say, told to all charts that have such a parameter.
function tell() {
  const select = (id, none) => document.getElementById(id)?.value ?? none;
  const said = {
    shown: all('input[name="method"]:checked').map((input) => input.value),
    band: box('band').checked,
    dots: box('dots').checked,
    chosen: select('chosen', ''),
    depth: Number(select('depth', '0')),
  };
  for (const [id, view] of Object.entries(views)) {
    const known = (specs[id].params ?? []).map((param) => param.name);
    for (const name of known.filter((name) => name in said)) {
      view.signal(name, said[name]);
    }
    view.runAsync();
  }
  for (const row of all('#findings tbody tr')) {
    const mine = row.dataset.method === said.chosen;
    const there = said.depth === 0 || Number(row.dataset.depth) === said.depth;
    row.hidden = !(mine && there);
  }
  remember();
}

// A page of a sweep that goes on is read again: its switches stay.
const place = `pyg_ext ${location.pathname}`;
function remember() {
  const inputs = all('input[type="checkbox"]');
  const kept = {
    off: inputs.filter((i) => i.name === 'method' && !i.checked).map((i) => i.value),
    on: inputs.filter((i) => i.name !== 'method' && i.checked).map((i) => i.name),
    scroll: window.scrollY,
  };
  try { sessionStorage.setItem(place, JSON.stringify(kept)); } catch { return; }
}
function recall() {
  let kept = null;
  try { kept = JSON.parse(sessionStorage.getItem(place)); } catch { return; }
  if (!kept) return;
  for (const input of all('input[type="checkbox"]')) {
    input.checked = input.name === 'method'
      ? !kept.off.includes(input.value) : kept.on.includes(input.name);
  }
  window.scrollTo(0, kept.scroll);
}

function choose(event, item) {
  const datum = item?.datum, chosen = document.getElementById('chosen');
  if (!chosen || !datum?.method) return;
  if (![...chosen.options].some((option) => option.value === datum.method)) return;
  chosen.value = datum.method;
  const depth = document.getElementById('depth');
  const known = [...depth.options].some((option) => option.value === `${datum.depth}`);
  depth.value = known ? `${datum.depth}` : '0';
  tell();
}

async function draw() {
  for (const [id, spec] of Object.entries(specs)) {
    const options = { actions: false, renderer: 'svg', ast: false };
    if (spec.data?.name in data) {
      spec.datasets = { [spec.data.name]: data[spec.data.name] };
    }
    const { view } = await vegaEmbed(document.getElementById(id), spec, options);
    views[id] = view;
    // Its place is named as a whole, and a table has its numbers.
    document.querySelector(`#${id} svg`).setAttribute('aria-hidden', 'true');
  }
  views.curves?.addEventListener('click', choose);
  document.addEventListener('change', tell);
  tell();
}

async function sortable() {
  const table = document.getElementById('runs');
  const code = document.getElementById('grids').textContent;
  const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  const { default: DataTable, set_or_remove_dark_class: follow } = await import(url);
  URL.revokeObjectURL(url);
  follow(); // the colours of the browser
  new DataTable(table, { order: [], pageLength: 25 });
}

recall();
window.addEventListener('pagehide', remember);
draw().then(sortable).then(() => { document.body.dataset.ready = 'yes'; });
