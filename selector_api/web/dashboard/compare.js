// Up to six runs in one picture.

import { get, run as path } from "./api.js";
import { h, link, percent, rate, table, whole } from "./dom.js";
import { lines } from "./charts.js";

const mean = (values) => (values.length ? values.reduce((sum, each) => sum + each, 0) / values.length : null);
const FIGURES = {
  ETR: [(point) => point.etr, rate],
  "ETR expected": [(point) => point.predicted_etr, rate],
  capability: [(point) => mean(Object.values(point.capability)), rate],
  "pass rate seen": [(point) => point.seen, rate],
  "pass rate expected": [(point) => point.predicted, rate],
  "all failed": [(point) => point.all_failed, percent],
  "all passed": [(point) => point.all_passed, percent],
  solved: [(point) => point.solved, whole],
  "never selected": [(point) => point.never_selected, whole],
};

const NOTES = {
  ETR: "Effective task ratio: the share of groups that teach. Beside a run of random tasks from the same pool it says whether selection helps.",
  capability: "Mean over the domains.",
};

export function compareView(names) {
  const runs = names.slice(0, 6);
  let former = [];
  const figure = h("select", { onchange: write }, Object.keys(FIGURES).map((name) => h("option", {}, name)));
  const picture = h("div", { class: "figures" });
  const numbers = h("div");
  const element = h("div", {}, h("h1", {}, `${runs.length} runs compared`), h("div", { class: "bar" }, h("label", {}, "Figure", figure)),
    picture, h("h2", {}, "At the last point"),
    h("p", { class: "faint" }, "Rates are those of its few groups: a run's own page has the last 20 commits. Capability means the same only between runs of one kind of posterior and the same references."), numbers);

  async function look() {
    const told = [];
    for (const name of runs) told.push(await get(path(name, "/insight"), { points: 100 }));
    const moved = told.some((each, number) => each !== former[number]);
    former = told;
    if (moved) write();
    return moved;
  }

  function write() {
    if (!former.length) return;
    const [of, value] = FIGURES[figure.value];
    const steps = [...new Set(former.flatMap(({ points }) => points.map(({ step }) => step)))].sort((a, b) => a - b);
    const isFree = value === whole || figure.value === "capability";
    const chart = lines(figure.value, NOTES[figure.value], { value, range: isFree ? null : [0, 1] });
    chart.element.classList.add("wide");
    chart.element.querySelector(".plot").style.minHeight = "340px";
    picture.replaceChildren(chart.element);
    chart.update(steps, former.map(({ points }, style) => {
      const known = new Map(points.map((point) => [point.step, of(point)]));
      return { label: runs[style], style, values: steps.map((step) => known.get(step) ?? null) };
    }));
    numbers.replaceChildren(table("The runs compared", [
      ["Run", false, ([name]) => h("a", { href: link("runs", name) }, name)],
      ["Step", true, ([, told]) => whole(told.step)],
      ...Object.entries(FIGURES).map(([name, [pick, write]]) => [name, true, ([, told]) => (told.points.length ? write(pick(told.points.at(-1))) : "–")]),
      ["Look at", true, ([, told]) => whole(told.advisories.filter(({ level }) => level === "look").length + told.warnings.length)],
    ], runs.map((name, number) => [name, former[number]])));
  }

  return { title: "Runs compared", element, look, seconds: 15 };
}
