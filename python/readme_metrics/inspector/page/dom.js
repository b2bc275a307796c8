// Elements, requests, and how numbers are shown. Whatever a log holds enters the page as text, never as HTML.

export const $ = (id) => document.getElementById(id);

// An element. `class`, `data-*`, `aria-*` and the like are attributes; functions are listeners; children are nodes or text.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// The answer as JSON; a `body` makes it a POST. Throws Failure, whose status is 0 if nothing answers.
export async function api(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Readme-Metrics": "1" },
    body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Failure(0, "readme-metrics inspect does not answer: has it been stopped?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Failure(response.status, answer.message || `HTTP ${response.status}`);
  return answer;
}

export async function text(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Failure(response.status, `HTTP ${response.status}`);
  return response.text();
}

const counts = new Intl.NumberFormat("en-US");
export const count = (number) => counts.format(number);

export function bytes(number) {
  if (number === null || number === undefined) return "";
  if (number < 1000) return `${number} B`;
  return number < 999_950 ? `${(number / 1000).toFixed(1)} kB` : `${(number / 1e6).toFixed(1)} MB`;
}

export const milliseconds = (number) => (number === null || number === undefined ? "" : count(Math.round(number * 10) / 10));

export function clock(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const part = (number, digits) => String(number).padStart(digits, "0");
  return `${part(date.getHours(), 2)}:${part(date.getMinutes(), 2)}:${part(date.getSeconds(), 2)}.${part(date.getMilliseconds(), 3)}`;
}

export const statusClass = (status) => (status >= 100 && status < 600 ? `s${Math.floor(status / 100)}` : "s0");

// Markers in a URL are percent-encoded, which is hard to read.
export const readable = (url) => url.replace(/%5BREDACTED(?:%20(\d+))?%5D/g, (_, length) => (length ? `[REDACTED ${length}]` : "[REDACTED]"));

let toastTimer = 0;
export function toast(message) {
  $("toast").textContent = message;
  $("toast").classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $("toast").classList.remove("shown"), 2500);
}

export async function copy(what, value) {
  try {
    await navigator.clipboard.writeText(value);
    toast(`${what} copied`);
  } catch {
    toast("The browser does not allow copying");
  }
}
