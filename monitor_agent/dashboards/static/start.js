"use strict";
// Reads the rows of the models, again each half minute while the page is visible.
(() => {
  const section = document.getElementById("overview");
  const PAUSE = 30_000;
  async function read() {
    section.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(section.dataset.source, { headers: { Accept: "text/html" } });
      if (response.redirected || response.status === 401) { location.reload(); return; }
      const text = await response.text();
      if (response.ok) section.innerHTML = text;
      else section.replaceChildren(notice("The models cannot be read: Elasticsearch gives no answer. The page tries again."));
    } catch {
      section.replaceChildren(notice("The viewer gives no answer. The page tries again."));
    }
    section.removeAttribute("aria-busy");
    section.dataset.drawn = String(Number(section.dataset.drawn || 0) + 1);
  }
  function notice(text) {
    const paragraph = document.createElement("p");
    paragraph.className = "notice error";
    paragraph.textContent = text;
    return paragraph;
  }
  async function keepReading() {
    if (!document.hidden) await read();
    setTimeout(keepReading, PAUSE);
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) read(); });
  keepReading();
})();
