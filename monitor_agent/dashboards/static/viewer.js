// The page of a dashboard: it loads the data, draws them, and loads again after a choice or when the refresh is due.
import * as controls from "./controls.js";
import * as discover from "./discover.js";
import { Panel } from "./panels.js";
import { carry, page, query, read, write } from "./state.js";
import * as time from "./time.js";
import * as zone from "./zone.js";

const board = document.getElementById("main");
const banner = document.getElementById("banner");
const status = document.getElementById("status");
const filters = document.getElementById("controls");
const refresh = document.getElementById("refresh");
const filter = document.getElementById("filter");
const zones = document.getElementById("zone");

let state = read();
let extent = null;
let request = null;
let timer = null;
let drawnAt = null;
let readOut = null;
// The viewer answers within 9 s.
const PATIENCE = 10000;
// Seconds until the page tries again what has failed, also if it does not refresh itself.
const AGAIN = 10;

const panels = [...document.querySelectorAll("[data-panel]")].map((section) => new Panel(section, {
  range: (from, to) => change({ from, to }),
  cursor: (moment) => panels.forEach((panel) => panel.cursor(moment)),
  rows: async (panel, sort, number) => {
    const parameters = asked();
    if (sort) parameters.set("sort", sort[0]);
    if (sort?.[1]) parameters.set("falling", "1");
    parameters.set("page", number);
    const response = await fetch(`${page.here}/tables/${panel}?${parameters}`);
    const rows = await response.json();
    if (!response.ok) throw new Error(rows.error);
    return rows;
  },
  file: (panel) => `${page.here}/tables/${panel}.csv?${asked()}`,
  pick: (control, value) => change({ chosen: { ...state.chosen, [control]: [value] } }),
}));

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) {
      watcher.unobserve(entry.target);
      panels.find((panel) => panel.section === entry.target).enter();
    }
  }
}, { rootMargin: "300px" });
for (const panel of panels) watcher.observe(panel.section);

function change(changes) {
  state = { ...state, ...changes };
  write(state);
  update();
}

function update() {
  time.show(state.from, state.to);
  controls.show(filters, state.chosen);
  filter.elements.q.value = state.filter;
  if (![...refresh.options].some((option) => option.value === String(state.refresh))) {
    refresh.append(new Option(`every ${state.refresh} s`, state.refresh));
  }
  refresh.value = String(state.refresh);
  carry(state);
  discover.show(state);
  load();
}

// Returns the query of a request: the state of the page with its time, and the reader's time zone.
function asked() {
  const parameters = query(state);
  parameters.set("from", state.from);
  parameters.set("to", state.to);
  if (zone.asked() !== "UTC") parameters.set("tz", zone.asked());
  return parameters;
}

async function load({ anew = false } = {}) {
  request?.abort();
  const current = (request = new AbortController());
  clearTimeout(timer);
  board.setAttribute("aria-busy", "true");
  let pause = state.refresh;
  const late = setTimeout(() => { current.late = true; current.abort(); }, PATIENCE);
  try {
    const parameters = asked();
    const response = await fetch(`${page.data}?${parameters}`, { signal: current.signal, cache: anew ? "reload" : "default" });
    const data = await response.json().catch(() => ({ error: `the viewer, or a proxy before it, has failed (status ${response.status})` }));
    if (response.status === 401 && data.login) {
      location.assign(`${data.login}?next=${encodeURIComponent(page.here + location.search)}`);
      return;
    }
    if (!response.ok || data.error) throw Object.assign(new Error(data.error), {
      status: response.status, pause: Number(response.headers.get("Retry-After")),
    });
    draw(data);
  } catch (error) {
    if (error.name === "AbortError" && !current.late) return;
    const passes = current.late || !error.status || error.status >= 500;
    pause = error.pause || pause || (passes ? AGAIN : 0);
    fail(current.late ? new Error("the viewer does not answer in time") : error, passes);
  } finally {
    clearTimeout(late);
  }
  board.setAttribute("aria-busy", "false");
  if (pause) timer = setTimeout(tick, pause * 1000);
}

function tick() {
  // A hidden page loads nothing; it loads as soon as it is visible again.
  if (document.hidden) document.addEventListener("visibilitychange", () => load(), { once: true });
  else load();
}

function draw(data) {
  extent = data.extent;
  zone.ofModels(zones, data.zone);
  time.name(state.from, state.to);
  controls.show(filters, state.chosen, data.options);
  for (const panel of panels) panel.set(data.panels[panel.id]);
  if (data.empty && extent) {
    const all = time.around(extent);
    showBanner("warning", `No data from ${time.describe(state.from, state.to)}. There are data from ${time.describe(all.from, all.to)}.`,
      "Show them", () => change(all));
  } else if (data.empty) showBanner("warning", "There are no data yet.");
  else banner.hidden = true;
  const [from, to] = data.range.map((moment) => zone.text(moment));
  drawnAt = `${zone.text(Date.now(), true)} ${zone.name()}`;
  status.textContent = `${from} to ${to} ${zone.name()}, read at ${drawnAt}`;
  tellRange(from, to);
  delete board.dataset.old;
  board.dataset.drawn = String(Number(board.dataset.drawn || 0) + 1);
}

// Lets a screen reader read out the time range, once when it has changed; a refresh says nothing.
function tellRange(from, to) {
  const chosen = `${state.from} ${state.to}`;
  if (readOut !== null && readOut !== chosen) {
    document.getElementById("read-out").textContent = `Time range: ${time.describe(state.from, state.to)}, ${from} to ${to} ${zone.name()}`;
  }
  readOut = chosen;
}

function fail(error, passes) {
  // The last drawing stays; the banner says that it is old.
  const network = error instanceof TypeError;
  const reason = network ? "The viewer does not answer: is monitor-agent dashboards still running?" : sentence(error.message);
  const old = drawnAt ? ` The numbers below are old: they were read at ${drawnAt}.` : "";
  if (old) {
    board.dataset.old = "";
    status.textContent = `Old numbers, read at ${drawnAt}`;
  }
  if (error.status === 400 && error.message.startsWith("the filter")) {
    showBanner("error", reason + old, "Correct the filter", () => filter.elements.q.focus());
  } else if (error.status === 400) showBanner("error", reason + old, "Correct the time", time.open);
  else showBanner("error", reason + (passes ? " The page tries again by itself." : "") + old, "Try again", () => load({ anew: true }));
  for (const panel of panels) panel.unread();
}

const sentence = (text) => text.slice(0, 1).toUpperCase() + text.slice(1) + (/[.?!]$/.test(text) ? "" : ".");

function showBanner(tone, text, action, run) {
  if (!banner.hidden && banner.dataset.text === text) return;
  banner.dataset.text = text;
  banner.className = `banner ${tone}`;
  banner.replaceChildren(text);
  if (action) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "primary", textContent: action });
    button.addEventListener("click", run);
    banner.append(button);
  }
  banner.hidden = false;
}

controls.setUp(filters, (id, values) => change({ chosen: { ...state.chosen, [id]: values } }));
time.setUp((from, to) => change({ from, to }), () => extent && time.around(extent));
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  change({ filter: filter.elements.q.value.trim() });
});
zone.setUp(zones, update);
refresh.addEventListener("change", () => change({ refresh: Number(refresh.value) }));
document.getElementById("reload").addEventListener("click", () => load({ anew: true }));
window.addEventListener("popstate", () => { state = read(); update(); });
document.addEventListener("themechange", () => panels.forEach((panel) => panel.redraw()));

// One popover at a time; Escape, or a click elsewhere, closes it.
document.addEventListener("toggle", (event) => {
  if (event.target.open) {
    for (const other of document.querySelectorAll("details.popover[open]")) if (other !== event.target) other.open = false;
  }
}, true);
document.addEventListener("click", (event) => {
  for (const popover of document.querySelectorAll("details.popover[open]")) {
    if (!popover.contains(event.target)) popover.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  const popover = event.key === "Escape" && document.querySelector("details.popover[open]");
  if (popover) { popover.open = false; popover.querySelector("summary").focus(); }
});

update();
