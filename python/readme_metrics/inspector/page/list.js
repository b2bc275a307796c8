// The table of logs, newest first. New rows appear by themselves; older ones are loaded when the reader scrolls down.

import { $, api, bytes, clock, count, h, milliseconds, readable, statusClass } from "./dom.js";

const FIRST = 200;
const PAGE = 500;
const MOST_ROWS = 3000;

const body = $("logs");
const box = $("list");

const template = h("tr", { "aria-selected": "false" },
  h("td", { class: "c-time" }, h("span"), h("span", { class: "ms" })), h("td", { class: "c-method" }),
  h("td", { class: "c-path" }, h("a", { tabindex: "-1" }, h("span", { class: "path" }), h("span", { class: "query" }))),
  h("td", { class: "c-status" }), h("td", { class: "c-ms num" }), h("td", { class: "c-caller" }),
  h("td", { class: "c-size num" }), h("td", { class: "c-redacted num" }));

export class List {
  rows = new Map();
  total = 0;
  matched = 0;
  last = 0;
  filter = "";
  selected = null;
  isPaused = false;
  #waiting = [];
  #hasMore = false;
  #isLoading = false;
  #load = 0;

  constructor(onOpen) {
    this.onOpen = onOpen;
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      onOpen(row.dataset.id);
    });
    box.addEventListener("scroll", () => {
      if (box.scrollTop < 8 && this.#waiting.length && !this.isPaused) this.flush();
      if (box.scrollTop + box.clientHeight > box.scrollHeight - 1200) this.more();
    }, { passive: true });
    $("fresh").addEventListener("click", () => this.resume());
  }

  // Loads all rows anew, for instance with another filter. The old rows stay until the new ones are there.
  async reload() {
    const load = ++this.#load;
    box.setAttribute("aria-busy", "true");
    try {
      const answer = await api(`/api/logs?limit=${FIRST}&filter=${encodeURIComponent(this.filter)}`);
      if (load !== this.#load) return null;
      this.rows.clear();
      this.#waiting = [];
      this.total = answer.total;
      this.matched = answer.matched;
      this.last = answer.last;
      this.#hasMore = answer.has_more;
      this.#isLoading = false;
      body.replaceChildren(...answer.logs.map((log) => this.#row(log)));
      box.scrollTop = 0;
      this.#show();
      return answer;
    } finally {
      if (load === this.#load) box.removeAttribute("aria-busy");
    }
  }

  async more() {
    if (!this.#hasMore || this.#isLoading || !body.lastElementChild) return;
    this.#isLoading = true;
    const load = this.#load;
    const oldest = body.lastElementChild.dataset.sequence;
    try {
      const answer = await api(`/api/logs?limit=${PAGE}&after=${oldest}&filter=${encodeURIComponent(this.filter)}`);
      if (load !== this.#load) return;
      this.#hasMore = answer.has_more;
      body.append(...answer.logs.filter((log) => !this.rows.has(log._id)).map((log) => this.#row(log)));
    } finally {
      if (load === this.#load) this.#isLoading = false;
    }
  }

  // A log that has just arrived. If the reader has scrolled down, no row moves: the log waits, and a button shows that.
  add(log) {
    this.last = Math.max(this.last, log.sequence);
    const known = this.rows.get(log._id);
    if (known) {
      fill(known, log);
      return;
    }
    this.matched += 1;
    if (!this.filter) this.total += 1;
    this.#waiting.push(log);
    if (!this.isPaused && box.scrollTop < 8) this.#schedule();
    else this.#show();
  }

  setTotal(total) {
    this.total = total;
    if (!this.filter) this.matched = total;
    this.#show();
  }

  #timer = 0;
  #schedule() {
    // Logs that arrive together change the page once. A timer, since a tab in the background gets no animation frames.
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      if (!this.isPaused && box.scrollTop < 8) this.flush();
      else this.#show();
    }, 16);
  }

  flush() {
    const fresh = this.#waiting.splice(0).filter((log) => !this.rows.has(log._id));
    body.prepend(...fresh.reverse().map((log) => this.#row(log, true)));
    while (body.childElementCount > MOST_ROWS) {
      this.rows.delete(body.lastElementChild.dataset.id);
      body.lastElementChild.remove();
      this.#hasMore = true;
    }
    this.#show();
  }

  resume() {
    this.isPaused = false;
    box.scrollTop = 0;
    this.flush();
  }

  // The id of the row after or before the selected one.
  neighbour(step) {
    const row = this.rows.get(this.selected);
    if (!row?.isConnected) return body.firstElementChild?.dataset.id;
    const next = step > 0 ? row.nextElementSibling : row.previousElementSibling;
    if (step > 0 && !next?.nextElementSibling) this.more();
    return next?.dataset.id;
  }

  select(id, scroll = false) {
    this.#mark(this.selected, false);
    this.selected = id;
    const row = this.#mark(id, true);
    if (row && scroll) {
      row.scrollIntoView({ block: "nearest" });
      row.querySelector("a").focus({ preventScroll: true });
    }
  }

  #mark(id, isSelected) {
    const row = this.rows.get(id);
    if (!row) return null;
    row.setAttribute("aria-selected", String(isSelected));
    row.querySelector("a").tabIndex = isSelected ? 0 : -1;
    return row;
  }

  #row(log, isFresh = false) {
    const row = template.cloneNode(true);
    fill(row, log);
    if (isFresh) row.className = "fresh";
    this.rows.set(log._id, row);
    if (log._id === this.selected) this.#mark(log._id, true);
    return row;
  }

  #show() {
    $("count").textContent = this.filter
      ? `${count(this.matched)} of ${count(this.total)}`
      : `${count(this.total)} ${this.total === 1 ? "log" : "logs"}`;
    const waiting = this.#waiting.length;
    $("fresh").hidden = waiting === 0;
    $("fresh").textContent = `${count(waiting)} new ${waiting === 1 ? "log" : "logs"} ↑`;
    $("empty").hidden = body.childElementCount > 0;
    box.classList.toggle("is-empty", body.childElementCount === 0);
  }
}

function fill(row, log) {
  const [time, method, path, status, ms, caller, size, redacted] = row.children;
  row.dataset.id = log._id;
  row.dataset.sequence = log.sequence;
  const [second, fraction] = clock(log.time).split(".");
  time.firstChild.textContent = second;
  time.lastChild.textContent = fraction ? `.${fraction}` : "";
  method.textContent = log.method || "–";
  const link = path.firstChild;
  link.href = `#log=${encodeURIComponent(log._id)}`;
  link.title = log.host + log.path + (log.query ? `?${log.query}` : "");
  link.firstChild.textContent = log.path || "/";
  link.lastChild.textContent = log.query ? `?${readable(log.query)}` : "";
  status.textContent = log.status ?? "–";
  status.className = `c-status ${statusClass(log.status)}`;
  ms.textContent = milliseconds(log.ms);
  caller.textContent = log.caller;
  caller.title = log.caller;
  size.textContent = bytes(log.response_bytes);
  redacted.textContent = log.redacted || "";
  row.classList.toggle("replay", log.replay);
}
