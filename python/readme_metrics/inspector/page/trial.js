// Try it: the reader pastes something, and sees what would be sent.

import { $, api, h } from "./dom.js";
import { bodyView, marked } from "./body.js";

const view = $("view-trial");
const KINDS = {
  json: ["JSON", "application/json", '{"user": "jane", "password": "hunter2", "card": {"number": "4111 1111 1111 1111"}}'],
  form: ["Form", "application/x-www-form-urlencoded", "user=jane&password=hunter2"],
  headers: ["Headers", "", "Authorization: Bearer abcdef\nX-Api-Key: 12345\nAccept: */*"],
  har: ["HAR", "", ""],
  text: ["Other text", "text/plain", ""],
};
let isBuilt = false;

export async function showTrial() {
  if (isBuilt) return;
  isBuilt = true;
  const status = await api("/api/status").catch(() => ({}));
  build(status);
}

function build(status) {
  const lists = status.lists;
  const source = h("textarea", { id: "trial-source", class: "mono", rows: "9", spellcheck: "false" });
  source.value = KINDS.json[2];
  const kind = h("select", { id: "trial-kind" }, ...Object.entries(KINDS).map(([value, [label]]) => h("option", { value }, label)));
  const denylist = h("input", { id: "trial-denylist", class: "mono", spellcheck: "false", value: (lists?.denylist ?? ["password", "Authorization", "X-Api-Key"]).join(", ") });
  const allowlist = h("input", { id: "trial-allowlist", class: "mono", spellcheck: "false", value: (lists?.allowlist ?? []).join(", ") });
  const nested = h("input", { id: "trial-nested", type: "checkbox" });
  nested.checked = lists?.redact_nested ?? false;
  const result = h("div", { id: "trial-result", role: "status" });
  let timer = 0;
  let run = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(look, 200);
  };
  const look = async () => {
    const number = ++run;
    const question = { denylist: names(denylist), allowlist: names(allowlist).length || lists?.allowlist ? names(allowlist) : null, redact_nested: nested.checked };
    if (kind.value === "headers" || kind.value === "har") question[kind.value] = source.value;
    else Object.assign(question, { content_type: KINDS[kind.value][1], body: source.value });
    if (!source.value.trim()) {
      result.replaceChildren(h("p", { class: "empty" }, "Paste something on the left."));
      return;
    }
    try {
      const answer = await api("/api/preview", question);
      if (number === run) result.replaceChildren(...outcome(answer));
    } catch (failure) {
      if (number === run) result.replaceChildren(h("p", { class: "error" }, failure.message));
    }
  };
  kind.addEventListener("change", () => {
    source.value = KINDS[kind.value][2];
    look();
  });
  for (const input of [source, denylist, allowlist, nested]) input.addEventListener("input", soon);
  view.replaceChildren(h("div", { class: "trial" },
    h("form", { submit: (event) => event.preventDefault() },
      h("p", { class: "muted" }, status.config
        ? `With the lists of ${status.config}, which you can change here. Nothing leaves this machine.`
        : "With the lists below. To start from your app's lists, give --config module:name. Nothing leaves this machine."),
      field("What", kind), field("Content", source),
      field("denylist", denylist), field("allowlist", allowlist),
      h("label", { class: "check" }, nested, " redact_nested: look at every depth of JSON")),
    result));
  look();
}

const field = (label, input) => h("label", { class: "field" }, h("span", {}, label), input);
const names = (input) => input.value.split(",").map((name) => name.trim()).filter(Boolean);

function outcome(answer) {
  const groups = [
    ["redacted", answer.redacted, (item) => item.rule],
    ["withheld", answer.withheld, (item) => item.reason],
    ["kept", answer.kept, (item) => [item.warning, item.needed].filter(Boolean).join(": ")],
  ];
  return [
    h("p", { class: "sums" }, ...groups.map(([kind, items]) => h("span", {}, h("span", { class: `tag ${kind}` }, kind), ` ${items.length}`))),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Values" }, h("table", { class: "places" },
      h("thead", {}, h("tr", {}, ...["Result", "Where", "Name", "Sent as", "Why"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...groups.flatMap(([kind, items, why]) => items.slice(0, 300).map((item) => h("tr", { class: item.warning ? "sent" : kind },
        h("td", {}, h("span", { class: `tag ${item.warning ? "sent" : kind}` }, kind)), h("td", {}, item.where), h("td", { class: "mono" }, item.path),
        h("td", { class: "mono value" }, ...marked(item.value.slice(0, 200))), h("td", {}, why(item)))))))),
    answer.text ? h("h2", {}, "The body, as it would be sent") : null,
    answer.text ? bodyView(answer.text) : null,
  ].filter(Boolean);
}
