// What the page shows, kept in its address, so that it can be shared, bookmarked and gone back from.
export const page = JSON.parse(document.getElementById("page").textContent);

const PREFIX = "c.";

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
    refresh: query.has("refresh") ? Number(query.get("refresh")) : page.refresh,
    chosen,
  };
}

// Returns the query that says a state; what the dashboard opens with is left out.
export function query(state) {
  const found = new URLSearchParams();
  if (state.from !== page.from || state.to !== page.to) {
    found.set("from", state.from);
    found.set("to", state.to);
  }
  if (state.refresh !== page.refresh) found.set("refresh", state.refresh);
  for (const control of page.controls) {
    const values = state.chosen[control.id];
    if (String(values) === String(control.selected)) continue;
    for (const value of values.length ? values : [""]) found.append(PREFIX + control.id, value);
  }
  return found;
}

export function write(state) {
  const text = query(state).toString();
  history.pushState(null, "", text ? `?${text}` : location.pathname);
}

// Links to other dashboards keep the time range and what is chosen.
export function carry(state) {
  const found = query(state);
  if (found.has("from") === false && (state.from !== "now-24h" || state.to !== "now")) {
    found.set("from", state.from);
    found.set("to", state.to);
  }
  for (const link of document.querySelectorAll('a[data-keep], .panel.text a[href^="/dashboards/"]')) {
    link.search = found.toString();
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
  }
}
