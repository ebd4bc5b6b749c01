// One task: what is thought of it, and what became of it each time.

import { get, post, run as path } from "./api.js";
import { clock, h, link, rate, table, tiles, whole } from "./dom.js";
import { lines } from "./charts.js";

export function taskView(name, task) {
  let former = null;
  const figures = h("div");
  const act = h("div", { class: "bar" });
  const note = h("p", { class: "faint" });
  const chart = lines("Its posterior over its visits", "Line and band: expected ± one standard deviation when it was selected; the last point is now. Dots: seen.",
    { range: [0, 1], xlabel: "visit", named: (visit) => (visit > former.visits.length ? "to come" : whole(visit)) });
  chart.element.classList.add("wide");
  const visits = h("div");
  const element = h("div", {}, h("h1", {}, task), h("p", {}, "of ", h("a", { href: link("runs", name) }, name)), act, figures,
    h("div", { class: "figures" }, chart.element), h("h2", {}, "Every group"), note, visits);

  async function look() {
    const [told, status] = await Promise.all([get(path(name, "/visits"), { task }), get(path(name))]);
    if (told === former) return false;
    former = told;
    write(told, status.config.policy);
    return true;
  }

  function write({ posterior, visits: all, since }, policy) {
    const references = Object.entries(posterior.references);
    figures.replaceChildren(tiles([
      ["Expected now", rate(posterior.mean), `± ${rate(posterior.sd)}`],
      ["Domain", posterior.domain],
      ["Selected", whole(posterior.selected)],
      ["Passed", posterior.trials ? `${+posterior.successes.toFixed(1)} of ${whole(posterior.trials)}` : "–"],
      ["In a row", posterior.streak > 0 ? `passed ${posterior.streak}` : posterior.streak < 0 ? `failed ${-posterior.streak}` : "–"],
      ["Drops", whole(posterior.dropped)],
      ["Last step", whole(posterior.last_step)],
      ...references.map(([reference, value]) => [`Reference ${reference}`, rate(value)]),
    ]));
    const verb = posterior.excluded ? "include" : "exclude";
    act.replaceChildren(posterior.excluded ? h("span", { class: "mark" }, "Excluded: this run does not draw it.") : "",
      h("button", { onclick: (event) => change(verb, event.target) }, posterior.excluded ? "Include it again" : "Exclude it from this run"));
    const seen = all.map(({ kind, successes, trials }) => (kind === "drop" ? null : successes / trials));
    const numbers = all.map((_, number) => number + 1);
    const mean = [...all.map((each) => each.mean), posterior.mean];
    const sd = [...all.map((each) => each.sd), posterior.sd];
    const bound = (sign) => mean.map((each, number) => (each === null ? null : Math.min(1, Math.max(0, each + sign * sd[number]))));
    chart.update([...numbers, numbers.length + 1], [
      { label: "expected", values: mean, low: bound(-1), high: bound(1), style: 0 },
      { label: "seen", values: [...seen, null], style: 1, points: true }]);
    note.textContent = since ? `Visits are kept from step ${whole(since)} on; bots events export has those before.` : "";
    visits.replaceChildren(table("Every group", [
      ["Visit", true, ([number]) => whole(number)],
      ["Step", true, ([, each]) => whole(each.step)],
      ["When", false, ([, each]) => clock(each.at)],
      ["Kind", false, ([, each]) => each.kind],
      ["Seen", true, ([, each]) => (each.kind === "drop" ? "–" : `${+each.successes.toFixed(2)} of ${whole(each.trials)}`)],
      ["Informative", false, ([, each]) => (each.kind === "drop" ? "–" : each.informative ? "yes" : "no")],
      ["Expected", true, ([, each]) => (each.mean === null ? "–" : `${rate(each.mean)} ± ${rate(each.sd)}`)],
      ["Why it was chosen", false, ([, each]) => why(each, policy)],
      ["Policy version", true, ([, each]) => whole(each.version)],
    ], all.map((each, number) => [number + 1, each]).reverse(), "It was never handed out."));
  }

  function why({ kind, mean, sd }, policy) {
    if (kind === "evaluation") return "evaluated outside the training";
    if (kind === "drop") return "dropped: it could not be scored";
    if (mean === null) return "reported without a selection";
    if (["random", "shuffle"].includes(policy.type)) return `drawn by chance (${policy.type})`;
    if (["sequential", "easy-to-hard"].includes(policy.type)) return `it was its turn (${policy.type})`;
    const target = policy.target;
    if (target === undefined || target === null) return `in proportion to its signal: 4p(1−p) = ${rate(4 * (mean * (1 - mean) - sd * sd))}`;
    if (typeof target === "object") return `near the target, which goes from ${target.from} to ${target.to}`;
    if (policy.type === "posterior-mean") return `its mean was ${rate(Math.abs(mean - target))} off the target ${target}`;
    const off = Math.abs(mean - target) / Math.max(sd, 1e-9);
    return `a draw of it came near the target ${target}${off > 2 ? `, which is ${off.toFixed(1)} sd off, or few were nearer` : ""}`;
  }

  async function change(verb, button) {
    button.disabled = true;
    try {
      await post(path(name, `/${verb}`), { tasks: [task] });
      await view.again();
    } catch (error) {
      button.after(h("span", { class: "bad", role: "alert" }, error.message));
      button.disabled = false;
    }
  }

  const view = { title: task, element, look, seconds: 15 };
  return view;
}
