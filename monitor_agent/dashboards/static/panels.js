// Draws the view of a panel that the server sends: a chart, tiles, a table, or one line.
import { page } from "./state.js";
import { download, drawTable } from "./tables.js";
import { iso } from "./time.js";
import * as zone from "./zone.js";

let library;

// Returns the chart library once it is loaded; it loads while the data are fetched.
function charts() {
  library ??= new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: page.bundle });
    script.addEventListener("load", () => resolve(window.vegaEmbed));
    script.addEventListener("error", () => reject(new Error("the chart library cannot be loaded")));
    document.head.append(script);
  });
  return library;
}
// It is large: the page is painted before it runs.
if (document.querySelector("[data-panel]")) requestAnimationFrame(() => setTimeout(() => charts().catch(() => {})));

const theme = () => document.documentElement.dataset.theme;

export class Panel {
  constructor(section, actions) {
    this.section = section;
    this.id = section.dataset.panel;
    this.body = section.querySelector(".body");
    this.title = section.querySelector("h2").textContent;
    this.actions = actions;
    this.memory = {};
    this.numbers = section.querySelector(".numbers");
    this.numbers.addEventListener("click", () => this.toggle());
    section.querySelector(".csv").addEventListener("click", () => {
      const table = this.table();
      // The viewer has the rows that are not on this page.
      if (table.note || table.total > table.rows.length) location.assign(this.actions.file(this.id));
      else download(table, this.title);
    });
  }

  // Sets the view; draws it if it is new and on the screen, or else as soon as it is on the screen.
  set(view) {
    const text = JSON.stringify(view.body);
    if (text === this.text) return;
    this.text = text;
    this.content = view.body;
    this.stale = true;
    if (this.visible) this.draw();
  }

  enter() {
    this.visible = true;
    if (this.stale) this.draw();
  }

  table() {
    return this.content.kind === "table" ? this.content : this.content.table;
  }

  toggle() {
    this.asNumbers = !this.asNumbers;
    this.numbers.setAttribute("aria-pressed", String(this.asNumbers));
    this.draw();
  }

  redraw() {
    this.stale = Boolean(this.content);
    if (this.visible && this.stale) this.draw();
  }

  draw() {
    this.stale = false;
    this.section.dataset.state = "drawing";
    const { content } = this;
    this.drawing?.finalize();
    this.drawing = null;
    this.numbers.hidden = content.kind !== "chart";
    this.section.querySelector(".csv").hidden = content.kind === "notice";
    this.section.dataset.kind = content.kind;
    const done = () => { this.section.dataset.state = "drawn"; };
    if (content.kind === "chart" && !this.asNumbers) {
      this.chart(content).catch((error) => this.notice({ tone: "error", text: error.message })).then(done);
      return;
    }
    if (content.kind === "notice") this.notice(content);
    else if (content.kind === "tiles") this.tiles(content);
    else drawTable(this.body, this.table(), this.title, this.memory, this.actions.pick,
      (sort, page) => this.actions.rows(this.id, sort, page));
    done();
  }

  notice({ tone, text }) {
    const line = Object.assign(document.createElement("p"), { className: `notice ${tone}`, textContent: text });
    this.body.replaceChildren(line);
  }

  // Says that there are no data yet because they could not be read: the reason is above the panels.
  unread() {
    if (this.content) return;
    this.section.dataset.kind = "notice";
    this.notice({ tone: "unread", text: "Not read" });
  }

  // One number is large; several are lines below each other.
  tiles({ tiles, note }) {
    const list = Object.assign(document.createElement("div"), { className: tiles.length > 1 ? "tiles several" : "tiles" });
    if (tiles.length > 1) Object.assign(list, { tabIndex: 0, role: "region" }).setAttribute("aria-label", this.title);
    for (const tile of tiles) {
      const place = Object.assign(document.createElement("div"), { className: tile.weak ? "tile weak" : "tile" });
      place.style.setProperty("--color", tile.color);
      const line = (name, text) => place.append(
        Object.assign(document.createElement("span"), { className: name, textContent: text }));
      const named = tile.label !== this.title && tile.label;
      if (tiles.length > 1 || named) {
        line("name", "");
        place.lastElementChild.append(...nameOf(tile.label));
        place.lastElementChild.title = tile.label;
      }
      line(`value${tile.text.length > 12 ? " long" : ""}`, tile.text);
      if (tile.detail) line(`detail${tile.trend ? (tile.trend > 0 ? " up" : " down") : ""}`, tile.detail);
      if (tile.at !== null) line("detail", zone.age(tile.at));
      if (tile.sample) line("sample", tile.sample);
      list.append(place);
    }
    this.body.replaceChildren(list, ...remark(note));
  }

  async chart(content) {
    const turn = (this.turn = (this.turn || 0) + 1);
    const embed = await charts();
    const figure = Object.assign(document.createElement("figure"), { className: `chart legend-${content.legend_place}` });
    const drawing = Object.assign(document.createElement("div"), { className: "drawing" });
    figure.append(drawing);
    const hidden = (this.memory.hidden ??= new Set());
    if (content.legend.length) figure.append(legend(content.legend, hidden, () => this.redraw()));
    if (content.note) figure.append(...remark(content.note));
    this.body.replaceChildren(figure);
    const spec = {
      ...without(content.spec, hidden), width: "container", height: "container", autosize: { type: "fit", contains: "padding" },
    };
    const embedded = await embed(drawing, spec, {
      mode: "vega-lite", actions: false, renderer: "svg", ast: true, config: page.themes[theme()],
      tooltip: { theme: theme(), disableDefaultStyle: true },
    });
    if (turn !== this.turn) { embedded.finalize(); return; }
    this.drawing = embedded;
    // Instead of Vega's descriptions of each mark, a screen reader gets one sentence.
    drawing.querySelector("svg").setAttribute("aria-hidden", "true");
    // A legend without buttons can be scrolled by the keyboard, if it does not fit.
    const list = figure.querySelector(".legend");
    if (list && list.scrollHeight > list.clientHeight && !list.querySelector("button")) list.tabIndex = 0;
    drawing.setAttribute("role", "img");
    drawing.removeAttribute("aria-roledescription");
    drawing.setAttribute("aria-label", `${this.title}: ${content.summary}`);
    if (content.time) {
      zoom(drawing, embedded.view, this.actions.range);
      point(drawing, embedded.view, spec.layer.find(({ name }) => name === "hover"), this.actions.cursor);
    }
  }

  // Shows a moment that is pointed at on any chart over time; null shows none.
  cursor(moment) {
    const place = this.content?.time && this.drawing && this.body.querySelector(".drawing");
    if (!place) return;
    let line = place.querySelector(".cursor");
    if (!line) place.append((line = Object.assign(document.createElement("div"), { className: "cursor" })));
    const { view } = this.drawing;
    const x = moment === null ? NaN : view.scale("x")(moment);
    line.hidden = !(x >= 0 && x <= view.signal("width"));
    if (!line.hidden) Object.assign(line.style, { left: `${x + view.origin()[0]}px`, top: `${view.origin()[1]}px`, height: `${view.signal("height")}px` });
  }
}

const remark = (text) => (text ? [Object.assign(document.createElement("p"), { className: "remark", textContent: text })] : []);

// Returns a name in two pieces: where there is no room, the model is cut off, and its version stays.
function nameOf(label) {
  const at = label.lastIndexOf("/");
  const pieces = at > 0 ? [label.slice(0, at), label.slice(at)] : [label];
  return pieces.map((text) => Object.assign(document.createElement("span"), { textContent: text }));
}

// Returns a chart without some of its series.
function without(spec, hidden) {
  if (!hidden.size) return spec;
  const layer = spec.layer.map((part) => {
    const values = part.data.values.filter((value) => !hidden.has(value.s));
    const tooltip = part.name === "hover" && part.encoding.tooltip.filter(({ title }) => !hidden.has(title));
    return { ...part, data: { values }, ...(tooltip ? { encoding: { ...part.encoding, tooltip } } : {}) };
  }).filter((part) => part.data.values.length);
  return { ...spec, layer };
}

// A click on a series hides it or shows it again; the last one stays.
function legend(entries, hidden, change) {
  const list = Object.assign(document.createElement("ul"), { className: "legend" });
  list.setAttribute("aria-label", "Series");
  for (const entry of entries) {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement(entry.strip ? "span" : "button"), { textContent: entry.name, title: entry.name });
    const sign = Object.assign(document.createElement("span"), { className: `sign${entry.dashed ? " dashed" : ""}${entry.strip ? " strip" : ""}` });
    sign.style.setProperty("--color", entry.color);
    button.prepend(sign);
    if (!entry.strip) {
      button.type = "button";
      button.setAttribute("aria-pressed", String(!hidden.has(entry.name)));
      button.addEventListener("click", () => {
        if (hidden.has(entry.name)) hidden.delete(entry.name);
        else if (entries.filter(({ strip, name }) => !strip && !hidden.has(name)).length > 1) hidden.add(entry.name);
        change();
      });
    }
    item.append(button);
    list.append(item);
  }
  return list;
}

// Tells which moment is pointed at, by a mouse or a finger.
function point(place, view, bands, tell) {
  const moment = (event) => {
    const x = event.clientX - place.getBoundingClientRect().left - view.origin()[0];
    return x >= 0 && x <= view.signal("width") ? Number(view.scale("x").invert(x)) : null;
  };
  for (const kind of ["pointermove", "pointerdown"]) place.addEventListener(kind, (event) => tell(moment(event)));
  place.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && tell(null));
  // A finger leaves as soon as it has pointed: its tooltip and its line stay until the next touch.
  place.addEventListener("click", (event) => {
    const at = event.pointerType === "touch" ? moment(event) : null;
    const band = at !== null && bands.data.values.find(({ from, to }) => from <= at && at < to);
    if (!band) return;
    const [{ title, field }, ...series] = bands.encoding.tooltip;
    const lines = Object.fromEntries(series.map((entry) => [entry.title, band[entry.field]]));
    view.tooltip()(null, event, null, { [title]: band[field], ...lines });
    document.addEventListener("pointerdown", () => { view.tooltip()(null, event, null, null); tell(null); }, { once: true, capture: true });
  });
}

// Dragging over a chart of time selects that time; with the keyboard, the time picker does the same.
function zoom(place, view, choose) {
  let start = null;
  const band = Object.assign(document.createElement("div"), { className: "band", hidden: true });
  place.append(band);
  const at = (event) => event.clientX - place.getBoundingClientRect().left;
  place.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType === "mouse") start = at(event);
  });
  place.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const here = at(event);
    band.hidden = Math.abs(here - start) < 6;
    Object.assign(band.style, { left: `${Math.min(start, here)}px`, width: `${Math.abs(here - start)}px` });
  });
  place.addEventListener("pointerleave", () => { start = null; band.hidden = true; });
  place.addEventListener("pointerup", (event) => {
    if (start !== null && !band.hidden) {
      const scale = view.scale("x");
      const [left] = view.origin();
      const [from, to] = [start, at(event)].map((x) => Number(scale.invert(x - left))).sort((a, b) => a - b);
      choose(iso(Math.round(from / 1000) * 1000), iso(Math.round(to / 1000) * 1000));
    }
    start = null;
    band.hidden = true;
  });
}
