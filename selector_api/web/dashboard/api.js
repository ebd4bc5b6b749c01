// The service's public API: read with a token, which stays in this tab, and asked for nothing that is known already.

const KEY = "selector-token";
const SECONDS = 20;
const KEPT = 40;
const answers = new Map();
let token = sessionStorage.getItem(KEY) ?? "";

export class Refused extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** The service could not be asked, or is not well. */
export class Away extends Error {}

export const hasToken = () => token !== "";

export function useToken(text) {
  token = text.trim();
  answers.clear();
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
}

/** What a GET answers. The same object again as long as the service says that nothing has changed. */
export async function get(path, parameters = {}) {
  const address = at(path, parameters);
  const former = answers.get(address);
  const answer = await asked(address, { headers: former ? { "If-None-Match": former.tag } : {} });
  if (answer.status === 304) return former.value;
  const value = await answer.json();
  const tag = answer.headers.get("ETag");
  answers.delete(address);
  if (tag) answers.set(address, { tag, value });
  if (answers.size > KEPT) answers.delete(answers.keys().next().value);
  return value;
}

export async function post(path, body) {
  const text = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  return (await asked(at(path, {}), { method: "POST", ...text })).json();
}

export const run = (name, rest = "") => `runs/${encodeURIComponent(name)}${rest}`;

function at(path, parameters) {
  const address = new URL(path, document.baseURI.replace(/[#?].*$/, ""));
  for (const [name, value] of Object.entries(parameters)) if (value) address.searchParams.set(name, value);
  return address.href;
}

async function asked(address, options) {
  const headers = { Accept: "application/json", ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    const signal = AbortSignal.timeout(1000 * SECONDS);
    answer = await fetch(address, { ...options, headers, signal, cache: "no-store", redirect: "error" });
  } catch {
    throw new Away("The service does not answer.");
  }
  if (answer.ok || answer.status === 304) return answer;
  const problem = await answer.json().catch(() => ({}));
  if (answer.status >= 500 || answer.status === 429) throw new Away(problem.detail ?? `It answers ${answer.status}.`);
  throw new Refused(answer.status, problem.code ?? "", problem.detail ?? `It answers ${answer.status}.`);
}
