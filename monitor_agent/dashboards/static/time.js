// The time picker. It takes the times that Kibana takes: now-24h, now/d, or an absolute time in UTC.
import * as zone from "./zone.js";

const QUICK = [
  ["Last 15 minutes", "now-15m", "now"], ["Last 1 hour", "now-1h", "now"], ["Last 4 hours", "now-4h", "now"],
  ["Last 24 hours", "now-24h", "now"], ["Today", "now/d", "now/d"], ["Last 7 days", "now-7d", "now"],
  ["Last 30 days", "now-30d", "now"], ["Last 90 days", "now-90d", "now"], ["Last 1 year", "now-1y", "now"],
];

const moment = (text) => Date.parse(/Z$|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}${text.length > 10 ? "" : "T00:00"}Z`);
const readable = (text) => (text.startsWith("now") || Number.isNaN(moment(text)) ? text : zone.text(moment(text)));

export function describe(from, to) {
  const quick = QUICK.find(([, start, end]) => start === from && end === to);
  if (quick) return quick[0];
  return `${readable(from)} → ${readable(to)}${from.startsWith("now") && to.startsWith("now") ? "" : ` ${zone.name()}`}`;
}

export const iso = (milliseconds) => new Date(milliseconds).toISOString().replace(/\.000Z$/, "Z");

// Returns the range that shows all data.
export function around([first, last]) {
  const margin = Math.max((last - first) * 0.01, 3600e3);
  const floor = (moment) => Math.floor(moment / 60e3) * 60e3;
  return { from: iso(floor(first)), to: iso(floor(last + margin)) };
}

export function setUp(choose, all) {
  const popover = document.getElementById("time");
  const form = document.getElementById("time-form");
  const quick = form.querySelector(".quick");
  const apply = (from, to) => { popover.open = false; popover.querySelector("summary").focus(); choose(from, to); };
  for (const [text, from, to] of QUICK) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    button.addEventListener("click", () => apply(from, to));
    quick.append(button);
  }
  const everything = Object.assign(document.createElement("button"), { type: "button", textContent: "All data" });
  everything.addEventListener("click", () => { const range = all(); if (range) apply(range.from, range.to); });
  quick.append(everything);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply(form.elements.from.value.trim(), form.elements.to.value.trim());
  });
}

// Opens the picker at its own range; the click that calls this must not close it again.
export function open() {
  setTimeout(() => {
    document.getElementById("time").open = true;
    document.getElementById("time-form").elements.from.select();
  });
}

export function show(from, to) {
  const form = document.getElementById("time-form");
  form.elements.from.value = from;
  form.elements.to.value = to;
  name(from, to);
}

// Writes the range in the reader's zone; what somebody types into the picker stays.
export function name(from, to) {
  document.getElementById("time-text").textContent = describe(from, to);
}
