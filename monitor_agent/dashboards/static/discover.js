// Links to the documents behind a panel in Kibana's Discover, with the page's time, filters and controls.
import { page } from "./state.js";

// Rison, in which Kibana writes the state of its addresses: a text stands between ', and ! escapes.
const quoted = (text) => `'${text.replace(/[!']/g, "!$&")}'`;
const phrase = (text) => `"${text.replace(/["\\]/g, "\\$&")}"`;

export function address(view, query, state) {
  const controls = page.controls
    .filter(({ id }) => state.chosen[id].length)
    .map(({ id, field }) => `${field}: (${state.chosen[id].map(phrase).join(" or ")})`);
  const kql = [query, state.filter, ...controls].filter(Boolean).map((text) => `(${text})`).join(" and ");
  const time = `(time:(from:${quoted(state.from)},to:${quoted(state.to)}))`;
  const app = `(dataSource:(dataViewId:${quoted(view)},type:dataView),query:(language:kuery,query:${quoted(kql)}))`;
  return `${page.kibana}/app/discover#/?_g=${encodeURIComponent(time)}&_a=${encodeURIComponent(app)}`;
}

export function show(state) {
  for (const link of document.querySelectorAll("a.discover")) link.href = address(link.dataset.view, link.dataset.query, state);
}
