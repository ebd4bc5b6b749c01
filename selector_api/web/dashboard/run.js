// One run: is it learning, what starves, are its predictions honest; first in words, then in pictures.

import { get, post, run as path } from "./api.js";
import { ago, clock, h, link, ms, percent, prose, rate, signed, span, table, tiles, whole } from "./dom.js";
import { STYLES, heatMap, lines, reliability } from "./charts.js";

const QUESTIONS = { learning: "Is it learning?", starving: "What starves?", honest: "Is it honest?", stuck: "Stuck",
  informative: "Few informative", "used-up": "Used up", drops: "Drops", relapsed: "Relapsed", stale: "Stale" };

export function runView(name) {
  let status = null;
  const subtitle = h("p", { class: "faint" });
  const words = h("ul", { class: "words", "aria-label": "In words" });
  const figures = h("div");
  const unit = { range: [0, 1] };
  const charts = {
    etr: lines("Effective task ratio", "Share of groups that teach: rewards not all equal.", unit),
    ends: lines("Groups without signal", "All rollouts failed, or all passed: mass at 0 and at 1.", { ...unit, value: percent }),
    heat: heatMap("Difficulty of the tasks, and what was selected",
      "Upwards: expected pass rate. Shade: share of the tasks. Squares: what was selected since the column before."),
    rates: lines("Expected and seen pass rate", "Of the selected groups, when they were selected and when they were reported.", unit),
    capability: lines("Capability by domain", "Where the model stands; what learning moves.", {}),
    share: lines("Share by domain", "Of the groups of each commit.", { ...unit, value: percent }),
    never: lines("Never selected", "Tasks.", { value: whole }),
    solved: lines("Solved and relapsed", "Tasks that passed in every rollout of their last group; once, and no more.", { value: whole }),
    drops: lines("Drops", "Since the start: tasks handed out that could not be scored.", { value: whole }),
    behind: lines("Staleness", "Policy versions behind the newest, on average.", { value: (each) => rate(each, 1) }),
  };
  const calibration = h("section");
  const domains = h("section", { class: "wide" });
  const leases = h("section");
  const ages = h("section");
  const config = h("section", { class: "wide" });
  const pictures = h("div", { class: "figures" }, charts.capability.element, charts.etr.element, charts.rates.element,
    calibration, domains, charts.heat.element, charts.ends.element, charts.share.element, charts.never.element, ages,
    charts.solved.element, charts.drops.element, charts.behind.element, leases, config);
  const element = h("div", {}, h("h1", {}, name), subtitle,
    h("p", {}, h("a", { href: link("runs", name, "tasks") }, "Table of its tasks")), words, figures, pictures);

  async function look() {
    const former = status;
    const now = await get(path(name));
    const [insight, open, cost] = former === now ? [] : await Promise.all([
      get(path(name, "/insight"), { points: 100 }),
      get(path(name, "/selections"), { status: "open", limit: 50 }),
      get(path(name, "/cost")),
    ]);
    if (!insight) return false;
    status = now;
    write(now, insight, open.selections, cost);
    return true;
  }

  function write(now, insight, open, cost) {
    const { policy, posterior, pool, commit } = now.config;
    const target = typeof policy.target === "object" && policy.target ? `${policy.target.from} → ${policy.target.to}` : policy.target;
    subtitle.replaceChildren(`${policy.type}${target === undefined || target === null ? "" : `, target ${target}`} over ${posterior.type}, pool `,
      h("code", {}, pool), `, ${whole(now.tasks)} tasks`, commit === "selection" ? "" : `, a commit for every ${commit.outcomes} outcomes`,
      now.parent ? `, fork of ${now.parent.run} at step ${whole(now.parent.step)}` : "");
    words.replaceChildren(...now.warnings.map((text) => h("li", { class: "look" }, h("b", {}, "Warning"), " ", prose(text))),
      ...insight.advisories.map(({ code, level, text }) => h("li", { class: level }, h("b", {}, QUESTIONS[code] ?? code), " ",
        level === "look" ? h("span", { class: "mark" }, "Look: ") : "", prose(text), ...more(code))));
    const points = insight.points;
    figures.replaceChildren(tiles([
      ["Step", whole(now.step)],
      ["ETR, last 20", rate(now.etr.recent), "commits: share of groups that teach"],
      now.etr.evaluation === null ? null : ["ETR, evaluations", rate(now.etr.evaluation)],
      ["Calibration error", rate(insight.calibration_error, 3), `${whole(now.calibration.groups)} groups; good is under 0.05`],
      ["Never selected", percent(now.tasks ? now.never_selected / now.tasks : null), `${whole(now.never_selected)} tasks`],
      ["Solved", whole(insight.solved), `${whole(insight.relapsed)} relapsed`],
      ["Stuck", whole(insight.stuck), "failed 4 groups or more in a row"],
      ["Drops", whole(now.dropped), `${whole(insight.cooling)} cooling down, ${whole(now.excluded)} excluded`],
      ["Open leases", whole(now.selections.open), `${whole(now.selections.released)} released`],
      now.staleness ? ["Staleness", rate(now.staleness.mean, 1), `at most ${whole(now.staleness.largest)}`] : null,
      ...["select", "report"].filter((call) => cost[call]).map((call) =>
        [`A ${call} takes`, ms(cost[call].p50_ms), `19 of 20 under ${ms(cost[call].p95_ms)}`]),
    ]));
    write.pictures(now, insight, points, open);
  }

  const orders = { starving: "selected", stuck: "streak", drops: "-dropped" };
  const more = (code) => (orders[code] ? [" ", h("a", { href: `${link("runs", name, "tasks")}?sort=${orders[code]}` }, "Which they are")] : []);

  write.pictures = (now, insight, points, open) => {
    pictures.hidden = !points.length;
    if (!points.length) {
      figures.append(h("p", {}, "Nothing was committed yet: pictures begin with the first report."));
      return;
    }
    const steps = points.map(({ step }) => step);
    const of = (field) => points.map((each) => each[field]);
    charts.etr.update(steps, [{ label: "seen", values: of("etr"), style: 0 }, { label: "expected", values: of("predicted_etr"), style: 1 }]);
    charts.ends.update(steps, [{ label: "all failed", values: of("all_failed"), style: 3 }, { label: "all passed", values: of("all_passed"), style: 2 }]);
    charts.heat.update(insight.difficulty);
    charts.rates.update(steps, [{ label: "seen", values: of("seen"), style: 0 }, { label: "expected", values: of("predicted"), style: 1 }]);
    const names = Object.keys(now.capability).slice(0, STYLES.length);
    const byDomain = (field, none) => names.map((domain, style) => ({ label: domain, style, values: points.map((each) => each[field][domain] ?? none) }));
    const knows = points.some(({ capability }) => Object.keys(capability).length);
    charts.capability.element.hidden = !knows;
    if (knows) charts.capability.update(steps, byDomain("capability", null), ["Where the model stands; what learning moves. ", prose(insight.capability_scale)]);
    charts.share.element.hidden = names.length < 2;
    if (names.length > 1) charts.share.update(steps, byDomain("share", 0));
    charts.never.update(steps, [{ label: "never selected", values: of("never_selected"), style: 0 }]);
    charts.solved.update(steps, [{ label: "solved", values: of("solved"), style: 2 }, { label: "relapsed", values: of("relapsed"), style: 3 }]);
    charts.drops.element.hidden = !now.dropped;
    charts.drops.update(steps, [{ label: "drops", values: of("dropped"), style: 3 }]);
    charts.behind.element.hidden = !now.staleness?.largest;
    if (now.staleness?.largest) charts.behind.update(steps, [{ label: "behind", values: of("behind"), style: 0 }]);
    writeCalibration(now.calibration, insight);
    writeDomains(now, insight, points);
    writeAges(now, insight);
    writeLeases(open);
    const opened = config.querySelector("details")?.open;
    config.replaceChildren(h("details", { open: opened }, h("summary", {}, "Configuration, and reasons of drops"),
      Object.keys(insight.drops).length ? table("Drops by reason", [["Reason", false, ([reason]) => reason], ["Drops", true, ([, count]) => whole(count)]],
        Object.entries(insight.drops).sort((a, b) => b[1] - a[1])) : null,
      h("pre", { tabindex: "0" }, JSON.stringify(now.config, null, 2))));
  };

  function writeCalibration({ bins, groups }, insight) {
    calibration.replaceChildren(h("h2", {}, "Calibration"),
      h("p", { class: "faint" }, `Of the last ${whole(groups)} groups. On the dashed line is honest, above it too little was expected, below it too much. Error ${rate(insight.calibration_error, 3)}; good is under 0.05.`),
      h("div", { class: "pair" }, reliability(bins), table("Calibration by tenths", [
        ["Expected", true, (row) => rate(row.predicted)], ["Seen", true, (row) => rate(row.seen)],
        ["Expected − seen", true, (row) => difference(row)], ["Groups", true, (row) => whole(row.groups)]], bins)));
  }

  function writeDomains(now, insight, points) {
    const rows = Object.keys(now.capability);
    const recent = points.slice(-Math.max(1, Math.ceil(points.length / 10)));
    const groups = recent.reduce((sum, each) => sum + each.groups, 0) || 1;
    const share = (domain) => recent.reduce((sum, each) => sum + (each.share[domain] ?? 0) * each.groups, 0) / groups;
    const move = (domain) => insight.capability_moves[domain];
    const told = (domain) => insight.calibration_by_domain[domain];
    const of = (domain) => insight.domains[domain];
    const left = (domain) => of(domain)?.left_alone;
    const tasks = (domain, sort, text) => h("a", { href: `${link("runs", name, "tasks")}?domain=${encodeURIComponent(domain)}${sort}` }, text);
    const part = (count, all) => (count ? `${whole(count)} (${percent(count / all)})` : "0");
    domains.replaceChildren(h("h2", {}, "Domains"),
      h("p", { class: "faint" }, "Expected and seen: of the last groups. Left alone: tasks not reported for half of the run, as expected now and as they passed when they were tried."),
      table("Domains", [
        ["Domain", false, (row) => tasks(row, "", row)],
        ["Tasks", true, (row) => part(of(row)?.tasks ?? 0, now.tasks)],
        ["Groups lately", true, (row) => percent(share(row))],
        ["Never selected", true, (row) => tasks(row, "&sort=selected", part(of(row)?.never_selected, of(row)?.tasks))],
        ["Drops", true, (row) => tasks(row, "&sort=-dropped", part(of(row)?.dropped, of(row)?.selected))],
        ["Stuck", true, (row) => tasks(row, "&sort=streak", whole(of(row)?.stuck ?? 0))],
        ["Capability early", true, (row) => rate(move(row)?.early)],
        ["late", true, (row) => rate(move(row)?.late)],
        ["ETR, last 20", true, (row) => rate(now.etr.by_domain[row])],
        ["Expected", true, (row) => rate(told(row)?.predicted)],
        ["Seen", true, (row) => rate(told(row)?.seen)],
        ["Expected − seen", true, (row) => (told(row) ? difference(told(row)) : "–")],
        ["Left alone", true, (row) => (left(row) ? `${whole(left(row).tasks)}: ${rate(left(row).expected)}, passed ${rate(left(row).passed)}` : "–")],
      ], rows));
  }

  // Of the two figures as they are written beside it.
  const difference = ({ predicted, seen }) => signed(Math.round(100 * predicted) / 100 - Math.round(100 * seen) / 100);

  function writeAges(now, insight) {
    let above = -1;
    const rows = insight.ages.map(({ commits, tasks }) => {
      const label = commits === null ? `more than ${whole(above)}` : above < 0 ? `at most ${whole(commits)}` : `${whole(above + 1)} to ${whole(commits)}`;
      above = commits;
      return [label, tasks];
    });
    ages.replaceChildren(h("h2", {}, "Age of the evidence"), h("p", { class: "faint" }, "Tasks by commits since they were last reported."),
      table("Age of the evidence", [["Commits ago", false, ([label]) => label], ["Tasks", true, ([, tasks]) => whole(tasks)],
        ["Share", true, ([, tasks]) => percent(tasks / now.tasks)]], [...rows, ["never reported", now.tasks - rows.reduce((sum, [, tasks]) => sum + tasks, 0)]]));
  }

  function writeLeases(open) {
    leases.replaceChildren(h("h2", {}, "Open leases"), h("p", { class: "faint" }, "Selections that trainers hold."),
      table("Open leases", [["Key", false, (row) => row.key ?? row.selection], ["Step", true, (row) => whole(row.step)],
        ["Reported", true, (row) => `${whole(row.reported)} of ${whole(row.tasks.length)}`], ["Ends", true, (row) => ends(row.expires_at)],
        ["", false, (row) => h("button", { onclick: (event) => release(row, event.target), "aria-label": `Release ${row.key ?? row.selection}` }, "Release")]],
      open, "None is open."));
  }

  const ends = (moment) => h("span", { title: clock(moment) }, ago(moment) > 0 ? "is over" : `in ${span(-ago(moment))}`);

  async function release(row, button) {
    if (!confirm(`Release ${row.key ?? row.selection}? Its ${row.tasks.length} tasks are free again; what was reported of it is committed.`)) return;
    button.disabled = true;
    try {
      await post(path(name, `/selections/${encodeURIComponent(row.selection)}/release`));
      view.again();
    } catch (error) {
      button.replaceWith(h("span", { class: "bad", role: "alert" }, error.message));
    }
  }

  const view = { title: name, element, look, seconds: 5 };
  return view;
}
