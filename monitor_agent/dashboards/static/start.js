"use strict";
// Reads the rows of the models, again each half minute while the page is visible.
(() => {
  const section = document.getElementById("overview");
  const PAUSE = 30_000;
  async function read() {
    try {
      const response = await fetch(section.dataset.source, { headers: { Accept: "text/html" } });
      if (response.redirected || response.status === 401) { location.reload(); return; }
      const text = await response.text();
      if (response.ok) show(new DOMParser().parseFromString(text, "text/html").body);
      else show(notice("The models cannot be read: Elasticsearch gives no answer. The page tries again."));
    } catch {
      show(notice("The viewer gives no answer. The page tries again."));
    }
    section.removeAttribute("aria-busy");
    section.dataset.drawn = String(Number(section.dataset.drawn || 0) + 1);
  }
  function notice(text) {
    const place = document.createElement("div");
    place.append(Object.assign(document.createElement("p"), { className: "verdict bad", role: "status", textContent: text }));
    return place;
  }
  function show(place) {
    for (const child of [...place.childNodes]) if (child.nodeType === Node.TEXT_NODE && !child.data.trim()) child.remove();
    become(section, place);
  }
  // Changes only what differs: the focus stays where it is, and a screen reader reads out only a new verdict.
  function become(old, fresh) {
    if (old !== section) {
      for (const name of old.getAttributeNames()) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
      for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
    after.forEach((node, index) => {
      const place = before[index];
      if (!place) old.append(node);
      else if (place.nodeName !== node.nodeName) place.replaceWith(node);
      else if (node.nodeType !== Node.ELEMENT_NODE) { if (place.data !== node.data) place.data = node.data; }
      else become(place, node);
    });
    for (const rest of before.slice(after.length)) rest.remove();
  }
  async function keepReading() {
    if (!document.hidden) await read();
    setTimeout(keepReading, PAUSE);
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) read(); });
  keepReading();
})();
