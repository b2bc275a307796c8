// What the page as a whole does: the address, the stream of events, the keys, the tabs.

import { $, api, count, h, toast } from "./dom.js";
import { hideDetail, showDetail } from "./detail.js";
import { List } from "./list.js";
import { showNumbers } from "./numbers.js";
import { showTrial } from "./trial.js";

const VIEWS = { logs: "Logs", numbers: "Numbers", trial: "Try it" };
const list = new List((id) => go({ log: id }));
let view = "logs";
let source = null;

// ---- The address: #view=…&filter=…&log=…, so that each state has a link. Logs alone may be #<id>.

function address() {
  const hash = location.hash.slice(1);
  if (hash && !hash.includes("=")) return { log: decodeURIComponent(hash) };
  return Object.fromEntries(new URLSearchParams(hash));
}

function go(changes, replaces = false) {
  const state = { view, filter: list.filter, log: list.selected, ...changes };
  if (state.view === "logs") delete state.view;
  const parameters = new URLSearchParams(Object.entries(state).filter(([, value]) => value));
  const target = `#${parameters}`;
  if (target !== location.hash) history[replaces ? "replaceState" : "pushState"](null, "", target);
  follow();
}

function follow() {
  const state = address();
  showView(VIEWS[state.view] ? state.view : "logs");
  const filter = state.filter ?? "";
  if (filter !== list.filter || !source) {
    list.filter = filter;
    if (document.activeElement !== $("filter")) $("filter").value = filter;
    reload();
  }
  const id = state.log || null;
  if (id === list.selected) return;
  list.select(id, id !== null && document.activeElement?.tagName !== "INPUT");
  document.body.classList.toggle("has-detail", id !== null);
  if (id) showDetail(id, closeDetail);
  else hideDetail();
}

function closeDetail() {
  const row = list.rows.get(list.selected);
  go({ log: null });
  (row?.querySelector("a") ?? $("list")).focus();
}

function showView(name) {
  view = name;
  document.title = `${VIEWS[name]} · readme-metrics inspect`;
  for (const other of Object.keys(VIEWS)) {
    $(`view-${other}`).hidden = other !== name;
    $(`tab-${other}`).setAttribute("aria-selected", String(other === name));
    $(`tab-${other}`).tabIndex = other === name ? 0 : -1;
  }
  if (name === "numbers") showNumbers();
  if (name === "trial") showTrial();
}

// ---- The list and its events: one stream per tab, and none while nobody looks.

async function reload() {
  source?.close();
  chips();
  $("export").href = `/api/export.har?filter=${encodeURIComponent(list.filter)}`;
  try {
    const answer = await list.reload();
    if (!answer) return;
    note([...answer.notes, answer.is_complete ? "" : "This took too long: not all logs were looked at."].filter(Boolean).join(" "), false);
    empty();
    listen();
  } catch (failure) {
    if (failure.status === 400) note(failure.message, true);
    else lost(failure);
  }
}

function note(message, isError) {
  $("filter-note").textContent = message;
  $("filter-note").hidden = !message;
  $("filter-note").classList.toggle("error", isError);
  $("filter").setAttribute("aria-invalid", String(isError));
}

function listen() {
  source?.close();
  if (document.hidden) return;
  const stream = new EventSource(`/api/events?after=${list.last}&filter=${encodeURIComponent(list.filter)}`);
  source = stream;
  stream.onopen = () => state("ok", "live");
  stream.onmessage = (event) => list.add(JSON.parse(event.data));
  stream.addEventListener("total", (event) => list.setTotal(JSON.parse(event.data).total));
  for (const name of ["gap", "clear"]) stream.addEventListener(name, reload);
  stream.onerror = () => {
    if (source !== stream) return;
    state("bad", "not connected");
    // The browser gives up where it gets another answer than a stream; the reason is in the next request.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => source === stream && reload(), 2000);
  };
}

function lost(failure) {
  state("bad", failure.status === 403 ? "open the new address" : "not connected");
  $("empty").replaceChildren(h("h2", {}, failure.status === 403 ? "This page's session is over" : "Nothing answers"),
    h("p", {}, failure.status === 403 ? "readme-metrics inspect has been started again. Open the address that it has printed." : failure.message));
  if (!$("logs").childElementCount) $("empty").hidden = false;
  if (failure.status !== 403) setTimeout(reload, 2000);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) source?.close();
  else {
    listen();
    showNumbers();
  }
});

// ---- How it is: the dot in the corner, and doctor's findings where there is nothing to show.

let isConnected = false;
function state(kind, message) {
  isConnected = kind === "ok";
  $("status").firstElementChild.dataset.state = list.isPaused && isConnected ? "wait" : kind;
  $("status").lastElementChild.textContent = list.isPaused && isConnected ? "paused" : message;
}

async function watch() {
  if (!document.hidden) {
    try {
      const status = await api("/api/status");
      if (list.filter === "") list.setTotal(status.logs);
      if (isConnected) {
        const bad = status.server.last_error && status.server.refused ? ` · ${count(status.server.refused)} POSTs not accepted` : "";
        state("ok", [status.command, status.server.forward_to ? "forwarding" : "live"].filter(Boolean).join(" · ") + bad);
        $("status").title = [`listening at ${status.url}`, ...status.sources, status.server.last_error].filter(Boolean).join("\n");
      }
      empty(status);
    } catch {
      // The stream says it.
    }
  }
  setTimeout(watch, 3000);
}

function empty(status) {
  if ($("logs").childElementCount) return;
  if (list.filter && list.total) {
    $("empty").replaceChildren(h("h2", {}, "No log matches"), h("p", {}, `None of ${count(list.total)}. `, h("button", { type: "button", click: () => setFilter("") }, "Show all")));
    return;
  }
  if (!status) return;
  $("empty").replaceChildren(
    h("h2", {}, "Waiting for the first log"),
    h("ul", { class: "findings" }, ...status.findings.map((finding) => h("li", { class: finding.is_ok ? "ok" : "broken" },
      h("b", {}, finding.link), " ", finding.detail, finding.advice ? h("span", { class: "advice" }, finding.advice) : null))));
}

// ---- The filter box, its chips and the buttons beside it.

let typing = 0;
$("filter").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => go({ filter: $("filter").value.trim() }, true), 120);
});
$("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  go({ filter: $("filter").value.trim() }, true);
});

function setFilter(text) {
  $("filter").value = text;
  go({ filter: text });
}

function chips() {
  const terms = list.filter.split(" ");
  for (const chip of document.querySelectorAll("[data-term]")) chip.setAttribute("aria-pressed", String(terms.includes(chip.dataset.term)));
}
for (const chip of document.querySelectorAll("[data-term]")) {
  chip.addEventListener("click", () => {
    const terms = list.filter.split(" ").filter(Boolean);
    const term = chip.dataset.term;
    setFilter((terms.includes(term) ? terms.filter((other) => other !== term) : [...terms, term]).join(" "));
  });
}

$("pause").addEventListener("click", () => {
  list.isPaused = !list.isPaused;
  $("pause").setAttribute("aria-pressed", String(list.isPaused));
  $("pause").textContent = list.isPaused ? "Resume" : "Pause";
  if (!list.isPaused) list.resume();
  if (isConnected) state("ok", "live");
});
$("fresh").addEventListener("click", () => {
  $("pause").setAttribute("aria-pressed", "false");
  $("pause").textContent = "Pause";
});
$("clear").addEventListener("click", async () => {
  try {
    await api("/api/clear", {});
    go({ log: null });
    reload();
  } catch (failure) {
    toast(failure.message);
  }
});

// ---- Tabs and keys.

const tabs = Object.keys(VIEWS).map((name) => $(`tab-${name}`));
tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => go({ view: tab.id.slice(4) }));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(index + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
});

document.addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "Escape") {
    if (event.target === $("filter") && $("filter").value) setFilter("");
    else if (isTyping) event.target.blur();
    else if (list.selected) closeDetail();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || view !== "logs") return;
  if (event.key === "/") {
    event.preventDefault();
    $("filter").focus();
    $("filter").select();
  } else if (event.key === "j" || event.key === "k") {
    event.preventDefault();
    const id = list.neighbour(event.key === "j" ? 1 : -1);
    if (!id) return;
    if (list.selected && !$("detail").hidden) go({ log: id }, true);
    else list.select(id, true);
  } else if (event.key === "Enter" && list.selected && !/^(BUTTON|SUMMARY)$/.test(event.target.tagName)) {
    event.preventDefault();
    document.body.classList.add("has-detail");
    showDetail(list.selected, closeDetail);
    go({});
  }
});

addEventListener("hashchange", follow);
addEventListener("popstate", follow);
$("filter").value = address().filter ?? "";
follow();
watch();
