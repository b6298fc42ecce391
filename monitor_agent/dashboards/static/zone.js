// The time zone of the texts: UTC, that of the browser, or that of the chosen models' days. The reader's choice stays.
const KEY = "zone";
const MODEL = "Zone of the model";
const browser = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const names = { utc: "UTC", browser, model: "UTC" };

let choice = names[localStorage.getItem(KEY)] ? localStorage.getItem(KEY) : "utc";

export const name = () => names[choice];

// What a request names: the viewer knows the zone of the chosen models.
export const asked = () => (choice === "model" ? "model" : name());

// Returns a moment as text in the chosen zone, to the second or to the minute.
export function text(milliseconds, seconds = false) {
  const parts = new Intl.DateTimeFormat("sv-SE", {
    timeZone: name(), year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
    ...(seconds ? { second: "2-digit" } : {}),
  });
  return parts.format(milliseconds);
}

// Returns the age of a moment in its greatest unit.
export function age(milliseconds) {
  const seconds = (Date.now() - milliseconds) / 1000;
  if (seconds < 0) return "in the future";
  const [length, unit] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => seconds >= size) || [1, "s"];
  return `${Math.floor(seconds / length).toLocaleString("en")} ${unit} ago`;
}

// Keeps the choice for the pages that the viewer writes whole.
function remember() {
  document.cookie = `zone=${asked()}; path=/; max-age=31536000; samesite=strict${location.protocol === "https:" ? "; secure" : ""}`;
}

export const remembered = () => document.cookie.split("; ").includes(`zone=${asked()}`);

export function setUp(select, change) {
  for (const [value, label] of [["utc", "UTC"], ["browser", `Browser: ${browser}`], ["model", MODEL]]) {
    select.append(new Option(label, value));
  }
  select.value = choice;
  remember();
  select.addEventListener("change", () => {
    choice = select.value;
    localStorage.setItem(KEY, choice);
    remember();
    change();
  });
}

// Sets the zone of the chosen models, as the viewer has read it; null = it was not asked for.
export function ofModels(select, zone) {
  const option = [...select.options].find(({ value }) => value === "model");
  names.model = zone?.name ?? "UTC";
  option.textContent = zone?.text ?? MODEL;
  option.title = select.title = zone?.reason ?? "";
}
