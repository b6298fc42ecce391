// Draws what the server says a panel shows: a chart, tiles, a table, or one line.
import { page } from "./state.js";
import { download, drawTable } from "./tables.js";
import { iso } from "./time.js";

let library;

// Returns the chart library once it is there; it loads while the data are fetched.
function charts() {
  library ??= new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: page.bundle });
    script.addEventListener("load", () => resolve(window.vegaEmbed));
    script.addEventListener("error", () => reject(new Error("the chart library cannot be loaded")));
    document.head.append(script);
  });
  return library;
}
if (document.querySelector("[data-panel]")) charts().catch(() => {});

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
    section.querySelector(".csv").addEventListener("click", () => download(this.grid(), this.title));
  }

  // Takes what is to be shown; draws it when it is new and on the screen, else once it comes there.
  take(picture) {
    const text = JSON.stringify(picture.body);
    if (text === this.text) return;
    this.text = text;
    this.picture = picture.body;
    this.stale = true;
    if (this.visible) this.draw();
  }

  enter() {
    this.visible = true;
    if (this.stale) this.draw();
  }

  grid() {
    return this.picture.kind === "table" ? this.picture : this.picture.grid;
  }

  toggle() {
    this.asNumbers = !this.asNumbers;
    this.numbers.setAttribute("aria-pressed", String(this.asNumbers));
    this.draw();
  }

  redraw() {
    this.stale = Boolean(this.picture);
    if (this.visible && this.stale) this.draw();
  }

  draw() {
    this.stale = false;
    this.section.dataset.state = "drawing";
    const { picture } = this;
    this.view?.finalize();
    this.view = null;
    this.numbers.hidden = picture.kind !== "chart";
    this.section.querySelector(".csv").hidden = picture.kind === "notice";
    this.section.dataset.kind = picture.kind;
    const done = () => { this.section.dataset.state = "drawn"; };
    if (picture.kind === "chart" && !this.asNumbers) {
      this.chart(picture).catch((error) => this.notice({ tone: "error", text: error.message })).then(done);
      return;
    }
    if (picture.kind === "notice") this.notice(picture);
    else if (picture.kind === "tiles") this.tiles(picture);
    else drawTable(this.body, this.grid(), this.title, this.memory, this.actions.pick);
    done();
  }

  notice({ tone, text }) {
    const line = Object.assign(document.createElement("p"), { className: `notice ${tone}`, textContent: text });
    this.body.replaceChildren(line);
  }

  tiles({ tiles }) {
    const list = Object.assign(document.createElement("div"), { className: "tiles" });
    for (const tile of tiles) {
      const place = Object.assign(document.createElement("div"), { className: "tile" });
      place.style.setProperty("--color", tile.color);
      const part = (name, text) => place.append(
        Object.assign(document.createElement("span"), { className: name, textContent: text }));
      if (tiles.length > 1) part("name", tile.label);
      part(`value${tile.text.length > 12 ? " long" : ""}`, tile.text);
      if (tile.detail) part(`detail${tile.trend ? (tile.trend > 0 ? " up" : " down") : ""}`, tile.detail);
      list.append(place);
    }
    this.body.replaceChildren(list);
  }

  async chart(picture) {
    const turn = (this.turn = (this.turn || 0) + 1);
    const embed = await charts();
    const figure = Object.assign(document.createElement("figure"), { className: `chart legend-${picture.legend_place}` });
    const drawing = Object.assign(document.createElement("div"), { className: "drawing" });
    figure.append(drawing);
    if (picture.legend.length) figure.append(legend(picture.legend));
    this.body.replaceChildren(figure);
    const spec = {
      ...picture.spec, width: "container", height: "container", autosize: { type: "fit", contains: "padding" },
    };
    const found = await embed(drawing, spec, {
      mode: "vega-lite", actions: false, renderer: "svg", ast: true, config: page.themes[theme()],
      tooltip: { theme: theme(), disableDefaultStyle: true },
    });
    if (turn !== this.turn) { found.finalize(); return; }
    this.view = found;
    // Vega calls the place a document and describes each mark; one sentence says more to those who listen.
    drawing.setAttribute("role", "img");
    drawing.removeAttribute("aria-roledescription");
    drawing.setAttribute("aria-label", `${this.title}: ${picture.summary}`);
    if (picture.time) zoom(drawing, found.view, this.actions.range);
  }
}

function legend(entries) {
  const list = Object.assign(document.createElement("ul"), { className: "legend" });
  list.setAttribute("aria-label", "Series");
  for (const entry of entries) {
    const item = Object.assign(document.createElement("li"), { textContent: entry.name, title: entry.name });
    const sign = Object.assign(document.createElement("span"), { className: entry.dashed ? "sign dashed" : "sign" });
    sign.style.setProperty("--color", entry.color);
    item.prepend(sign);
    list.append(item);
  }
  return list;
}

// Dragging over a chart of time shows that time; the time picker does the same by keyboard.
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
