// The lists of values above the panels; the selected values filter the panels.
import { page } from "./state.js";

export function setUp(place, change) {
  for (const control of page.controls) {
    const details = Object.assign(document.createElement("details"), { className: "popover control" });
    details.dataset.control = control.id;
    const summary = document.createElement("summary");
    summary.append(
      Object.assign(document.createElement("span"), { className: "name", textContent: control.title }),
      Object.assign(document.createElement("span"), { className: "chosen" }));
    const sheet = Object.assign(document.createElement("fieldset"), { className: "sheet" });
    sheet.append(Object.assign(document.createElement("legend"), { className: "hidden", textContent: control.title }));
    details.append(summary, sheet);
    sheet.addEventListener("change", () => {
      const values = [...sheet.querySelectorAll("input:checked")].map((input) => input.value).filter(Boolean);
      change(control.id, values);
      if (control.single) { details.open = false; summary.focus(); }
    });
    place.append(details);
  }
}

// Shows the selected values, and the available values once they are loaded.
export function show(place, chosen, options = {}) {
  for (const control of page.controls) {
    const details = place.querySelector(`[data-control="${CSS.escape(control.id)}"]`);
    const values = chosen[control.id];
    details.querySelector(".chosen").textContent = values.length ? values.join(", ") : "Any";
    details.classList.toggle("set", values.length > 0);
    const offered = options[control.id];
    if (offered === undefined) continue;
    const sheet = details.querySelector(".sheet");
    const focused = sheet.contains(document.activeElement) ? document.activeElement.value : null;
    if (typeof offered === "string") {
      const line = Object.assign(document.createElement("p"), { className: "notice error", textContent: offered });
      sheet.replaceChildren(sheet.firstElementChild, line);
      continue;
    }
    const available = offered.map((option) => option.value);
    const all = [...offered, ...values.filter((value) => !available.includes(value)).map((value) => ({ value, text: value, count: 0 }))];
    const lines = all.map(({ value, text, count }) => line(control, value, text, count.toLocaleString("en"), values.includes(value)));
    sheet.replaceChildren(sheet.firstElementChild, line(control, "", "Any", "", !values.length), ...lines);
    if (focused !== null) [...sheet.querySelectorAll("input")].find((input) => input.value === focused)?.focus();
  }
}

function line(control, value, text, count, checked) {
  const single = control.single || value === "";
  const input = Object.assign(document.createElement("input"), {
    type: control.single ? "radio" : "checkbox", name: control.id, value, checked,
  });
  if (value === "" && !control.single) {
    // "Any" clears all other choices.
    input.addEventListener("change", (event) => {
      for (const other of event.target.closest("fieldset").querySelectorAll("input")) other.checked = other === event.target;
    });
  }
  const label = document.createElement("label");
  label.className = single ? "any" : "";
  label.append(input, Object.assign(document.createElement("span"), { className: "value", textContent: text }),
    Object.assign(document.createElement("span"), { className: "count", textContent: count }));
  return label;
}
