// All runs: where each stands, and up to six of them to compare.

import { get, run as path } from "./api.js";
import { ago, h, link, rate, s, span, table, whole } from "./dom.js";
import { spark } from "./charts.js";

const MOST = 6;
const BURST = 12;
const PAGE = 1000;
const ASKED = ["learning", "starving", "honest"];
const SORTS = {
  "last commit": (row) => -(row.last_commit_at ? Date.parse(row.last_commit_at) : 0),
  name: (row) => row.run,
  step: (row) => -row.step,
  "recent ETR": (row, told) => told?.etr ?? 2,
  warnings: (row, told) => -(told?.look.length ?? 0),
};

export function runsView() {
  let rows = [];
  let waiting = 0;
  const told = new Map();
  const chosen = new Set();
  const filter = h("input", { type: "search", placeholder: "name, pool, policy", oninput: moved });
  const sort = h("select", { onchange: moved }, Object.keys(SORTS).map((name) => h("option", {}, name)));
  const compare = h("button", { onclick: () => (location.hash = link("compare", ...chosen)) }, "Compare");
  const count = h("span", { class: "faint", role: "status" });
  const list = h("div", {}, h("p", { class: "faint" }, "Asking the service …"));
  const element = h("div", {}, h("h1", {}, "Runs"),
    h("div", { class: "bar" }, h("label", {}, "Filter", filter), h("label", {}, "Sort by", sort), compare, count), list);

  function moved() {
    write();
    clearTimeout(waiting);
    waiting = setTimeout(() => view.again(), 400); // what came into sight may not be known yet
  }

  function shown() {
    const wanted = filter.value.trim().toLowerCase();
    const key = SORTS[sort.value];
    const found = rows.filter((row) => [row.run, row.pool, row.policy, row.posterior].some((text) => text.toLowerCase().includes(wanted)));
    const keys = new Map(found.map((row) => [row, key(row, told.get(row.run))]));
    return found.sort((a, b) => (keys.get(a) < keys.get(b) ? -1 : keys.get(a) > keys.get(b) ? 1 : a.run < b.run ? -1 : 1)).slice(0, 200);
  }

  function choose(name, event) {
    if (event.target.checked) chosen.add(name);
    else chosen.delete(name);
    limit();
  }

  function limit() {
    compare.textContent = chosen.size ? `Compare ${chosen.size}` : "Compare";
    compare.disabled = chosen.size < 2;
    for (const box of list.querySelectorAll("input")) box.disabled = chosen.size >= MOST && !box.checked;
  }

  function write() {
    const found = shown();
    const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("data-of") : null;
    count.textContent = `${whole(found.length)} of ${whole(rows.length)} runs${chosen.size >= MOST ? `; ${MOST} are the most` : ""}`;
    list.replaceChildren(table("Runs", [
      ["Run", false, (row) => h("a", { href: link("runs", row.run), "data-of": `run ${row.run}` }, row.run)],
      [h("abbr", { title: "Effective task ratio: share of groups that teach, of rewards that are not all equal" }, "ETR"), false, (row) => etr(told.get(row.run))],
      ["recent", true, (row) => rate(told.get(row.run)?.etr)],
      ["Look at", false, (row) => looks(row.run, told.get(row.run))],
      ["Step", true, (row) => whole(row.step)],
      ["Last commit", true, (row) => (row.last_commit_at ? `${span(ago(row.last_commit_at))} ago` : "none")],
      ["Leases", true, (row) => whole(row.open)],
      ["Pool", false, (row) => row.pool],
      ["Selected by", false, (row) => row.policy],
      ["Posterior", false, (row) => row.posterior],
      ["Tasks", true, (row) => whole(row.tasks)],
      ["Compare", false, (row) => h("input", { type: "checkbox", "aria-label": `Compare ${row.run}`, "data-of": `box ${row.run}`,
        checked: chosen.has(row.run), onchange: (event) => choose(row.run, event) })],
    ], found, rows.length ? "No run is like that." : "No runs yet. The README's first steps make one, and bots view --demo shows a made one."));
    if (focused) list.querySelector(`[data-of="${CSS.escape(focused)}"]`)?.focus();
    limit();
  }

  const etr = (one) => (one ? spark(one.values, `ETR ${rate(one.etr)}`) : s("svg", { class: "spark", width: 100, height: 24, "aria-hidden": "true" }));
  const looks = (name, one) => (one?.look.length ? h("a", { class: "mark", href: link("runs", name) }, one.look.join(", ")) : one ? "nothing" : "");

  async function look() {
    const former = JSON.stringify(rows);
    const all = [];
    for (let cursor = ""; cursor !== null; ) {
      const page = await get("runs", { limit: PAGE, cursor });
      all.push(...page.runs);
      cursor = page.next;
    }
    rows = all;
    for (const name of chosen) if (!rows.some((row) => row.run === name)) chosen.delete(name);
    write();
    await ask();
    return JSON.stringify(rows) !== former;
  }

  // Of those that are in sight and have moved, a few at once: a list of hundreds must not cost more than a training.
  async function ask() {
    const due = shown().slice(0, 60).filter((row) => told.get(row.run)?.of !== `${row.step} ${row.last_commit_at}`).slice(0, BURST);
    for (const row of due) {
      const answer = await get(path(row.run, "/insight"), { points: 40 }).catch((error) => {
        if (error.status === 404 || error.status === 403) return null;
        throw error;
      });
      const groups = answer?.points.slice(-5) ?? [];
      const all = groups.reduce((sum, each) => sum + each.groups, 0);
      told.set(row.run, {
        of: `${row.step} ${row.last_commit_at}`,
        values: answer?.points.map((each) => each.etr) ?? [],
        etr: all ? groups.reduce((sum, each) => sum + (each.etr ?? 0) * each.groups, 0) / all : null,
        look: [...(answer?.warnings ?? []).map(() => "warning"),
          ...(answer?.advisories ?? []).filter(({ level }) => level === "look").map(({ code }) => (ASKED.includes(code) ? `${code}?` : code))],
      });
    }
    if (due.length) write();
  }

  const view = { title: "Runs", element, look, seconds: 12, close: () => clearTimeout(waiting) };
  return view;
}
