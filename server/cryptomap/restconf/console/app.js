// The frame: log in, choose a view, and the signs that are always in sight.

import * as api from "./api.js";
import { Alarms, alarmsOf } from "./alarms.js";
import { Changes, History } from "./changes.js";
import { h, swap } from "./dom.js";
import { Marking } from "./marking.js";
import { Model } from "./model.js";
import { Tunnels } from "./tunnels.js";

const app = document.getElementById("app");
const THEMES = ["auto", "light", "dark"];

function theme(next) {
  const chosen = next ?? localStorage.getItem("theme") ?? "auto";
  localStorage.setItem("theme", chosen);
  document.documentElement.dataset.theme = chosen;
  return chosen;
}

function loginPage(message = "") {
  const said = h("p", { class: "said", role: "alert" }, message);
  const enter = async (name, password) => {
    said.textContent = "";
    try {
      await api.logIn(name, password);
      frame();
    } catch (fault) {
      said.textContent = fault.status === 401 ? "That user and password do not fit." : fault.message;
    }
  };
  const form = h("form", { class: "login card", onsubmit: (event) => {
    event.preventDefault();
    enter(event.target.elements.user.value, event.target.elements.password.value);
  } },
  h("h1", {}, h("img", { src: "icon.svg", alt: "", width: 28, height: 28 }), "cryptomap"),
  h("label", {}, "User", h("input", { name: "user", autocomplete: "username", required: true, autofocus: true })),
  h("label", {}, "Password", h("input", { name: "password", type: "password", autocomplete: "current-password", required: true })),
  h("button", { class: "primary" }, "Log in"),
  h("button", { type: "button", class: "plain", onclick: () => enter("", "") }, "Use my client certificate"), said);
  swap(app, h("main", { id: "main", class: "door" }, form));
  form.elements.user.focus();
}

function frame() {
  const model = new Model();
  const views = {};
  const go = (name) => { location.hash = name; };
  Object.assign(views, {
    tunnels: new Tunnels(model, go), marking: new Marking(model), changes: new Changes(model, go), history: new History(model), alarms: new Alarms(model),
  });
  const links = Object.fromEntries(Object.entries(views).map(([name, view]) => [name, h("a", { href: `#${name}` }, view.title, h("span", { class: "badge", hidden: true }))]));
  const health = h("span", { class: "health", role: "status" });
  const themeButton = h("button", { class: "plain", onclick: () => { themeButton.textContent = label(theme(THEMES[(THEMES.indexOf(theme()) + 1) % 3])); } }, label(theme()));
  const main = h("main", { id: "main", tabindex: -1 });
  let shown = null;

  function badge(name, count) {
    const sign = links[name].querySelector(".badge");
    sign.hidden = !count;
    sign.textContent = count > 999 ? "999+" : String(count || "");
  }

  let waits = false;
  function update() {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      const backend = model.platform?.backend;
      swap(health, h("span", { class: `dot ${model.isLive ? "up" : "down"}` }), model.isLive ? "live" : "reconnecting",
        backend ? h("span", { class: "dim" }, ` · ${backend.name} ${backend.health}`) : "");
      badge("alarms", alarmsOf(model).length);
      badge("changes", model.modified ? 1 : 0);
      views[shown]?.update?.();
    });
  }

  async function show() {
    const name = location.hash.slice(1) in views ? location.hash.slice(1) : "tunnels";
    const isNew = name !== shown;
    shown = name;
    for (const [other, link] of Object.entries(links)) link.setAttribute("aria-current", other === name ? "page" : "false");
    document.title = `${views[name].title} · cryptomap`;
    if (isNew) swap(main, h("h1", { class: "sr" }, views[name].title), views[name].element);
    update();
    try {
      await views[name].show?.();
    } catch (fault) {
      swap(main, h("p", { class: "said" }, fault.message));
    }
  }

  model.addEventListener("change", update);
  addEventListener("hashchange", show);
  swap(app, h("header", { class: "top" },
    h("a", { class: "brand", href: "#tunnels" }, h("img", { src: "icon.svg", alt: "", width: 22, height: 22 }), "cryptomap"),
    h("nav", { "aria-label": "Views" }, Object.values(links)), h("span", { class: "grow" }), health, themeButton,
    h("button", { class: "plain", onclick: () => { model.stop(); api.logOut(); removeEventListener("hashchange", show); loginPage(); } }, `Log out ${api.user()}`)), main);
  model.start();
  show();
  api.call("cryptomap-server:plan").then((plan) => { model.modified = Boolean(plan.diff); update(); }).catch(() => {});
  globalThis.cryptomap = { model };
}

const label = (name) => ({ auto: "◐ auto", light: "☀ light", dark: "☾ dark" })[name];

theme();
loginPage();
