// The shell: which view the address names, how fresh it is, and the token.

import { Away, Refused, hasToken, useToken } from "./api.js";
import { h, link, span } from "./dom.js";
import { poll } from "./poll.js";
import { compareView } from "./compare.js";
import { runView } from "./run.js";
import { runsView } from "./runs.js";
import { taskView } from "./task.js";
import { tasksView } from "./tasks.js";

const element = (id) => document.getElementById(id);
const main = element("main");
let polling = null;
let view = null;
let answered = 0;
let pause = 0;
let trouble = null;

const routes = [
  [/^$/, () => runsView(), () => []],
  [/^compare\/(.+)$/, (names) => compareView(names.split("/").map(decodeURIComponent)), () => [["compare"]]],
  [/^runs\/([^/]+)$/, (name) => runView(name), (name) => [[name]]],
  [/^runs\/([^/]+)\/tasks$/, (name) => tasksView(name), (name) => [[name, "runs", name], ["tasks"]]],
  [/^runs\/([^/]+)\/tasks\/([^/]+)$/, (name, task) => taskView(name, task),
    (name, task) => [[name, "runs", name], ["tasks", "runs", name, "tasks"], [task]]],
];

function route() {
  const [path] = location.hash.replace(/^#\/?/, "").split("?");
  for (const [pattern, make, crumbs] of routes) {
    const found = pattern.exec(path);
    if (!found) continue;
    const names = pattern.source.startsWith("^compare") ? found.slice(1) : found.slice(1).map(decodeURIComponent);
    return show(make(...names), crumbs(...names));
  }
  polling?.stop();
  main.replaceChildren(h("h1", {}, "There is no such page"), h("p", {}, h("a", { href: "#/" }, "All runs")));
}

/** Show a view: `title`, `element`, and `look`, which is called again and again. */
function show(next, crumbs) {
  polling?.stop();
  view?.close?.();
  view = next;
  trouble = null;
  answered = pause = 0;
  document.title = `${view.title} - BOTS Selector`;
  element("place").replaceChildren(...crumbs.flatMap(([text, ...parts]) =>
    [" / ", parts.length ? h("a", { href: link(...parts) }, text) : h("span", { "aria-current": "page" }, text)]));
  main.replaceChildren(view.element);
  main.setAttribute("aria-busy", "true");
  const mine = view;
  polling = poll(() => mine.look(), mine.seconds, (next, error) => told(mine, next, error));
  view.again = () => polling.now();
  tell();
}

function told(mine, next, error) {
  if (mine !== view) return;
  pause = next;
  main.removeAttribute("aria-busy");
  const former = trouble;
  trouble = error;
  if (!error) {
    answered = Date.now();
    mine.hasShown = true;
    if (former) say("The service answers again.");
  } else if (error instanceof Refused && error.status === 401) {
    polling.stop();
    if (!mine.hasShown) main.replaceChildren(h("h1", {}, "A token is needed"), h("p", {}, h("button", { onclick: route }, "Give one")));
    askToken(hasToken() ? "This token is unknown to the service, or was revoked." : "The service wants one.");
  } else if (error instanceof Refused) {
    polling.stop();
    main.replaceChildren(
      h("h1", {}, error.status === 404 ? "It is not there" : "That is refused"),
      h("p", {}, error.message), h("p", {}, h("a", { href: "#/" }, "All runs")));
  } else if (!(error instanceof Away)) {
    console.error(error);
  }
  tell();
}

/** Say how old what is shown is. */
function tell() {
  element("forget").hidden = !hasToken();
  const age = answered ? (Date.now() - answered) / 1000 : null;
  const isOld = age !== null && (trouble !== null || age > pause + 30);
  element("freshness").textContent = age === null ? "" : `${isOld ? "old: " : ""}updated ${span(age)} ago`;
  element("freshness").className = isOld ? "old" : "";
  const away = trouble && !(trouble instanceof Refused);
  const line = element("trouble");
  line.hidden = !away;
  if (!away) return;
  const shown = answered ? ` What is shown is from ${new Date(answered).toLocaleTimeString("en-GB")}.` : "";
  const text = `${trouble instanceof Away ? trouble.message : "The page failed."}${shown} It is asked again by itself.`;
  if (line.textContent !== text) line.textContent = text;
}

function say(text) {
  element("said").textContent = text;
}

function askToken(why) {
  const dialog = element("token");
  element("token-why").textContent = why;
  if (!dialog.open) dialog.showModal();
}

element("token").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(element("token-text").value);
  element("token-text").value = "";
  element("token").close();
  route();
});
element("forget").addEventListener("click", () => {
  useToken("");
  route();
});
element("skip").addEventListener("click", () => main.focus());
addEventListener("hashchange", () => {
  const [path] = location.hash.split("?");
  if (path !== shownPath) {
    shownPath = path;
    route();
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  } else if (view?.moved) view.moved();
});
let [shownPath] = location.hash.split("?");
setInterval(() => document.hidden || tell(), 1000);
route();
