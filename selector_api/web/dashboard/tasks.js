// The tasks of a run, a page at a time as the service sorts and finds them.

import { get, run as path } from "./api.js";
import { h, link, rate, table, whole } from "./dom.js";
import { meter } from "./charts.js";

const PAGE = 50;
const streak = (length) => (length > 0 ? `passed ${length}` : length < 0 ? `failed ${-length}` : "–");

export function tasksView(name) {
  const domain = h("select", { onchange: () => move({ domain: domain.value, cursor: "" }) });
  const search = h("input", { type: "search", placeholder: "part of an id", oninput: () => {
    clearTimeout(typing);
    typing = setTimeout(() => move({ search: search.value.trim(), cursor: "" }), 300);
  } });
  const list = h("div", {}, h("p", { class: "faint" }, "Asking the service …"));
  const count = h("span", { class: "faint", role: "status" });
  const before = h("button", { onclick: () => move({ cursor: String(Math.max(0, at() - PAGE)) }) }, "Previous");
  const after = h("button", { onclick: () => move({ cursor: String(at() + PAGE) }) }, "Next");
  const element = h("div", {}, h("h1", {}, "Tasks of ", h("a", { href: link("runs", name) }, name)),
    h("div", { class: "bar" }, h("label", {}, "Search", search), h("label", {}, "Domain", domain), before, after, count), list);
  let typing = 0;
  let former = null;

  const wanted = () => Object.fromEntries(new URLSearchParams(location.hash.split("?")[1] ?? ""));
  const at = () => Number(wanted().cursor || 0);

  function move(changed) {
    const next = Object.entries({ ...wanted(), ...changed }).filter(([, value]) => value);
    const query = new URLSearchParams(next).toString();
    location.hash = link("runs", name, "tasks") + (query ? `?${query}` : "");
  }

  function sortable(title, field) {
    const now = wanted().sort ?? "";
    const direction = now === field ? "ascending" : now === `-${field}` ? "descending" : null;
    const next = direction === "descending" ? field : direction === "ascending" ? "" : field === "mean" || field === "streak" || field === "last_step" ? field : `-${field}`;
    return [h("button", { onclick: () => move({ sort: next, cursor: "" }) }, title), { "aria-sort": direction }];
  }

  async function look() {
    const { sort, domain: only, search: text, cursor } = wanted();
    const [status, page] = await Promise.all([get(path(name)),
      get(path(name, "/posteriors"), { sort, domain: only, search: text, cursor, limit: PAGE })]);
    const domains = ["", ...Object.keys(status.capability)];
    if (domain.options.length !== domains.length) domain.replaceChildren(...domains.map((each) => h("option", { value: each }, each || "all")));
    domain.value = only ?? "";
    if (document.activeElement !== search) search.value = text ?? "";
    if (page !== former) write(page);
    const changed = page !== former;
    former = page;
    return changed;
  }

  function write(page) {
    const first = at();
    const focused = list.contains(document.activeElement) ? document.activeElement.textContent : null;
    count.textContent = page.total ? `${whole(first + 1)} to ${whole(first + page.posteriors.length)} of ${whole(page.total)} tasks` : "no task is like that";
    before.disabled = first === 0;
    after.disabled = page.next === null;
    const column = (title, field, cell, numeric = true) => {
      const [head, more] = sortable(title, field);
      return [head, numeric, cell, more];
    };
    list.replaceChildren(table("Tasks", [
      ["Task", false, (row) => h("a", { href: link("runs", name, "tasks", row.task) }, row.task)],
      ["Domain", false, (row) => row.domain],
      column("Expected", "mean", (row) => [meter(row.mean, row.sd), rate(row.mean)]),
      column("± sd", "sd", (row) => rate(row.sd)),
      column("Selected", "selected", (row) => whole(row.selected)),
      ["Passed", true, (row) => (row.trials ? `${+row.successes.toFixed(1)} of ${whole(row.trials)}` : "–")],
      column("In a row", "streak", (row) => h("span", { class: row.streak <= -4 ? "mark" : null }, streak(row.streak)), false),
      column("Last step", "last_step", (row) => whole(row.last_step)),
      column("Drops", "dropped", (row) => whole(row.dropped)),
      ["", false, (row) => (row.excluded ? h("span", { class: "mark" }, "excluded") : "")],
    ], page.posteriors, "No task is like that."));
    if (focused) [...list.querySelectorAll("thead button")].find((each) => each.textContent === focused)?.focus();
  }

  const view = { title: `Tasks of ${name}`, element, look, seconds: 20, moved: () => view.again() };
  return view;
}
