// What somebody should look at: tunnels that are down, DSCPs that wait, a backend that does not follow.

import { chip, h, swap, when } from "./dom.js";
import { reapply } from "./model.js";
import { reapplyButton } from "./tunnels.js";

export function alarmsOf(model) {
  const found = [];
  const backend = model.platform?.backend;
  if (backend && backend.health !== "connected") {
    found.push({ kind: "down", title: `Backend ${backend.name} is ${backend.health}`, text: backend["last-error"] ?? "" });
  }
  for (const text of model.platform?.violation ?? []) found.push({ kind: "down", title: "Running breaks a rule on this platform", text });
  for (const tunnel of model.tunnels.values()) {
    const title = `${tunnel.context} / ${tunnel.name} on ${tunnel.iface}`;
    if (tunnel.status === "down" || tunnel.status === "unknown") {
      found.push({ kind: "down", title, text: tunnel.state["last-error"] ?? "The tunnel is down.", since: tunnel.state["last-change"], tunnel });
    } else if (tunnel.status === "negotiating" && tunnel.state["last-error"]) {
      found.push({ kind: "negotiating", title, text: tunnel.state["last-error"], since: tunnel.state["last-change"], tunnel });
    } else if (tunnel.status === "incomplete") {
      found.push({ kind: "incomplete", title, text: tunnel.state["last-error"] ?? "Something is missing.", tunnel });
    }
  }
  for (const tunnel of model.pending) {
    found.push({ kind: "waiting", title: `${tunnel.context} / ${tunnel.name} on ${tunnel.iface}`, text: "Its SAs do not have the DSCP that is configured.", tunnel, reapply: true });
  }
  return found;
}

const MOST = 200; // alarms shown

export class Alarms {
  title = "Alarms";

  constructor(model) {
    this.model = model;
    this.element = h("div", { class: "alarms" });
  }

  update() {
    const found = alarmsOf(this.model);
    const all = found.filter((alarm) => alarm.reapply);
    swap(this.element,
      h("section", { class: "card" }, h("h2", {}, found.length ? `${found.length} to look at` : "All is well"),
        all.length > 1 ? h("button", { class: "warn", onclick: () => this.#all(all) }, `Re-apply all ${all.length}`) : "",
        h("ul", { class: "list" }, found.slice(0, MOST).map((alarm) => h("li", {}, chip(alarm.kind, alarm.reapply ? "re-apply" : alarm.kind),
          h("div", {}, h("b", {}, alarm.title), h("p", {}, alarm.text)), h("small", {}, when(alarm.since)),
          alarm.reapply ? reapplyButton(this.model, alarm.tunnel) : ""))),
        found.length > MOST ? h("p", { class: "dim" }, `and ${found.length - MOST} more`) : ""),
      h("section", { class: "card" }, h("h2", {}, "Events"), this.model.news.length ? h("ul", { class: "list events" }, this.model.news.slice(0, 50).map(line)) : h("p", { class: "dim" }, "None since this page was opened.")));
  }

  async #all(alarms) {
    
    for (const { tunnel } of alarms) {
      try {
        await reapply(tunnel);
      } finally {
        await this.model.refresh(tunnel);
      }
    }
  }
}

function line({ name, content, time }) {
  const about = [content.context, content["crypto-map"], content.interface].filter(Boolean).join(" / ");
  const who = content["changed-by"]?.username ?? content.username ?? "";
  return h("li", {}, h("small", {}, when(time)), h("b", {}, name.split(":")[1]), h("span", {}, [about, who, content.reason].filter(Boolean).join(" · ")));
}
