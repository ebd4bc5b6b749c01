// Pictures: lines over steps by uPlot, a heat map of our own on a canvas, and small ones as SVG.

import { h, percent, rate, s, whole } from "./dom.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Told apart by colour and by dashes. */
export const STYLES = [
  ["blue", []], ["orange", [7, 3]], ["green", [2, 2]], ["red", []], ["purple", [7, 3]], ["grey", [2, 2]],
  ["blue", [12, 3]], ["orange", []],
];

const dark = matchMedia("(prefers-color-scheme: dark)");
const open = new Set();
dark.addEventListener("change", () => open.forEach((each) => each.redraw()));
const sizes = new ResizeObserver((entries) =>
  entries.forEach(({ target }) => open.forEach((each) => each.box === target && each.resize())));

function living(chart) {
  for (const each of open) if (!each.box.isConnected && each.wasShown) open.delete(each);
  open.add(chart);
  sizes.observe(chart.box);
  return chart;
}

/**
 * A picture of lines over steps, with the last value of each in its legend, or those under the pointer.
 * `update(steps, series)`: a series is {label, values, style (of STYLES), low, high (a band), points, value (how it is
 * written)}, and what is said above them, if that is another note now.
 */
export function lines(title, note, { range = null, value = rate, xlabel = "step", named = whole } = {}) {
  const box = h("div", { class: "plot", role: "img" });
  const legend = h("div", { class: "legend" });
  const told = h("p", { class: "faint", hidden: !note }, note);
  const figure = h("section", {}, h("h2", {}, title), told, legend, box);
  let plot = null;
  let shown = null;

  function write(index) {
    const [steps, series] = shown;
    const last = index ?? steps.length - 1;
    const parts = series.map((each) => [each, value(at(each.values, last, index === null && !each.points))]);
    legend.replaceChildren(
      h("span", {}, xlabel, " ", h("b", {}, named(steps[last]))),
      ...parts.map(([{ label, style }, text]) => h("span", {}, key(style), label, " ", h("b", {}, text))));
    if (index === null) {
      box.setAttribute("aria-label", `${title}, ${xlabel} ${named(steps[0])} to ${named(steps.at(-1))}. Last: ${
        parts.map(([{ label }, text]) => `${label} ${text}`).join(", ")}`);
    }
  }

  function draw() {
    plot?.destroy();
    plot = null;
    const [steps, series] = shown;
    if (!steps.length || !box.clientWidth) return;
    const axis = { stroke: colour("faint"), font: "11px system-ui", grid: { stroke: colour("line"), width: 1 },
      ticks: { stroke: colour("line"), width: 1, size: 4 } };
    const drawn = [{}];
    const data = [steps];
    const bands = [];
    for (const each of series) {
      const [name, dash] = STYLES[each.style];
      if (each.low) {
        bands.push({ series: [drawn.length, drawn.length + 1], fill: `${colour(name)}33` });
        drawn.push({ stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } });
        data.push(each.high, each.low);
      }
      const alone = steps.length === 1 || each.points;
      drawn.push({ stroke: colour(name), dash, width: each.points ? 0 : 1.75, spanGaps: true,
        points: { show: alone, size: 6, fill: colour(name) } });
      data.push(each.values);
    }
    plot = new uPlot({
      width: box.clientWidth, height: box.clientHeight, legend: { show: false }, bands,
      scales: { x: { time: false }, y: range ? { range } : { range: (_, low, high) => (value === whole ? [0, 1.05 * high || 1] : padded(low, high)) } },
      axes: [{ ...axis, size: 26, values: (_, values) => values.map((v) => (Number.isInteger(v) ? whole(v) : "")) },
        { ...axis, size: 50, values: (_, values) => values.map((v) => written(v, value)) }],
      cursor: { y: false, drag: { x: true, y: false }, points: { size: 5 } },
      hooks: { setCursor: [(self) => write(self.cursor.idx ?? null)] }, series: drawn,
    }, data, box);
  }

  const chart = living({ box, redraw: () => shown && draw(), wasShown: false, resize() {
    chart.wasShown = true;
    if (plot && box.clientWidth) plot.setSize({ width: box.clientWidth, height: box.clientHeight });
    else if (shown) draw();
  } });
  return {
    element: figure,
    update(steps, series, said) {
      if (said) told.replaceChildren(...said.flat());
      shown = [steps, series];
      write(null);
      draw();
    },
  };
}

const padded = (low, high) => {
  const spare = (high - low || Math.abs(high) || 1) * 0.08;
  return [low >= 0 ? Math.max(0, low - spare) : low - spare, high + spare];
};
const written = (number, value) => (value === whole ? whole(number) : value === percent ? `${Math.round(100 * number)} %` : `${+number.toFixed(3)}`);

/** The value at a place, or, if that is what is wanted, the last that is known. */
function at(values, place, isLast) {
  while (isLast && place > 0 && (values[place] === null || values[place] === undefined)) place -= 1;
  return values[place];
}

const key = (style) => {
  const line = h("i", { class: STYLES[style][1].length ? "dashed" : null });
  line.style.borderColor = `var(--${STYLES[style][0]})`;
  return line;
};

/** A line so small that it needs no axes, of values in [0, 1]. */
export function spark(values, label) {
  const known = values.map((value, number) => [number, value]).filter(([, value]) => value !== null);
  const x = (number) => 1 + (98 * number) / Math.max(1, values.length - 1);
  const y = (value) => 23 - 22 * value;
  return s("svg", { class: "spark", width: 100, height: 24, viewBox: "0 0 100 24", role: "img", "aria-label": label },
    s("line", { x1: 0, x2: 100, y1: 23.5, y2: 23.5, stroke: "var(--line)" }),
    s("polyline", { points: known.map(([number, value]) => `${x(number)},${y(value)}`).join(" "), fill: "none",
      stroke: "var(--blue)", "stroke-width": 1.5 }),
    known.length ? s("circle", { cx: x(known.at(-1)[0]), cy: y(known.at(-1)[1]), r: 1.8, fill: "var(--blue)" }) : "");
}

/** A rate in [0, 1] as a bar, with a whisker of its standard deviation. */
export function meter(mean, sd = 0) {
  const [low, high] = [Math.max(0, mean - sd), Math.min(1, mean + sd)].map((each) => 74 * each);
  return h("span", { class: "meter" }, s("svg", { width: 74, height: 8, "aria-hidden": "true" },
    s("rect", { width: 74 * mean, height: 8, fill: "var(--blue)", opacity: ".75" }),
    s("line", { x1: low, x2: high, y1: 4, y2: 4, stroke: "var(--ink)", "stroke-width": 1.3 })));
}

/** What was expected against what was seen, in tenths; the area of a circle is how many groups it stands for. */
export function reliability(bins) {
  const [size, left] = [232, 30];
  const x = (value) => left + value * (size - left - 6);
  const y = (value) => size - 30 - value * (size - 38);
  const most = Math.max(1, ...bins.map(({ groups }) => groups));
  const ticks = [0, 0.5, 1];
  return s("svg", { width: size, height: size, viewBox: `0 0 ${size} ${size}`, role: "img",
    "aria-label": "Calibration: seen pass rate over the expected one; the table beside it has the numbers" },
  ticks.map((each) => [
    s("line", { x1: x(0), x2: x(1), y1: y(each), y2: y(each), stroke: "var(--line)" }),
    s("line", { x1: x(each), x2: x(each), y1: y(0), y2: y(1), stroke: "var(--line)" }),
    s("text", { x: left - 5, y: y(each) + 4, "text-anchor": "end", "font-size": 11, fill: "var(--faint)" }, String(each)),
    s("text", { x: x(each), y: size - 17, "text-anchor": "middle", "font-size": 11, fill: "var(--faint)" }, String(each)),
  ]),
  s("text", { x: x(0.5), y: size - 4, "text-anchor": "middle", "font-size": 11, fill: "var(--faint)" }, "expected"),
  s("text", { x: left - 5, y: y(0.75) + 4, "text-anchor": "end", "font-size": 11, fill: "var(--faint)" }, "seen"),
  s("line", { x1: x(0), y1: y(0), x2: x(1), y2: y(1), stroke: "var(--faint)", "stroke-dasharray": "4 3" }),
  s("polyline", { points: bins.map(({ predicted, seen }) => `${x(predicted)},${y(seen)}`).join(" "), fill: "none",
    stroke: "var(--blue)", "stroke-width": 1.5 }),
  bins.map(({ predicted, seen, groups }) => s("circle", { cx: x(predicted), cy: y(seen), r: 2 + 8 * Math.sqrt(groups / most),
    fill: "var(--blue)", "fill-opacity": ".45", stroke: "var(--blue)" })));
}

/**
 * How difficult the tasks were, over steps: the darker, the more of the pool; squares are what was selected since the
 * column before, by area. `update` takes entries {step, tasks, groups}, in tenths of [0, 1].
 */
export function heatMap(title, note) {
  const canvas = h("canvas", { class: "heat", role: "img" });
  const caption = h("div", { class: "legend" });
  const figure = h("section", { class: "wide" }, h("h2", {}, title), h("p", { class: "faint" }, note), caption, canvas);
  const [left, bottom] = [32, 20];
  let entries = [];

  const total = (counts) => counts.reduce((sum, each) => sum + each, 0) || 1;
  const tenth = (place) => `${(place / 10).toFixed(1)}–${((place + 1) / 10).toFixed(1)}`;

  function write(entry, place) {
    const cells = place === null ? [] : [h("span", {}, "expected ", h("b", {}, tenth(place))),
      h("span", {}, "tasks ", h("b", {}, whole(entry.tasks[place]))),
      h("span", {}, "selected ", h("b", {}, whole(entry.groups[place])))];
    const ends = [h("span", {}, "tasks under 0.1 ", h("b", {}, percent(entry.tasks[0] / total(entry.tasks)))),
      h("span", {}, "above 0.9 ", h("b", {}, percent(entry.tasks[9] / total(entry.tasks)))),
      h("span", {}, "selected from 0.3 to 0.7 ", h("b", {}, percent(
        entry.groups.slice(3, 7).reduce((sum, each) => sum + each, 0) / total(entry.groups))))];
    caption.replaceChildren(h("span", {}, "step ", h("b", {}, whole(entry.step))), ...(cells.length ? cells : ends));
  }

  function draw() {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !entries.length) return;
    const ratio = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const [wide, high] = [(width - left) / entries.length, (height - bottom) / 10];
    const most = Math.max(...entries.flatMap(({ tasks }) => tasks.map((each) => each / total(tasks))));
    const [heat, chosen] = [colour("heat"), colour("chosen")];
    entries.forEach(({ tasks, groups }, column) => {
      const [all, picked] = [total(tasks), total(groups)];
      for (let place = 0; place < 10; place += 1) {
        const [x, y] = [left + column * wide, (9 - place) * high];
        pen.globalAlpha = 0.03 + 0.9 * Math.sqrt(tasks[place] / all / most);
        pen.fillStyle = heat;
        pen.fillRect(x, y, Math.ceil(wide), high - 1);
        const side = Math.sqrt(groups[place] / picked) * Math.min(high - 3, 22);
        pen.globalAlpha = 1;
        if (!groups[place]) continue;
        const across = Math.min(Math.max(side, 2), wide - 1);
        pen.fillStyle = chosen;
        pen.strokeStyle = colour("surface");
        pen.lineWidth = 1;
        pen.fillRect(x + (wide - across) / 2, y + (high - side) / 2, across, Math.max(side, 2));
        pen.strokeRect(x + (wide - across) / 2, y + (high - side) / 2, across, Math.max(side, 2));
      }
    });
    pen.fillStyle = colour("faint");
    pen.font = "11px system-ui";
    pen.textAlign = "right";
    [0, 0.5, 1].forEach((each) => pen.fillText(String(each), left - 6, Math.min(height - bottom, Math.max(9, (1 - each) * 10 * high + 4))));
    pen.textAlign = "center";
    const every = Math.max(1, Math.ceil(64 / wide));
    entries.forEach(({ step }, column) => {
      if (column % every === 0 && width - left - column * wide > 30) pen.fillText(whole(step), left + (column + 0.5) * wide, height - 5);
    });
  }

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left - left) / (box.width - left)) * entries.length);
    const place = 9 - Math.floor(((event.clientY - box.top) / (box.height - bottom)) * 10);
    if (entries[column] && place >= 0 && place < 10) write(entries[column], place);
  });
  canvas.addEventListener("pointerleave", () => entries.length && write(entries.at(-1), null));
  const chart = living({ box: canvas, redraw: draw, wasShown: false, resize() {
    chart.wasShown = true;
    draw();
  } });
  return {
    element: figure,
    update(next) {
      entries = next;
      const last = entries.at(-1);
      write(last, null);
      canvas.setAttribute("aria-label", `${title}. At step ${whole(last.step)}, tasks and selected groups by tenths of the ` +
        `expected pass rate: ${last.tasks.map((each, place) => `${tenth(place)}: ${each} and ${last.groups[place]}`).join("; ")}`);
      draw();
    },
  };
}
