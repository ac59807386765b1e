// What waits in the candidate: what committing it would do, told before it is done. And what was committed, with the way
// back.

import * as api from "./api.js";
import { chip, h, swap, when } from "./dom.js";

const SERVER = "cryptomap-server";

export class Changes {
  title = "Changes";

  constructor(model, go) {
    this.model = model;
    this.go = go;
    this.element = h("div", { class: "changes", "aria-live": "polite" });
  }

  async show() {
    swap(this.element, h("p", { class: "empty" }, "Asking what a commit would do…"));
    try {
      this.#plan(await api.call(`${SERVER}:plan`));
    } catch (fault) {
      swap(this.element, h("p", { class: "said" }, fault.message));
    }
  }

  #plan(plan) {
    this.model.modified = Boolean(plan.diff) || plan.accepted === false;
    this.model.dispatchEvent(new Event("change"));
    if (!this.model.modified) {
      swap(this.element, h("section", { class: "card" }, h("h2", {}, "Nothing to commit"),
        h("p", { class: "dim" }, "The candidate is what is running. Change a DSCP on a tunnel, or edit with any NETCONF or RESTCONF client.")));
      return;
    }
    const message = h("input", { name: "message", placeholder: "Why (goes into the history)", maxlength: 200, "aria-label": "Message of the commit" });
    const said = h("p", { class: "said", role: "status" });
    swap(this.element,
      h("section", { class: "card" }, h("h2", {}, plan.accepted ? "What the commit will do" : "The commit would be refused"),
        outlook(plan), findings("bad", plan.refusal), findings("warn", plan.warning),
        h("form", { class: "commit", onsubmit: (event) => this.#commit(event, message, said) }, message,
          h("button", { class: "primary", disabled: !plan.accepted }, "Commit"),
          h("button", { type: "button", onclick: () => this.#discard(said) }, "Discard")), said),
      h("section", { class: "card" }, h("h2", {}, "Difference"), diff(plan.tree ?? plan.diff)),
      tunnels(plan.tunnel));
  }

  async #commit(event, message, said) {
    event.preventDefault();
    try {
      const text = message.value.trim();
      await api.call("ietf-netconf:commit", text ? { [`${SERVER}:message`]: text } : undefined);
      this.model.load().catch(() => {});
      await this.show();
      this.go("history");
    } catch (fault) {
      said.textContent = fault.message;
    }
  }

  async #discard(said) {
    try {
      await api.call("ietf-netconf:discard-changes");
      await this.show();
    } catch (fault) {
      said.textContent = fault.message;
    }
  }
}

export class History {
  title = "History";

  constructor(model) {
    this.model = model;
    this.commits = h("ul", { class: "commits", "aria-label": "Commits" });
    this.detail = h("div", { class: "commit-detail", "aria-live": "polite" });
    this.element = h("div", { class: "split history" }, this.commits, this.detail);
  }

  async show() {
    const found = await api.call(`${SERVER}:list-commits`, { limit: 200 });
    const commits = found.commit ?? [];
    this.newest = commits[0]?.id;
    swap(this.commits, commits.map((commit) => h("li", {}, h("button", { class: "entry", "data-commit": commit.id, onclick: () => this.#open(commit) },
      h("b", {}, `#${commit.id}`), h("span", {}, commit.message || commit.kind), h("small", {}, `${when(commit.time)} · ${commit.username}`),
      h("small", { class: "mono" }, `+${commit.created} ~${commit.modified} −${commit.deleted}`)))));
    if (commits.length) await this.#open(commits[0]);
    else swap(this.detail, h("p", { class: "empty" }, "Nothing was committed yet."));
  }

  async #open(commit) {
    for (const entry of this.commits.querySelectorAll(".entry")) entry.setAttribute("aria-current", entry.dataset.commit === String(commit.id) ? "true" : "false");
    const found = await api.call(`${SERVER}:get-commit`, { commit: commit.id });
    const said = h("div", { role: "status" });
    const isNewest = commit.id === this.newest;
    swap(this.detail, h("section", { class: "card" }, h("h2", {}, `Commit ${commit.id}`),
      h("p", { class: "dim" }, `${when(commit.time)} by ${commit.username}${commit.source ? ` from ${commit.source}` : ""}: ${commit.message || commit.kind}`),
      isNewest ? h("p", { class: "dim" }, "This is what is running.")
        : h("button", { onclick: () => this.#rehearse(commit, said) }, "Roll back to here…"),
      said), h("section", { class: "card" }, h("h2", {}, "Difference"), diff(found.tree ?? found.diff)));
  }

  /** What the rollback would do, and the button that does it. */
  async #rehearse(commit, said) {
    try {
      const found = await api.call(`${SERVER}:rollback-to`, { commit: commit.id, rehearse: [null] });
      swap(said, h("h3", {}, "The rollback will do this"), outlook(found), findings("warn", found.warning), diff(found.tree ?? found.diff),
        h("button", { class: "primary", onclick: () => this.#roll(commit, said) }, `Roll back to commit ${commit.id}`));
    } catch (fault) {
      swap(said, h("p", { class: "said" }, fault.message));
    }
  }

  async #roll(commit, said) {
    try {
      await api.call(`${SERVER}:rollback-to`, { commit: commit.id });
      this.model.load().catch(() => {});
      await this.show();
    } catch (fault) {
      swap(said, h("p", { class: "said" }, fault.message));
    }
  }
}

const EFFECTS = {
  created: "created", "torn-down": "torn down", "re-established": "re-established", rekeyed: "rekeyed", updated: "updated in place",
  "reapply-pending": "wait for a re-apply", "dropped-sas": "SAs dropped",
};
const GRAVE = new Set(["torn-down", "re-established", "dropped-sas"]);

function outlook(plan) {
  const found = Object.entries(plan.summary ?? {}).filter(([, count]) => count > 0);
  if (!found.length) return h("p", { class: "dim" }, "No tunnel is touched.");
  return h("p", { class: "outlook" }, found.map(([name, count]) => chip(GRAVE.has(name) ? "down" : name === "reapply-pending" ? "waiting" : "up", `${count} ${EFFECTS[name] ?? name}`)));
}

function findings(kind, items = []) {
  return items.map((item) => h("p", { class: `finding ${kind}` }, item.message ?? String(item), item.path ? h("code", {}, item.path) : ""));
}

function tunnels(items = []) {
  if (!items.length) return "";
  return h("section", { class: "card" }, h("h2", {}, "Tunnels"), h("table", { class: "plain" },
    h("thead", {}, h("tr", {}, ["Context", "Crypto map", "Interface", "Effect", "Why"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, items.slice(0, 200).map((item) => h("tr", {}, [item.context, item["crypto-map"], item.interface].map((text) => h("td", {}, text)),
      h("td", {}, chip(GRAVE.has(item.effect) || item.effect === "teardown" || item.effect === "re-establish" ? "down" : "waiting", item.effect)),
      h("td", {}, (item.reason ?? []).join("; ")))))), items.length > 200 ? h("p", { class: "dim" }, `and ${items.length - 200} more`) : "");
}

function diff(text) {
  if (!text) return h("p", { class: "dim" }, "No difference.");
  const lines = text.split("\n");
  const shown = lines.slice(0, 2000).map((line) => h("span", { class: line.startsWith("+") ? "plus" : line.startsWith("-") ? "minus" : "" }, `${line}\n`));
  return h("pre", { class: "diff", tabindex: 0 }, shown, lines.length > 2000 ? `… ${lines.length - 2000} more lines` : "");
}
