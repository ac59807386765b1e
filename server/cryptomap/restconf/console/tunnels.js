// Tunnels by context, with their state and counters; one of them in detail, where its DSCP can be changed.

import * as api from "./api.js";
import { bytes, chip, h, swap, when } from "./dom.js";
import { VirtualList } from "./list.js";
import { STATUSES, reapply } from "./model.js";

const CANDIDATE = "/ds/ietf-datastores:candidate/cryptomap-context:contexts";

export class Tunnels {
  title = "Tunnels";
  #status = null;
  #chosen = null;

  constructor(model, go) {
    this.model = model;
    this.go = go;
    this.summary = h("div", { class: "summary", role: "group", "aria-label": "Tunnels by status" });
    this.search = h("input", {
      type: "search", placeholder: "Filter: context, map, interface, peer", "aria-label": "Filter tunnels",
      oninput: () => this.update(),
    });
    this.detail = h("aside", { class: "detail", "aria-label": "Tunnel", hidden: true });
    this.list = new VirtualList({
      height: 44, label: "Tunnels", draw: (row) => this.#row(row), chosen: (row) => row.tunnel && this.#open(row.tunnel),
    });
    const names = ["Crypto map", "Status", "Peer", "DSCP", "In", "Out", "Replay drops", ""];
    const head = h("div", { class: "tunnel head", "aria-hidden": "true" }, names.map((name) => h("span", {}, name)));
    this.empty = h("p", { class: "empty", hidden: true });
    this.element = h("div", { class: "tunnels" },
      h("div", { class: "bar" }, this.summary, this.search),
      h("div", { class: "split" }, h("div", { class: "table" }, head, this.list.element, this.empty), this.detail));
    model.seen = () => this.list.seen.filter((row) => row.tunnel).map((row) => row.tunnel);
  }

  update() {
    const counts = this.model.counts();
    const shown = STATUSES.filter((status) => counts[status] || status === "up" || status === "down");
    swap(this.summary, shown.map((status) => h("button", {
      class: `count ${status}`, "aria-pressed": this.#status === status ? "true" : "false",
      onclick: () => { this.#status = this.#status === status ? null : status; this.update(); },
    }, h("b", {}, String(counts[status])), status)));
    this.list.rows = this.#rows();
    const size = this.model.tunnels.size;
    this.empty.hidden = size > 0 && this.list.seen.length > 0;
    this.empty.textContent = this.model.isLoading ? "Loading…" : size ? "No tunnel matches." : "No crypto map is bound to an interface.";
    if (this.#chosen) this.#live(this.model.tunnels.get(this.#chosen));
  }

  #rows() {
    const wanted = this.search.value.trim().toLowerCase();
    const groups = new Map();
    for (const tunnel of this.model.tunnels.values()) {
      if (this.#status && tunnel.status !== this.#status) continue;
      if (wanted && !tunnel.text.includes(wanted)) continue;
      if (!groups.has(tunnel.context)) groups.set(tunnel.context, []);
      groups.get(tunnel.context).push(tunnel);
    }
    return [...groups].flatMap(([context, tunnels]) => [{ context, count: tunnels.length }, ...tunnels.map((tunnel) => ({ tunnel }))]);
  }

  #row({ tunnel, context, count }) {
    if (!tunnel) return h("div", { class: "group" }, h("b", {}, context), ` ${count} tunnel${count === 1 ? "" : "s"}`);
    const { state } = tunnel;
    const statistics = state.statistics ?? {};
    const drops = Number(statistics["replay-failures"] ?? 0);
    return h("div", { class: `tunnel row ${tunnel.id === this.#chosen ? "chosen" : ""}` },
      h("span", { class: "name" }, h("b", {}, tunnel.name), h("small", {}, tunnel.iface)),
      h("span", {}, chip(tunnel.status, tunnel.status)),
      h("span", { class: "mono" }, state["remote-gateway"] ?? "any"),
      h("span", { class: "mono" }, dscps(state)),
      h("span", { class: "number" }, bytes(statistics["input-bytes"])),
      h("span", { class: "number" }, bytes(statistics["output-bytes"])),
      h("span", { class: `number ${drops ? "bad" : "dim"}` }, String(drops)),
      h("span", {}, state["reapply-pending"] ? reapplyButton(this.model, tunnel) : ""));
  }

  #open(tunnel) {
    this.#chosen = tunnel.id;
    this.detail.hidden = false;
    this.facts = h("dl");
    this.sets = h("div", { class: "sets" });
    swap(this.detail,
      h("header", {}, h("h2", {}, tunnel.name),
        h("button", { class: "plain", "aria-label": "Close", onclick: () => this.#close() }, "✕")),
      h("p", { class: "dim" }, `${tunnel.context} · ${tunnel.iface}`), this.facts, this.sets);
    this.#live(tunnel);
    this.#transformSets(tunnel);
    this.list.refresh();
  }

  #close() {
    this.#chosen = null;
    this.detail.hidden = true;
    this.list.element.focus();
    this.list.refresh();
  }

  #live(tunnel) {
    if (!tunnel) return this.#close();
    const { state } = tunnel;
    const statistics = state.statistics ?? {};
    const facts = {
      Status: chip(tunnel.status, tunnel.status), Reason: state["last-error"], Since: when(state["last-change"]),
      Local: state["local-gateway"], Peer: state["remote-gateway"],
      Received: `${bytes(statistics["input-bytes"])} in ${statistics["input-packets"] ?? 0} packets`,
      Sent: `${bytes(statistics["output-bytes"])} in ${statistics["output-packets"] ?? 0} packets`,
      "Replay drops": statistics["replay-failures"] ?? "0",
    };
    swap(this.facts, Object.entries(facts).filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  }

  #transformSets(tunnel) {
    const applied = tunnel.state.applied ?? [];
    swap(this.sets, h("h3", {}, "DSCP of its ESP packets"), applied.map((item) => this.#set(tunnel, item)));
  }

  #set(tunnel, item) {
    const name = item["transform-set"];
    const input = h("input", { type: "number", min: 0, max: 63, value: item["configured-dscp"] ?? "", placeholder: "copy", "aria-label": `DSCP of ${name}` });
    const said = h("p", { class: "said", role: "status" });
    const change = async (event) => {
      event.preventDefault();
      const target = `${CANDIDATE}/context=${api.key(tunnel.context)}/cryptomap-ipsec:ipsec-transform-set=${api.key(name)}/dscp`;
      try {
        if (input.value === "") await api.remove(target);
        else await api.put(target, { "cryptomap-ipsec:dscp": Number(input.value) });
        this.go("changes");
      } catch (fault) {
        said.textContent = fault.message;
      }
    };
    return h("form", { class: "set", onsubmit: change },
      h("div", {}, h("b", {}, name), h("small", {}, `SAs have ${item["applied-dscp"] ?? "a copy of the inner one"}`)),
      input, h("button", { class: "primary" }, "Plan the change"), said);
  }
}

function dscps(state) {
  const shown = (state.applied ?? []).map((item) => {
    const [has, wants] = [item["applied-dscp"] ?? "copy", item["configured-dscp"] ?? "copy"];
    return has === wants ? `${has}` : `${has} → ${wants}`;
  });
  return shown.join(", ");
}

export function reapplyButton(model, tunnel) {
  const button = h("button", {
    class: "warn", title: "Give the live SAs the DSCP that is configured",
    onclick: async () => {
      button.disabled = true;
      try {
        await reapply(tunnel);
      } catch (fault) {
        button.title = fault.message;
      }
      await model.refresh(tunnel);
    },
  }, "Re-apply");
  return button;
}

