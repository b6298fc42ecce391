// Tables with sorting, pages, a filter for each cell that a control has, and a download.
import { keepFocus } from "./focus.js";
import { page } from "./state.js";
import { age } from "./zone.js";

const collator = new Intl.Collator("en", { numeric: true });

function compare(one, other) {
  if (one === null || other === null) return (one === null) - (other === null);
  return typeof one === "number" && typeof other === "number" ? one - other : collator.compare(one, other);
}

function element(name, attributes = {}, ...children) {
  const node = Object.assign(document.createElement(name), attributes);
  node.append(...children);
  return node;
}

// Draws `table` into `place`. `memory` keeps its sorting and its page from one drawing to the next.
// `more` reads a page of a table whose rows are not all here.
export function drawTable(place, table, title, memory, pick, more) {
  memory.sort ??= table.sort;
  memory.page ??= 0;
  if (table.total > table.rows.length || (table.paged && memory.all)) {
    drawRemote(place, table, title, memory, pick, more);
    return;
  }
  const order = table.rows.map((_, index) => index);
  if (memory.sort) {
    const [column, falling] = memory.sort;
    const sign = falling ? -1 : 1;
    // Rows without a value stay at the end in both directions.
    order.sort((a, b) => {
      const [one, other] = [table.rows[a][column], table.rows[b][column]];
      return one === null || other === null ? compare(one, other) : sign * compare(one, other);
    });
  }
  const pages = Math.max(1, Math.ceil(order.length / table.page));
  memory.page = Math.min(memory.page, pages - 1);
  const again = (change) => {
    // The rows here are the largest groups: another order is one of all groups.
    if (table.paged && change.sort) memory.all = true;
    Object.assign(memory, change);
    drawTable(place, table, title, memory, pick, more);
  };
  const shown = order.slice(memory.page * table.page, (memory.page + 1) * table.page);
  lay(place, table, title, memory, pick, again, shown, pages, order.length);
  if (table.paged) place.append(allGroups(() => again({ all: true, page: 0 })));
}

// Leads from the largest groups to the pages of all groups.
function allGroups(show) {
  const button = element("button", { type: "button", className: "all", textContent: "All groups" });
  button.addEventListener("click", show);
  return button;
}

// The viewer sorts all documents or groups, and sends a page of them.
function drawRemote(place, table, title, memory, pick, more) {
  const draw = (rows) => {
    const shown = rows.rows.map((_, index) => index).slice(0, rows.page);
    const known = table.paged ? rows.total : Math.min(rows.total, 10000);
    const pages = rows.more && shown.length === rows.page ? Infinity : Math.ceil(known / rows.page);
    lay(place, rows, title, memory, pick, again, shown, pages, rows.total, rows.more ? "+" : "");
  };
  const again = async (change) => {
    Object.assign(memory, change);
    try {
      draw(await more(memory.sort, memory.page));
    } catch (error) {
      place.append(element("p", { className: "remark", textContent: error.message }));
    }
  };
  if (memory.page || memory.sort || memory.all) again({});
  else draw(table);
}

function lay(place, table, title, memory, pick, again, shown, pages, total, further = "") {
  const head = element("tr", {}, ...table.columns.map((column, index) => {
    const falling = memory.sort?.[0] === index ? memory.sort[1] : null;
    const button = element("button", { type: "button", textContent: column.label });
    button.addEventListener("click", () =>
      again({ sort: [index, falling === null ? column.kind === "number" || column.kind === "date" : !falling], page: 0 }));
    const cell = element("th", { scope: "col", className: column.align }, button);
    cell.setAttribute("aria-sort", falling === null ? "none" : falling ? "descending" : "ascending");
    return cell;
  }));
  const body = shown.map((row) =>
    element("tr", { className: table.weak.includes(row) ? "weak" : "" }, ...table.columns.map((column, index) => {
      const text = table.texts[row][index];
      const cell = element("td", { className: column.align });
      const control = column.field && table.rows[row][index] !== null && page.controls.find(({ field }) => field === column.field);
      if (control) {
        const button = element("button", { type: "button", textContent: text, title: `Show only ${control.title} ${text}` });
        button.addEventListener("click", () => pick(control.id, String(table.rows[row][index])));
        cell.append(button);
      } else {
        cell.textContent = text;
        const at = column.aged && table.rows[row][index];
        if (at) cell.append(element("span", { className: "age", textContent: ` ${age(at)}` }));
        if (text.length > 40) cell.title = text;
      }
      return cell;
    })));
  const rows = element("table", {}, element("caption", { className: "hidden", textContent: title }),
    element("thead", {}, head), element("tbody", {}, ...body));
  const frame = element("div", { className: "scroll", tabIndex: 0, role: "group" }, rows);
  frame.setAttribute("aria-label", title);
  keepFocus(place, () => {
    place.replaceChildren(frame);
    if (table.note) place.append(element("p", { className: "remark", textContent: table.note }));
    if (pages > 1) place.append(pager(memory.page, pages, total, table.page, again, further));
  });
}

function pager(page, pages, rows, size, again, further) {
  const step = (text, label, to) => {
    const button = element("button", { type: "button", textContent: text, disabled: to < 0 || to >= pages });
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => again({ page: to }));
    return button;
  };
  const last = further ? (page + 1) * size : Math.min(rows, (page + 1) * size);
  const position = `${page * size + 1}–${last} of ${rows}${further}`;
  return element("div", { className: "pager" }, step("‹", "Previous page", page - 1),
    element("span", { textContent: position }), step("›", "Next page", page + 1));
}

const FORMULA = /^[\t\r\n]|^[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]/u;
const cell = (value, column) => {
  if (value === null) return "";
  const whole = column.kind === "date" && typeof value === "number" ? new Date(value).toISOString() : String(value);
  const text = whole.replaceAll("\0", "");
  // A text that begins like a formula, also after blanks or with wide signs, must not run in a spreadsheet.
  const safe = typeof value === "string" && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

export function csv(table) {
  const head = table.columns.map((column) => cell(column.unit ? `${column.label} (${column.unit})` : column.label, { kind: "string" }));
  const rows = table.rows.map((row) => row.map((value, index) => cell(value, table.columns[index])));
  return [head, ...rows].map((row) => row.join(",")).join("\r\n") + "\r\n";
}

export function download(table, title) {
  const address = URL.createObjectURL(new Blob(["\ufeff", csv(table)], { type: "text/csv" }));
  const name = `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "panel"}.csv`;
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
