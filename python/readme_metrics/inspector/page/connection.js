// The connection to the server: the stream of events that the list follows, the dot in the corner, and what stands in
// place of an empty list.

import { $, api, count, h } from "./dom.js";

export class Connection {
  #list;
  #onShowAll;
  #source = null;
  #isConnected = false;

  constructor(list, onShowAll) {
    this.#list = list;
    this.#onShowAll = onShowAll;
  }

  get hasStream() {
    return this.#source !== null;
  }

  // Loads the list anew, and follows it from there.
  async reload() {
    this.close();
    try {
      const answer = await this.#list.reload();
      if (!answer) return;
      showNote([...answer.notes, answer.is_complete ? "" : "This took too long: not all logs were searched."].filter(Boolean).join(" "), false);
      this.#showEmpty();
      this.listen();
    } catch (failure) {
      if (failure.status === 400) showNote(failure.message, true);
      else this.#showFailure(failure);
    }
  }

  // One stream per tab, and none while the tab is hidden.
  listen() {
    this.close();
    if (document.hidden) return;
    const list = this.#list;
    const stream = new EventSource(`/api/events?after=${list.last}&filter=${encodeURIComponent(list.filter)}`);
    this.#source = stream;
    stream.onopen = () => this.#showState("ok", "live");
    stream.onmessage = (event) => list.add(JSON.parse(event.data));
    stream.addEventListener("total", (event) => list.setTotal(JSON.parse(event.data).total));
    for (const name of ["gap", "clear"]) stream.addEventListener(name, () => this.reload());
    stream.onerror = () => {
      if (this.#source !== stream) return;
      this.#showState("bad", "not connected");
      // The browser gives up if the answer is not a stream. The answer to the next request has the reason.
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => this.#source === stream && this.reload(), 2000);
    };
  }

  close() {
    this.#source?.close();
  }

  showPause() {
    if (this.#isConnected) this.#showState("ok", "live");
  }

  // Asks for the server's status every three seconds.
  async watch() {
    if (!document.hidden) {
      try {
        const status = await api("/api/status");
        if (this.#list.filter === "") this.#list.setTotal(status.logs);
        if (this.#isConnected) {
          const bad = status.server.last_error && status.server.refused ? ` · ${count(status.server.refused)} POSTs not accepted` : "";
          this.#showState("ok", [status.command, status.server.forward_to ? "forwarding" : "live"].filter(Boolean).join(" · ") + bad);
          $("status").title = [`listening at ${status.url}`, ...status.sources, status.server.last_error].filter(Boolean).join("\n");
        }
        this.#showEmpty(status);
      } catch {
        // The stream's own error is shown.
      }
    }
    setTimeout(() => this.watch(), 3000);
  }

  #showState(kind, message) {
    this.#isConnected = kind === "ok";
    const isPaused = this.#isConnected && this.#list.isPaused;
    $("status").firstElementChild.dataset.state = isPaused ? "wait" : kind;
    $("status").lastElementChild.textContent = isPaused ? "paused" : message;
  }

  #showFailure(failure) {
    const isOver = failure.status === 403;
    this.#showState("bad", isOver ? "open the new address" : "not connected");
    $("empty").replaceChildren(h("h2", {}, isOver ? "This page's session is over" : "No answer"),
      h("p", {}, isOver ? "readme-metrics inspect has been started again. Open the address that it has printed." : failure.message));
    if (!$("logs").childElementCount) $("empty").hidden = false;
    if (!isOver) setTimeout(() => this.reload(), 2000);
  }

  // What stands in place of an empty list: doctor's findings, unless the filter is the reason.
  #showEmpty(status) {
    if ($("logs").childElementCount) return;
    if (this.#list.filter && this.#list.total) {
      $("empty").replaceChildren(h("h2", {}, "No log matches"), h("p", {}, `None of ${count(this.#list.total)}. `, h("button", { type: "button", click: this.#onShowAll }, "Show all")));
      return;
    }
    if (!status) return;
    $("empty").replaceChildren(
      h("h2", {}, "Waiting for the first log"),
      h("ul", { class: "findings" }, ...status.findings.map((finding) => h("li", { class: finding.is_ok ? "ok" : "broken" },
        h("b", {}, finding.link), " ", finding.detail, finding.advice ? h("span", { class: "advice" }, finding.advice) : null))));
  }
}

// What the server says of the filter.
function showNote(message, isError) {
  $("filter-note").textContent = message;
  $("filter-note").hidden = !message;
  $("filter-note").classList.toggle("error", isError);
  $("filter").setAttribute("aria-invalid", String(isError));
}
