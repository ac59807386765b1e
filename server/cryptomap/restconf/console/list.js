// A list of any length that has elements only for the rows in view. Arrow keys, Page Up and Down, Home and End move the
// selection, Enter opens it (the pattern "listbox" of ARIA, with aria-activedescendant).

import { h } from "./dom.js";

export class VirtualList {
  #rows = [];
  #height;
  #draw;
  #chosen;
  #at = -1;
  #pending = false;

  constructor({ height, label, draw, chosen }) {
    this.#height = height;
    this.#draw = draw;
    this.#chosen = chosen;
    this.space = h("div", { class: "space" });
    this.element = h("div", { class: "virtual", role: "listbox", tabindex: 0, "aria-label": label }, this.space);
    this.element.addEventListener("scroll", () => this.refresh());
    this.element.addEventListener("keydown", (event) => this.#pressed(event));
    this.element.addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row && !event.target.closest("button")) this.#choose(Number(row.dataset.at));
    });
    new ResizeObserver(() => this.refresh()).observe(this.element);
  }

  set rows(rows) {
    this.#rows = rows;
    this.space.style.height = `${rows.length * this.#height}px`;
    this.refresh();
  }

  /** The rows in view. */
  get seen() {
    const { first, last } = this.#range();
    return this.#rows.slice(first, last);
  }

  refresh() {
    if (this.#pending) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.#paint();
    });
  }

  #range() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.#height) - 4);
    const count = Math.ceil((this.element.clientHeight || 600) / this.#height) + 8;
    return { first, last: Math.min(this.#rows.length, first + count) };
  }

  #paint() {
    const { first, last } = this.#range();
    const drawn = [];
    for (let at = first; at < last; at++) {
      const row = this.#draw(this.#rows[at], at);
      row.style.transform = `translateY(${at * this.#height}px)`;
      row.style.height = `${this.#height}px`;
      row.dataset.at = at;
      row.id = `row-${at}`;
      row.setAttribute("role", "option");
      row.setAttribute("aria-posinset", at + 1);
      row.setAttribute("aria-setsize", this.#rows.length);
      row.setAttribute("aria-selected", at === this.#at ? "true" : "false");
      drawn.push(row);
    }
    const focused = this.space.contains(document.activeElement) ? document.activeElement.closest("[data-at]")?.dataset.at : null;
    this.space.replaceChildren(...drawn);
    if (focused) this.space.querySelector(`[data-at="${focused}"] button`)?.focus();
  }

  #pressed(event) {
    if (event.target !== this.element) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#height) - 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" && this.#at >= 0) this.#choose(this.#at);
    else if (event.key in moves) this.#move(this.#at + moves[event.key]);
    else return;
    event.preventDefault();
  }

  #move(to) {
    this.#at = Math.min(this.#rows.length - 1, Math.max(0, to));
    const top = this.#at * this.#height;
    const view = this.element;
    if (top < view.scrollTop) view.scrollTop = top;
    if (top + this.#height > view.scrollTop + view.clientHeight) view.scrollTop = top + this.#height - view.clientHeight;
    view.setAttribute("aria-activedescendant", `row-${this.#at}`);
    this.refresh();
  }

  #choose(at) {
    this.#move(at);
    this.#chosen(this.#rows[at]);
  }
}
