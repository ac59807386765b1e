// How a packet is marked: DSCP -> internal priority (cos) -> 802.1p and MPLS, as a picture, with a traced packet on it.

import * as api from "./api.js";
import { h, svg, swap } from "./dom.js";

const COLORS = ["green", "yellow", "red", "custom"]; // 0 to 3, as StarOS counts them
const STAGES = [
  ["inner-dscp", "Inner DSCP", ["access-list"]],
  ["crypto-map", "Crypto map", ["crypto-map", "security-association"]],
  ["outer-dscp", "Outer DSCP", ["outer-dscp"]],
  ["cos", "Priority (cos)", ["internal-priority"]],
  ["l2-mapping-table", "L2 table", ["l2-mapping-table"]],
  ["l2", "On the wire", ["l2-marking"]],
];
const FIELDS = [
  ["source-address", "Source", "209.165.200.225"], ["destination-address", "Destination", "209.165.200.245"],
  ["protocol", "Protocol", "6"], ["source-port", "Source port", "40000"], ["destination-port", "Destination port", "6002"],
  ["tos", "ToS", "0"],
];
const NUMBERS = new Set(["protocol", "source-port", "destination-port", "tos"]);

export class Marking {
  title = "Marking";

  constructor(model) {
    this.model = model;
    this.context = h("select", { name: "context", "aria-label": "Context" });
    this.inputs = FIELDS.map(([name, label, example]) => h("label", {}, label, h("input", { name, value: example, size: 14 })));
    this.said = h("p", { class: "said", role: "status" });
    this.picture = h("div", { class: "picture" });
    this.steps = h("ol", { class: "steps" });
    this.tables = h("div", { class: "tables" });
    this.element = h("div", { class: "marking" },
      h("section", { class: "card" }, h("h2", {}, "The way of a packet"),
        h("form", { class: "trace", onsubmit: (event) => this.#trace(event) },
          h("label", {}, "Context", this.context), this.inputs, h("button", { class: "primary" }, "Trace")),
        this.said, this.picture, this.steps),
      this.tables);
    this.#draw(null);
  }

  update() {
    const names = [...new Set([...this.model.tunnels.values()].map((tunnel) => tunnel.context))];
    if (names.join() !== [...this.context.options].map((option) => option.value).join()) {
      swap(this.context, names.map((name) => h("option", { value: name }, name)));
    }
  }

  async show() {
    const found = await api.get("/data/cryptomap-qos:qos");
    this.qos = found["cryptomap-qos:qos"] ?? {};
    this.#heat();
  }

  async #trace(event) {
    event.preventDefault();
    const input = {};
    for (const [name] of FIELDS) {
      const text = event.target.elements[name].value.trim();
      if (text) input[name] = NUMBERS.has(name) ? Number(text) : text;
    }
    const target = `/data/cryptomap-context:contexts/context=${api.key(this.context.value)}/cryptomap-trace:trace-packet`;
    try {
      const found = await api.call(target, input);
      this.said.textContent = found.protected ? "" : `Not protected: ${found.reason}`;
      this.#draw(found);
      this.#heat(found);
    } catch (fault) {
      this.said.textContent = fault.message;
    }
  }

  #draw(trace) {
    const [width, high, gap] = [150, 84, 34];
    const boxes = STAGES.map(([name, title], at) => {
      const x = at * (width + gap);
      return svg("g", { class: trace ? "stage lit" : "stage", transform: `translate(${x} 0)` },
        at > 0 && svg("path", { class: "arrow", d: `M${-gap + 4} ${high / 2} h${gap - 12} m-6 -5 l6 5 l-6 5` }),
        svg("rect", { width, height: high, rx: 8 }),
        svg("text", { x: 12, y: 24, class: "title" }, title),
        svg("text", { x: 12, y: 54, class: "value" }, trace ? short(value(trace, name)) : "–"),
        svg("text", { x: 12, y: 72, class: "note" }, trace ? short(note(trace, name), 24) : ""));
    });
    const whole = STAGES.length * (width + gap) - gap;
    swap(this.picture, svg("svg", {
      viewBox: `-2 -2 ${whole + 4} ${high + 4}`, role: "img",
      "aria-label": trace ? STAGES.map(([name, title]) => `${title}: ${value(trace, name)}`).join(", ") : "The stages of marking",
    }, boxes));
    const stage = (step) => STAGES.find(([, , names]) => names.includes(step.name))?.[1] ?? step.name;
    swap(this.steps, (trace?.step ?? []).map((step) => h("li", {}, h("b", {}, stage(step)), " ", step.result, h("code", {}, step["decided-by"] ?? ""))));
  }

  #heat(trace) {
    const state = this.qos?.state?.["ip-dscp-iphb-mapping"] ?? [];
    const cells = state.map((row) => ({ text: row.cos, level: row.cos, is: row.configured, lit: row.dscp === trace?.["outer-dscp"], name: `DSCP ${row.dscp} has priority ${row.cos}` }));
    const tables = (this.qos?.["l2-mapping-table"] ?? []).map((table) => ({ name: table.name, rows: table.state["internal-priority"] }));
    const system = this.qos?.["system-default-l2-mapping-table"]?.state?.["internal-priority"];
    if (system) tables.push({ name: "system-default", rows: system });
    swap(this.tables,
      h("section", { class: "card" }, h("h2", {}, "DSCP to priority"), h("p", { class: "dim" }, "Row + column is the DSCP, the cell its internal priority; framed: configured."),
        grid(range(8).map((row) => String(row * 8)), range(8).map((column) => `+${column}`), cells)),
      tables.map((table) => this.#l2(table, trace)));
  }

  #l2({ name, rows }, trace) {
    const lit = (row) => trace?.["l2-mapping-table"] === name && row.cos === trace.cos && row.color === trace.color;
    const cells = rows.map((row) => ({
      text: `${row.pcp}${row.dei ? "d" : ""} · ${row["mpls-tc"]}`, level: row.pcp, is: row.configured, lit: lit(row),
      name: `priority ${row.cos}, ${COLORS[row.color]}: PCP ${row.pcp}${row.dei ? " with DEI" : ""}, MPLS TC ${row["mpls-tc"]}`,
    }));
    return h("section", { class: "card" }, h("h2", {}, `L2 table ${name}`),
      h("p", { class: "dim" }, "PCP (d: drop eligible) · MPLS TC, by priority and color."),
      grid(range(8).map((cos) => `cos ${cos}`), COLORS, cells));
  }
}

const range = (count) => [...Array(count).keys()];
const short = (text, most = 16) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function value(trace, name) {
  if (name === "l2") return `PCP ${trace.pcp}${trace.dei ? "+DEI" : ""} · TC ${trace["mpls-tc"]}`;
  if (name === "crypto-map") return trace["crypto-map"] ?? "none";
  return String(trace[name] ?? "–");
}

function note(trace, name) {
  switch (name) {
    case "crypto-map": return trace["transform-set"] ? `transform set ${trace["transform-set"]}` : "";
    case "outer-dscp": return trace["outer-dscp"] === trace["inner-dscp"] ? "as inside" : "of the SA";
    case "cos": return `color ${COLORS[trace.color] ?? trace.color}`;
    case "l2": return `802.1p value ${trace["dot1p-value"]}`;
    default: return "";
  }
}

function grid(rows, columns, cells) {
  return h("table", { class: "heat" },
    h("thead", {}, h("tr", {}, h("td"), columns.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((name, row) => h("tr", {}, h("th", { scope: "row" }, name),
      cells.slice(row * columns.length, (row + 1) * columns.length).map((cell) => h("td", {
        class: `level${cell.level} ${cell.is ? "set" : ""} ${cell.lit ? "lit" : ""}`, title: cell.name, "aria-label": cell.name,
      }, String(cell.text)))))));
}
