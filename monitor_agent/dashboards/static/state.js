// The state of the page. It is part of the address, so that people can share it, bookmark it and go back to it.
export const page = JSON.parse(document.getElementById("page").textContent);

const PREFIX = "c.";

// Returns a time between two refreshes: 0 is none, and less than the least one is the least one.
export function pace(text) {
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds <= 0) return 0;
  return Math.min(Math.max(seconds, page.least_refresh), 86400);
}

export function read() {
  const query = new URLSearchParams(location.search);
  const chosen = {};
  for (const control of page.controls) {
    const key = PREFIX + control.id;
    chosen[control.id] = query.has(key) ? query.getAll(key).filter(Boolean) : [...control.selected];
  }
  return {
    from: query.get("from") || page.from,
    to: query.get("to") || page.to,
    refresh: query.has("refresh") ? pace(query.get("refresh")) : page.refresh,
    chosen,
    filter: query.get("q") || "",
  };
}

// Returns the query string of a state, without the values that the dashboard opens with.
export function query(state) {
  const parameters = new URLSearchParams();
  if (state.from !== page.from || state.to !== page.to) {
    parameters.set("from", state.from);
    parameters.set("to", state.to);
  }
  if (state.refresh !== page.refresh) parameters.set("refresh", state.refresh);
  if (state.filter) parameters.set("q", state.filter);
  for (const control of page.controls) {
    const values = state.chosen[control.id];
    if (String(values) === String(control.selected)) continue;
    for (const value of values.length ? values : [""]) parameters.append(PREFIX + control.id, value);
  }
  return parameters;
}

export function write(state) {
  const text = query(state).toString();
  history.pushState(null, "", text ? `?${text}` : location.pathname);
}

// Adds the time range and the control values to the links to other dashboards.
export function carry(state) {
  const parameters = query(state);
  if (parameters.has("from") === false && (state.from !== "now-24h" || state.to !== "now")) {
    parameters.set("from", state.from);
    parameters.set("to", state.to);
  }
  for (const link of document.querySelectorAll('a[data-keep], .panel.text a[href^="/dashboards/"]')) {
    link.search = parameters.toString();
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
  }
}
