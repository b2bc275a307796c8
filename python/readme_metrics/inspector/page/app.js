// What the page as a whole does: the address, the filter, the tabs, the keys.

import { $, api, toast } from "./dom.js";
import { Connection } from "./connection.js";
import { hideDetail, showDetail } from "./detail.js";
import { List } from "./list.js";
import { showNumbers } from "./numbers.js";
import { showTrial } from "./trial.js";

const VIEWS = { logs: "Logs", numbers: "Numbers", trial: "Try it" };
const list = new List((id) => go({ log: id }));
const connection = new Connection(list, () => setFilter(""));
let view = "logs";

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
  if (filter !== list.filter || !connection.hasStream) {
    list.filter = filter;
    if (document.activeElement !== $("filter")) $("filter").value = filter;
    $("export").href = `/api/export.har?filter=${encodeURIComponent(filter)}`;
    showChips();
    connection.reload();
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

function showChips() {
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
  connection.showPause();
});
$("fresh").addEventListener("click", () => {
  $("pause").setAttribute("aria-pressed", "false");
  $("pause").textContent = "Pause";
});
$("clear").addEventListener("click", async () => {
  try {
    await api("/api/clear", {});
    go({ log: null });
    connection.reload();
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

document.addEventListener("visibilitychange", () => {
  if (document.hidden) connection.close();
  else {
    connection.listen();
    showNumbers();
  }
});
addEventListener("hashchange", follow);
addEventListener("popstate", follow);
$("filter").value = address().filter ?? "";
follow();
connection.watch();
