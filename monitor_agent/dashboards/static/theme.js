// Chooses light or dark before anything is drawn: the reader's last choice, or else the system's theme.
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const apply = () => {
    document.documentElement.dataset.theme = stored() || (system.matches ? "dark" : "light");
    document.dispatchEvent(new Event("themechange"));
  };
  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const updateLabel = () => button.setAttribute("aria-label",
      document.documentElement.dataset.theme === "dark" ? "Use the light theme" : "Use the dark theme");
    updateLabel();
    button.addEventListener("click", () => {
      try {
        localStorage.setItem("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
      } catch { /* Storage may be forbidden: then the system's theme stays. */ }
      apply();
      updateLabel();
    });
  });
})();
