// Numbers per endpoint and per caller, and two charts over time.

import { $, api, bytes, clock, count, h, milliseconds, svg } from "./dom.js";

const view = $("view-numbers");
let minutes = 60;
let timer = 0;

export async function showNumbers() {
  clearTimeout(timer);
  if (view.hidden || document.hidden) return;
  try {
    render(await api(`/api/stats?minutes=${minutes}`));
  } catch (failure) {
    view.replaceChildren(h("p", { class: "empty error" }, failure.message));
  }
  timer = setTimeout(showNumbers, 5000);
}

function render(stats) {
  const focus = document.activeElement?.dataset?.minutes;
  const spans = [5, 60, 1440].map((span) => h("button", { type: "button", "data-minutes": span, "aria-pressed": String(span === minutes), click: () => {
    minutes = span;
    showNumbers();
  } }, span === 1440 ? "24 h" : `${span} min`));
  const total = stats.total;
  view.replaceChildren(
    h("div", { class: "numbers-head" }, h("div", { class: "chips", role: "group", "aria-label": "Period" }, ...spans),
      h("p", {}, `${count(total.count)} requests, ${percent(total.error_share)} errors, half within ${shown(total.p50)}, 95 % within ${shown(total.p95)}`)),
    h("div", { class: "charts" },
      chart("Requests", stats.series, (bucket) => [bucket.count - bucket.errors, bucket.errors], count),
      chart("p95, ms", stats.series, (bucket) => [bucket.p95 ?? 0], milliseconds)),
    table("Endpoints", ["Method", "Path"], stats.endpoints, (row) => [row.method, row.path]),
    table("Callers", ["Caller"], stats.callers, (row) => [row.caller || "–"]));
  if (focus) view.querySelector(`[data-minutes="${focus}"]`)?.focus();
}

const shown = (ms) => (ms === null ? "–" : `${milliseconds(ms)} ms`);
const percent = (share) => `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

function table(title, names, rows, cells) {
  const numbers = ["Count", "Errors", "p50 ms", "p95 ms", "p99 ms", "Bytes"];
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    h("table", { class: "numbers" },
      h("caption", {}, title),
      h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col" }, name)), ...numbers.map((name) => h("th", { scope: "col", class: "num" }, name)))),
      h("tbody", {}, ...rows.slice(0, 200).map((row) => h("tr", {},
        ...cells(row).map((cell) => h("td", { class: "mono" }, cell)),
        h("td", { class: "num" }, count(row.count)),
        h("td", { class: row.errors ? "num s5" : "num" }, percent(row.error_share)),
        h("td", { class: "num" }, milliseconds(row.p50)), h("td", { class: "num" }, milliseconds(row.p95)),
        h("td", { class: "num" }, milliseconds(row.p99)), h("td", { class: "num" }, bytes(row.bytes))))),
      rows.length ? null : h("tbody", {}, h("tr", {}, h("td", { colspan: names.length + 6, class: "muted" }, "Nothing in this period")))));
}

const WIDTH = 600;
const HEIGHT = 120;

// Stacked bars: the first of `values` is the lowest, and each has a colour of its own.
function chart(title, series, values, label) {
  const sums = series.map((bucket) => values(bucket).reduce((sum, number) => sum + number, 0));
  const most = Math.max(...sums, 0);
  const step = WIDTH / series.length;
  const bars = series.flatMap((bucket, index) => {
    let top = HEIGHT;
    return values(bucket).map((number, layer) => {
      const height = most ? (number / most) * (HEIGHT - 4) : 0;
      top -= height;
      return height ? svg("rect", { x: (index * step + 1).toFixed(1), y: top.toFixed(1), width: (step - 2).toFixed(1), height: height.toFixed(1), class: `layer${layer}` }) : null;
    }).filter(Boolean);
  });
  const times = [series[0], series[Math.floor(series.length / 2)], series.at(-1)].map((bucket) => clock(new Date(bucket.at * 1000).toISOString()).slice(0, 5));
  return h("figure", {},
    h("figcaption", {}, title, h("span", { class: "muted" }, ` up to ${label(most)}`)),
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title} over time, up to ${label(most)}` },
      svg("line", { x1: 0, y1: HEIGHT - 0.5, x2: WIDTH, y2: HEIGHT - 0.5, class: "axis" }), ...bars),
    h("div", { class: "times", "aria-hidden": "true" }, ...times.map((time) => h("span", {}, time))));
}
