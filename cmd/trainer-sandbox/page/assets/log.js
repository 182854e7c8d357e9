// The tail of training.log with a search.

import { bytes, fetchJSON, h, objectURL, section } from "./dom.js";

const TAIL = 256 * 1024; // bytes read from the end

// What a terminal would take for colours and cursor moves.
const ANSI = /\x1b\[[0-9;?]*[A-Za-z]/g;

export class Log {
  constructor(job) {
    this.key = `logs/job-${job}/training.log`;
    this.lines = [];
    this.version = "";
    this.current = -1;
    this.box = h("input", { type: "search", placeholder: "Search the log ( / )", "aria-label": "Search the log", oninput: () => this.search(), onkeydown: (e) => this.next(e) });
    this.count = h("output", { class: "quiet", "aria-live": "polite" });
    this.text = h("pre", { class: "log", tabindex: "0", "aria-label": "training.log" });
    this.link = h("a", { href: objectURL(this.key, true), hidden: true }, "download");
    this.element = section("log", "Log", h("div", { class: "switches" }, this.box, this.count, this.link), this.text);
    document.addEventListener("keydown", (e) => this.shortcut(e));
  }

  shortcut(event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || /input|textarea|select/i.test(event.target.tagName)) return;
    event.preventDefault();
    this.box.focus();
  }

  // refresh reads the object again when it has changed.
  async refresh() {
    const { objects } = await fetchJSON(`/_sandbox/objects?prefix=${encodeURIComponent(this.key)}`);
    const object = objects.find((one) => one.key === this.key);
    this.element.hidden = false;
    if (!object) {
      this.text.textContent = "The log is in the bucket once the agent has put it there.";
      return;
    }
    const version = `${object.modified} ${object.size}`;
    if (version === this.version) return;
    this.version = version;
    const cut = object.size > TAIL;
    const response = await fetch(objectURL(this.key), cut ? { headers: { Range: `bytes=-${TAIL}` } } : {});
    const text = await response.text();
    this.lines = text.replace(ANSI, "").replace(/\n$/, "").split("\n");
    if (cut) this.lines[0] = `… the last ${bytes(TAIL)} of ${bytes(object.size)}`;
    this.link.hidden = false;
    this.show();
  }

  show() {
    const atEnd = this.text.scrollTop + this.text.clientHeight >= this.text.scrollHeight - 4;
    this.search();
    if (atEnd && !this.box.value) this.text.scrollTop = this.text.scrollHeight;
  }

  // search marks every match; an empty search shows the plain log.
  search() {
    const wanted = this.box.value.toLowerCase();
    this.current = -1;
    if (!wanted) {
      this.text.textContent = this.lines.join("\n");
      this.count.textContent = `${this.lines.length} lines`;
      return;
    }
    const parts = [];
    let matches = 0;
    for (const line of this.lines) {
      const lower = line.toLowerCase();
      let from = 0;
      for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
        parts.push(line.slice(from, at), h("mark", {}, line.slice(at, at + wanted.length)));
        from = at + wanted.length;
        matches++;
      }
      parts.push(line.slice(from) + "\n");
    }
    this.text.replaceChildren(...parts);
    this.count.textContent = matches === 1 ? "1 match" : `${matches} matches`;
    if (matches) this.go(0);
  }

  next(event) {
    if (event.key === "Escape") { this.box.value = ""; this.search(); }
    if (event.key === "Enter") { event.preventDefault(); this.go(this.current + (event.shiftKey ? -1 : 1)); }
  }

  go(index) {
    const marks = this.text.querySelectorAll("mark");
    if (!marks.length) return;
    marks[this.current]?.classList.remove("current");
    this.current = (index + marks.length) % marks.length;
    const mark = marks[this.current];
    mark.classList.add("current");
    this.text.scrollTop = mark.offsetTop - this.text.clientHeight / 2;
    this.count.textContent = `${this.current + 1} of ${marks.length}`;
  }
}
