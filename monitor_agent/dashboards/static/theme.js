// Chooses light or dark before anything is drawn: what the reader said last, else what the system says.
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const kept = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const apply = () => {
    document.documentElement.dataset.theme = kept() || (system.matches ? "dark" : "light");
    document.dispatchEvent(new Event("themechange"));
  };
  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const tell = () => button.setAttribute("aria-label",
      document.documentElement.dataset.theme === "dark" ? "Use the light theme" : "Use the dark theme");
    tell();
    button.addEventListener("click", () => {
      try {
        localStorage.setItem("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
      } catch { /* Storage may be forbidden: then the system's theme stays. */ }
      apply();
      tell();
    });
  });
})();
