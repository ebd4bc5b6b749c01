// Elements, and how figures are written.

/** An element with attributes, listeners (on…) and children; what is null or false is left out. */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((each) => each !== null && each !== undefined && each !== false));
  return element;
}

/** Text in which what stands in backticks is code. */
export function prose(text) {
  return text.split("`").map((part, number) => (number % 2 ? h("code", {}, part) : part));
}

const NONE = "–";
const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

export const whole = (value) => (known(value) ? Math.round(value).toLocaleString("en") : NONE);
export const rate = (value, digits = 2) => (known(value) ? value.toFixed(digits).replace("-", "−") : NONE);
export const percent = (value) => (known(value) ? `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %` : NONE);
export const signed = (value) => {
  if (!known(value)) return NONE;
  const text = Math.abs(value).toFixed(2);
  return text === "0.00" ? text : `${value < 0 ? "−" : "+"}${text}`;
};
export const ms = (value) => (known(value) ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms` : NONE);

/** How long something took or is ago, in its largest unit. */
export function span(seconds) {
  if (!known(seconds)) return NONE;
  const units = [[86400, "d"], [3600, "h"], [60, "min"]];
  for (const [size, unit] of units) if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${Math.max(0, Math.round(seconds))} s`;
}

/** How long a moment of the service is ago; negative: to come. */
export const ago = (moment) => (moment ? (Date.now() - Date.parse(moment)) / 1000 : null);

/** A moment as this machine writes it. */
export function clock(moment) {
  if (!moment) return NONE;
  const at = new Date(moment);
  const pad = (number) => String(number).padStart(2, "0");
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  return `${day} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

/** A table: `columns` are [title, is it of numbers, cell of a row, attributes of the head]. */
export function table(caption, columns, rows, empty = "None.") {
  if (!rows.length) return h("p", { class: "faint" }, empty);
  const cell = (row, [, numeric, of], number) =>
    h(number ? "td" : "th", { class: numeric ? "number" : null, scope: number ? null : "row" }, of(row));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {},
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, columns.map(([title, numeric, , more]) =>
        h("th", { scope: "col", class: numeric ? "number" : null, ...more }, title)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((column, number) => cell(row, column, number)))))));
}

/** Figures with their names. */
export function tiles(entries) {
  return h("dl", { class: "tiles" }, entries.filter(Boolean).map(([name, value, more]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value, more ? h("small", {}, more) : null))));
}

export const link = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;
