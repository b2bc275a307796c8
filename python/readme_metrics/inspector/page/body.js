// Bodies: JSON laid out without changing a character of its values, everything else as it is.

import { h } from "./dom.js";

const MARKER = /\[(?:REDACTED(?: \d+)?|WITHHELD \d+ bytes: [a-zA-Z ]+|NOT READ \d+|NOT VALID UTF-8|TOO LARGE FOR THE QUEUE)\]|%5BREDACTED(?:%20\d+)?%5D|sha512-[A-Za-z0-9+/]{86}==(?:\?\S{0,16})?/g;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/gy;
const LINES = 1500;
const LAID_OUT_CHARACTERS = 4_000_000;

// The text, with each marker and each masked value in a <mark>.
export function marked(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(MARKER)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    parts.push(h("mark", {}, match[0]));
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}

// A body as an element; a long one gets a button for the rest. A click on a key calls `onKey(path)`.
export function bodyView(text, onKey) {
  const lines = layOut(text);
  const pre = h("pre", { class: "body", tabindex: "0" });
  const box = h("div", { class: "body-box" }, pre);
  let shown = 0;
  const more = h("button", { type: "button", class: "more" });
  const show = () => {
    pre.append(...(lines ? lines.slice(shown, shown + LINES).flatMap(lineNodes) : plain(text, shown)));
    shown += lines ? LINES : LINES * 80;
    const left = (lines ? lines.length : text.length) - shown;
    more.hidden = left <= 0;
    more.textContent = `Show more (${left.toLocaleString("en-US")} ${lines ? "lines" : "characters"} left)`;
  };
  more.addEventListener("click", show);
  show();
  box.append(more);
  pre.addEventListener("click", (event) => {
    const path = event.target.dataset?.path;
    if (path && onKey) onKey(path);
  });
  return box;
}

const plain = (text, from) => marked(text.slice(from, from + LINES * 80));

function lineNodes(line) {
  const nodes = ["  ".repeat(line.depth)];
  for (const token of line.tokens) {
    if (token.path !== undefined) {
      nodes.push(h("span", { class: "key", "data-path": token.path, title: `to redact: ${rule(token.path, true)}` }, token.text));
    } else if (token.text[0] === '"') nodes.push(h("span", { class: "string" }, ...marked(token.text)));
    else nodes.push(token.text);
  }
  nodes.push("\n");
  return nodes;
}

// The configuration that redacts a value. Without `redact_nested`, lists apply to the top level of JSON only.
export function rule(path, isJson) {
  return `denylist=[${JSON.stringify(path)}]` + (isJson && path.includes(".") ? ", redact_nested=True" : "");
}

// Lines of tokens; null if the text is not JSON. JSON.parse alone would lose digits, repeated keys and the order of numeric keys.
function layOut(text) {
  const start = text.trimStart()[0];
  if ((start !== "{" && start !== "[") || text.length > LAID_OUT_CHARACTERS) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const lines = [];
  let line = { depth: 0, tokens: [] };
  const stack = [];
  let key = "";
  const newLine = () => {
    if (line.tokens.length) lines.push(line);
    line = { depth: stack.length, tokens: [] };
  };
  TOKEN.lastIndex = 0;
  let position = 0;
  while (position < text.length) {
    if (text.charCodeAt(position) <= 32) {
      position += 1;
      continue;
    }
    TOKEN.lastIndex = position;
    const match = TOKEN.exec(text);
    if (!match) return null;
    const token = match[0];
    position = TOKEN.lastIndex;
    const top = stack[stack.length - 1];
    if (token === "{" || token === "[") {
      const path = top?.isObject ? join(top.path, key) : top?.path ?? "";
      line.tokens.push({ text: token });
      stack.push({ isObject: token === "{", path, wantsKey: token === "{" });
      newLine();
    } else if (token === "}" || token === "]") {
      const isEmpty = !line.tokens.length && lines.length && lines[lines.length - 1].tokens.at(-1).text === (token === "}" ? "{" : "[");
      stack.pop();
      if (isEmpty) {
        line = lines.pop();
        line.tokens.push({ text: token });
      } else {
        newLine();
        line.tokens.push({ text: token });
      }
    } else if (token === ",") {
      line.tokens.push({ text: "," });
      newLine();
      if (top?.isObject) top.wantsKey = true;
    } else if (token === ":") {
      line.tokens.push({ text: ": " });
    } else if (top?.isObject && top.wantsKey) {
      key = JSON.parse(token);
      line.tokens.push({ text: token, path: join(top.path, key) });
      top.wantsKey = false;
    } else {
      line.tokens.push({ text: token });
    }
  }
  newLine();
  return lines;
}

const join = (path, key) => (path ? `${path}.${key}` : key);
