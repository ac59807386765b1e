// What the server says, kept up to date: tunnels by streaming and by events, the platform now and then.

import * as api from "./api.js";

const STATE = "state(status;last-error;last-change;remote-gateway;local-gateway;reapply-pending;applied;statistics)";
const TUNNELS = `/data/cryptomap-context:contexts?fields=context(name;interface(name;cryptomap-ipsec:crypto-map(name;${STATE})))`;
const FEW = 200; // tunnels that are all read again for their counters; of more, those in view

export const STATUSES = ["up", "negotiating", "waiting", "down", "incomplete", "unknown"];

export class Model extends EventTarget {
  tunnels = new Map();
  platform = null;
  modified = false;
  isLive = false;
  isLoading = false;
  news = []; // the last events
  seen = () => []; // the tunnels somebody looks at
  #stop = new AbortController();
  #again = null;
  #timer = null;

  start() {
    this.load();
    this.#listen();
    this.#timer = setInterval(() => this.#poll(), 3000);
  }

  stop() {
    this.#stop.abort();
    clearInterval(this.#timer);
  }

  counts() {
    const found = Object.fromEntries(STATUSES.map((status) => [status, 0]));
    for (const tunnel of this.tunnels.values()) found[tunnel.status] = (found[tunnel.status] ?? 0) + 1;
    return found;
  }

  get pending() {
    return [...this.tunnels.values()].filter((tunnel) => tunnel.state["reapply-pending"]);
  }

  async load() {
    this.isLoading = true;
    const seen = new Set();
    let told = 0;
    try {
      await api.each(TUNNELS, "crypto-map", (entry, [context, iface]) => {
        seen.add(this.#take(context, iface, entry));
        if (performance.now() - told > 500) {
          told = performance.now();
          this.#changed();
        }
      }, this.#stop.signal);
      for (const id of this.tunnels.keys()) if (!seen.has(id)) this.tunnels.delete(id);
    } finally {
      this.isLoading = false;
      this.#changed();
    }
    await this.#platform();
  }

  async refresh(tunnel) {
    const target = `${path(tunnel)}?fields=name;${STATE}`;
    try {
      const found = await api.get(target);
      this.#take(tunnel.context, tunnel.iface, Object.values(found)[0][0]);
    } catch (fault) {
      if (fault.status === 404) this.tunnels.delete(tunnel.id);
    }
    this.#changed();
  }

  #take(context, iface, entry) {
    const id = `${context}\n${entry.name}\n${iface}`;
    const state = entry.state ?? {};
    const before = this.tunnels.get(id);
    this.tunnels.set(id, {
      id, context, iface, name: entry.name, state, status: state.status ?? "unknown",
      text: `${context} ${entry.name} ${iface} ${state["remote-gateway"] ?? ""} ${state.status}`.toLowerCase(),
      before: before?.state.statistics,
    });
    return id;
  }

  async #platform() {
    const found = await api.get("/data/cryptomap-platform:platform?fields=role;type;violation;backend(name;health;last-error)");
    this.platform = found["cryptomap-platform:platform"];
    this.#changed();
  }

  async #poll() {
    if (!api.user() || document.hidden || this.isLoading) return;
    if (this.tunnels.size <= FEW) return void this.load().catch(() => {});
    await Promise.all(this.seen().slice(0, 40).map((tunnel) => this.refresh(tunnel)));
  }

  async #listen() {
    while (!this.#stop.signal.aborted) {
      try {
        await api.events((name, content, time) => this.#heard(name, content, time), () => this.#live(true), this.#stop.signal);
      } catch { /* the connection is tried again */ }
      this.#live(false);
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }

  #live(isLive) {
    this.isLive = isLive;
    this.#changed();
  }

  #heard(name, content, time) {
    this.news.unshift({ name, content, time });
    this.news.length = Math.min(this.news.length, 200);
    if (name.startsWith("cryptomap-ipsec:") && content["crypto-map"]) {
      const { context, "crypto-map": map, interface: iface } = content;
      this.refresh({ id: `${context}\n${map}\n${iface}`, context, name: map, iface });
    }
    if (name === "ietf-netconf-notifications:netconf-config-change") this.#soon();
    this.dispatchEvent(new CustomEvent("heard", { detail: { name, content, time } }));
  }

  #soon() {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.load().catch(() => {}), 200);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** The binding of a crypto map to its interface. */
export function path({ context, iface, name }) {
  const interfaceOf = `/data/cryptomap-context:contexts/context=${api.key(context)}/interface=${api.key(iface)}`;
  return `${interfaceOf}/cryptomap-ipsec:crypto-map=${api.key(name)}`;
}

export const reapply = (tunnel) => api.call(`${path(tunnel)}/reapply`);
