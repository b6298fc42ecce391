// Keeps the keyboard's place while something is drawn anew.
const TARGETS = "a[href], button, input, select, summary, [tabindex]";

const nameOf = (target) => `${target.tagName} ${target.getAttribute("aria-label") || target.textContent}`;

// Draws into `place`; what had the focus has it again, or the element that now stands where it stood.
export function keepFocus(place, draw) {
  const old = document.activeElement;
  if (old === place || !place.contains(old)) { draw(); return; }
  const index = [...place.querySelectorAll(TARGETS)].indexOf(old);
  const name = nameOf(old);
  draw();
  if (place.contains(document.activeElement)) return;
  const targets = [...place.querySelectorAll(TARGETS)].filter((target) => !target.disabled);
  (targets.find((target) => nameOf(target) === name) || targets[Math.min(index, targets.length - 1)])?.focus({ preventScroll: true });
}
