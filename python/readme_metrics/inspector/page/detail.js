// One log: request and response side by side, what was redacted and why, and what can be done with it.

import { $, api, bytes, clock, copy, count, h, milliseconds, readable, statusClass, text, toast } from "./dom.js";
import { bodyView, marked, rule } from "./body.js";

const panel = $("detail");
let shown = null;

export async function showDetail(id, onClose) {
  shown = id;
  panel.hidden = false;
  panel.setAttribute("aria-busy", "true");
  // A log that arrives soon replaces the old one without "Loading…" in between.
  const slow = setTimeout(() => panel.replaceChildren(h("p", { class: "empty" }, "Loading…")), 250);
  let log;
  try {
    log = await api(`/api/logs/${encodeURIComponent(id)}`);
  } catch (failure) {
    if (shown === id) panel.replaceChildren(head([failure.message], onClose));
    return;
  } finally {
    clearTimeout(slow);
    panel.removeAttribute("aria-busy");
  }
  if (shown !== id) return;
  panel.replaceChildren(...view(log, onClose));
  panel.scrollTop = 0;
}

export function hideDetail() {
  shown = null;
  panel.hidden = true;
  panel.replaceChildren();
}

function head(content, onClose) {
  return h("header", { class: "detail-head" },
    h("button", { type: "button", class: "close", "aria-label": "Close", title: "Close (Esc)", click: onClose }, "✕"),
    ...content);
}

function view(log, onClose) {
  const entry = log.request?.log?.entries?.[0] ?? {};
  const request = entry.request ?? {};
  const response = entry.response ?? {};
  const { summary, redacted, withheld, sent, is_complete: isComplete } = log.inspector;
  const note = h("p", { class: "note rule-note", role: "status", hidden: true });
  const explain = (path, isJson) => {
    note.hidden = false;
    note.replaceChildren("To redact ", h("b", {}, path), ": ", h("code", {}, rule(path, isJson)), " ",
      button("Copy", () => copy("Rule", rule(path, isJson))));
  };
  const replayBox = h("div", { class: "replay-box", hidden: true });
  const id = log._id;
  const path = `/api/logs/${encodeURIComponent(id)}`;
  const sides = h("div", { class: "sides" },
    side("Request", [
      pairs("Query", request.queryString, (name) => explain(name, false)),
      pairs("Headers", request.headers, (name) => explain(name, false)),
      body("Body", request.postData?.text, request.postData?.mimeType, request.bodySize, request.postData?.params, explain),
    ]),
    side("Response", [
      pairs("Headers", response.headers, (name) => explain(name, false)),
      body("Body", response.content?.text, response.content?.mimeType, response.bodySize, null, explain),
    ]));
  return [
    head([
      h("h2", {},
        h("span", { class: "method" }, summary.method || "–"), " ",
        h("span", { class: "url" }, ...marked(readable(String(request.url ?? summary.path))))),
      h("p", { class: "facts" },
        h("b", { class: statusClass(summary.status) }, [summary.status ?? "–", response.statusText].filter(Boolean).join(" ")),
        fact(`${milliseconds(summary.ms)} ms`), fact(clock(summary.time)), fact(summary.caller),
        log.group?.email && log.group.email !== summary.caller ? fact(log.group.email) : null,
        fact(log.clientIPAddress), named("route", summary.route), named("trace", summary.trace), summary.replay ? fact("replay") : null, summary.development ? fact("development") : null,
        summary.answer ? h("span", { class: summary.answer < 300 ? "s2" : "s5" }, `ReadMe answered ${summary.answer}`) : null),
      h("div", { class: "tools" },
        button("Copy as curl", async () => copy("curl", await text(`${path}/curl`))),
        button("Copy as HAR", async () => copy("HAR", await text(`${path}/har`))),
        button("Copy link", () => copy("Link", `${location.origin}/#log=${encodeURIComponent(id)}`)),
        button("Replay…", () => openReplay(replayBox, id, path)),
        find(sides)),
    ], onClose),
    replayBox,
    verdict(redacted, withheld, sent, isComplete, summary),
    note,
    sides,
    h("details", { class: "raw", toggle: (event) => {
      const box = event.target;
      if (box.open && box.childElementCount === 1) {
        const { inspector: _, ...own } = log;
        box.append(bodyView(JSON.stringify(own)));
      }
    } }, h("summary", {}, "The whole log, as it is sent")),
  ];
}

const fact = (content) => (content ? h("span", {}, String(content)) : null);

// A fact that needs its name in front.
const named = (name, content) => (content ? h("span", { class: `fact-${name}` }, `${name} `, h("code", {}, content)) : null);

function button(label, click) {
  return h("button", { type: "button", click: async () => {
    try {
      await click();
    } catch (failure) {
      toast(failure.message);
    }
  } }, label);
}

// What was redacted or withheld, and why; what is sent and looks like a secret, and the rule that would redact it.
function verdict(redacted, withheld, sent, isComplete, summary) {
  const lines = [
    ...redacted.map((item) => place("redacted", item.where, item.path, item.rule)),
    ...withheld.map((item) => place("withheld", item.where, "the whole body", item.reason)),
    ...sent.map((item) => place("sent", item.where, item.path, item.why, item.needed)),
  ];
  const parts = [
    `${count(redacted.length)} redacted`,
    withheld.length ? `${count(withheld.length)} withheld` : null,
    sent.length ? `${count(sent.length)} sent and worth a look` : "nothing else looks like a secret",
  ].filter(Boolean);
  return h("details", { class: sent.length ? "verdict warn" : "verdict", open: lines.length > 0 && lines.length <= 12 },
    h("summary", {}, parts.join(" · "), isComplete ? "" : " · too many values to check them all",
      summary.redacted > redacted.length ? ` · ${count(summary.redacted)} places in all` : ""),
    h("table", { class: "places" }, h("tbody", {}, ...lines)));
}

function place(kind, where, path, why, needed) {
  return h("tr", { class: kind },
    h("td", {}, h("span", { class: `tag ${kind}` }, kind)), h("td", {}, where), h("td", { class: "mono" }, path),
    h("td", {}, why, needed ? [" – redact it with ", h("code", {}, needed), " ", button("Copy", () => copy("Rule", needed))] : null));
}

const side = (title, parts) => h("section", { class: "side" }, h("h3", {}, title), ...parts.filter(Boolean));

function pairs(title, list, onName) {
  if (!Array.isArray(list) || !list.length) return null;
  return h("details", { open: true },
    h("summary", {}, title, h("span", { class: "muted" }, ` ${list.length}`)),
    h("table", { class: "pairs" }, h("tbody", {}, ...list.map((pair) => h("tr", {},
      h("th", { scope: "row", title: `to redact: ${rule(String(pair?.name), false)}`, click: () => onName(String(pair?.name)) }, String(pair?.name ?? "")),
      h("td", {}, ...value(pair)))))));
}

function value(pair) {
  const content = String(pair?.value ?? "");
  const parts = pair?.fileName !== undefined ? [h("span", { class: "muted" }, `file ${pair.fileName} (content not logged)`)] : marked(content);
  // Only web addresses become links, and a site that is opened does not learn from which page.
  if (/^https?:\/\/[^\s"<>]+$/.test(content)) return [h("a", { href: content, rel: "noreferrer noopener", target: "_blank" }, ...parts)];
  return parts;
}

function body(title, content, type, size, params, explain) {
  const kind = [type, size > 0 ? bytes(size) : null].filter(Boolean).join(", ");
  if (Array.isArray(params) && params.length) return pairs(`Form fields (${kind})`, params, (name) => explain(name, false));
  if (!content) {
    return h("p", { class: "muted" }, size > 0 ? `A body of ${bytes(size)}, not in the log` : "No body");
  }
  return h("details", { open: true },
    h("summary", {}, title, h("span", { class: "muted" }, ` ${kind}`)),
    bodyView(String(content), (path) => explain(path, true)));
}

// Searches what is shown without changing it: the browser highlights the places.
function find(within) {
  if (!("highlights" in CSS)) return null;
  const result = h("span", { class: "muted", role: "status" });
  let ranges = [];
  let at = -1;
  const step = (by) => {
    if (!ranges.length) return;
    at = (at + by + ranges.length) % ranges.length;
    CSS.highlights.set("found", new Highlight(ranges[at]));
    ranges[at].startContainer.parentElement.scrollIntoView({ block: "nearest" });
    result.textContent = `${at + 1} of ${ranges.length}`;
  };
  const search = () => {
    const word = input.value.toLowerCase();
    ranges = [];
    at = -1;
    const walker = document.createTreeWalker(within, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); word && node && ranges.length < 1000; node = walker.nextNode()) {
      const content = node.data.toLowerCase();
      for (let index = content.indexOf(word); index >= 0; index = content.indexOf(word, index + word.length)) {
        const range = new Range();
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        ranges.push(range);
      }
    }
    CSS.highlights.set("find", new Highlight(...ranges));
    CSS.highlights.delete("found");
    result.textContent = word ? (ranges.length ? `${count(ranges.length)} found` : "not found") : "";
  };
  const input = h("input", { type: "search", placeholder: "Find in this log", "aria-label": "Find in this log", input: search,
    keydown: (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      step(event.shiftKey ? -1 : 1);
    } });
  return h("span", { class: "find" }, input, result);
}

async function openReplay(box, id, path) {
  if (!box.hidden) {
    box.hidden = true;
    return;
  }
  const draft = await api(`${path}/draft`);
  const method = h("input", { "aria-label": "Method", class: "mono", value: draft.method, size: "8" });
  const url = h("input", { "aria-label": "URL", class: "mono url", value: draft.url });
  const headers = h("textarea", { "aria-label": "Headers", class: "mono", rows: "6", spellcheck: "false" });
  headers.value = draft.headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  const content = h("textarea", { "aria-label": "Body", class: "mono", rows: "6", spellcheck: "false" });
  content.value = draft.body;
  const answer = h("div", { class: "answer", role: "status" });
  const send = async () => {
    answer.replaceChildren("Sending…");
    try {
      const reply = await api("/api/replay", {
        id, confirm: true, method: method.value, url: url.value, body: content.value,
        headers: headers.value.split("\n").filter((line) => line.trim()).map((line) => {
          const [name, ...rest] = line.split(":");
          return [name.trim(), rest.join(":").trim()];
        }),
      });
      answer.replaceChildren(
        h("p", {}, h("b", { class: statusClass(reply.status) }, `${reply.status} ${reply.reason}`), ` in ${count(reply.ms)} ms`),
        bodyView(reply.body + (reply.is_cut ? "\n… cut here" : "")));
    } catch (failure) {
      answer.replaceChildren(h("p", { class: "error" }, failure.message));
    }
  };
  box.replaceChildren(
    h("p", {}, "Sends this request again, from this machine to this machine only. Fill in what was redacted."),
    h("div", { class: "line" }, method, url),
    h("div", { class: "columns" }, h("label", {}, "Headers", headers), h("label", {}, "Body", content)),
    h("div", { class: "line" }, button("Send it", send), button("Cancel", () => { box.hidden = true; })),
    answer);
  box.hidden = false;
  url.focus();
}
