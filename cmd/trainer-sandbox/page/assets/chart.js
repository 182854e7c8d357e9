// A line chart in SVG: hover or arrow keys read values, the legend hides series.

import { h, number, s } from "./dom.js";

const WIDTH = 420;
const HEIGHT = 210;
const PAD = { left: 50, right: 12, top: 12, bottom: 30 };
const COLORS = 8; // classes c0 … c7 of the style sheet
const MOST = 600; // points drawn of one series

export class Chart {
  // xName is what the horizontal axis counts, for example "epoch"; fromZero keeps
  // small changes of a large value from looking like large ones.
  constructor(title, xName, { xText = number, fromZero = false } = {}) {
    this.title = title;
    this.fromZero = fromZero;
    this.xName = xName;
    this.xText = xText;
    this.hidden = new Set();
    this.series = [];
    this.at = -1; // index of the x that is read, -1 for none
    this.svg = s("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", tabindex: "0",
      onpointermove: (e) => this.point(e), onpointerleave: () => this.read(-1), onblur: () => this.read(-1), onkeydown: (e) => this.key(e),
    });
    this.legend = h("div", { class: "legend" });
    this.readout = h("output", { class: "readout", "aria-live": "polite" });
    this.element = h("figure", { class: "chart", hidden: true }, h("figcaption", {}, title), this.svg, this.readout, this.legend);
  }

  update(series) {
    this.series = series.filter((one) => one.points.length).map((one) => ({ ...one, points: thin(one.points) }));
    this.element.hidden = this.series.length === 0;
    if (!this.element.hidden) this.draw();
  }

  shown() { return this.series.filter((one) => !this.hidden.has(one.name)); }

  draw() {
    const points = this.shown().flatMap((one) => one.points);
    this.xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
    this.x = scale(range(points.map(([x]) => x)), [PAD.left, WIDTH - PAD.right]);
    const ys = points.map(([, y]) => y);
    this.y = scale(padded(range(this.fromZero ? [0, ...ys] : ys)), [HEIGHT - PAD.bottom, PAD.top]);
    this.cursor = s("g", { class: "cursor" });
    this.svg.replaceChildren(this.grid(), ...this.series.map((one, i) => this.line(one, i)), this.cursor);
    this.svg.setAttribute("aria-label", this.describe());
    this.drawLegend();
    this.read(this.at);
  }

  grid() {
    const group = s("g", { class: "grid" });
    for (const v of ticks(this.y.from, 4)) {
      group.append(s("line", { x1: PAD.left, x2: WIDTH - PAD.right, y1: this.y.at(v), y2: this.y.at(v) }),
        s("text", { x: PAD.left - 6, y: this.y.at(v) + 4, "text-anchor": "end" }, number(v)));
    }
    for (const v of ticks(this.x.from, this.xName === "epoch" ? 6 : 3, this.xName === "epoch")) {
      const at = this.x.at(v);
      group.append(s("text", { x: at, y: HEIGHT - 12, "text-anchor": at > WIDTH - 40 ? "end" : "middle" }, this.xText(v)));
    }
    group.append(s("text", { class: "axis", x: WIDTH - PAD.right, y: HEIGHT - 1, "text-anchor": "end" }, this.xName));
    return group;
  }

  line(one, i) {
    if (this.hidden.has(one.name)) return s("g");
    const at = one.points.map(([x, y]) => [this.x.at(x), this.y.at(y)]);
    const path = at.map(([x, y], n) => `${n ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    const dots = at.length <= 40 ? at.map(([x, y]) => s("circle", { cx: x, cy: y, r: 2.4 })) : [];
    return s("g", { class: `line c${i % COLORS}`, "data-series": one.name }, s("path", { d: path }), ...dots);
  }

  drawLegend() {
    const focused = document.activeElement?.parentElement === this.legend ? document.activeElement.textContent : null;
    this.legend.replaceChildren(...this.series.map((one, i) => h("button", {
      type: "button", class: `key c${i % COLORS}`, "aria-pressed": String(!this.hidden.has(one.name)), onclick: () => this.toggle(one.name),
    }, h("span", { class: "swatch", "aria-hidden": "true" }), one.name)));
    if (focused) [...this.legend.children].find((b) => b.textContent === focused)?.focus();
  }

  toggle(name) {
    if (this.hidden.has(name)) this.hidden.delete(name);
    else this.hidden.add(name);
    this.draw();
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    let nearest = -1;
    this.xs.forEach((value, i) => {
      if (nearest < 0 || Math.abs(this.x.at(value) - x) < Math.abs(this.x.at(this.xs[nearest]) - x)) nearest = i;
    });
    this.read(nearest);
  }

  key(event) {
    const last = this.xs.length - 1;
    const next = { ArrowRight: Math.min(last, this.at + 1), ArrowLeft: this.at < 0 ? last : Math.max(0, this.at - 1), Home: 0, End: last, Escape: -1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.read(next);
  }

  // read shows the values at one x, by its index.
  read(index) {
    this.at = Math.min(index, this.xs.length - 1);
    this.cursor.replaceChildren();
    if (this.at < 0) {
      this.readout.textContent = "";
      return;
    }
    const x = this.xs[this.at];
    const values = this.shown().map((one) => [one.name, one.points.find(([px]) => px === x)?.[1]]).filter(([, v]) => v != null);
    this.cursor.append(s("line", { x1: this.x.at(x), x2: this.x.at(x), y1: PAD.top, y2: HEIGHT - PAD.bottom }));
    for (const [, v] of values) this.cursor.append(s("circle", { cx: this.x.at(x), cy: this.y.at(v), r: 4 }));
    this.readout.textContent = `${this.xName} ${this.xText(x)}: ` + values.map(([name, v]) => `${name} ${number(v)}`).join(", ");
  }

  describe() {
    const last = this.shown().map((one) => `${one.name} ${number(one.points.at(-1)[1])}`);
    return `${this.title}. Latest: ${last.join(", ")}. Arrow keys read earlier values.`;
  }
}

// thin keeps at most MOST points, the last one always.
function thin(points) {
  const finite = points.filter(([, y]) => Number.isFinite(y));
  if (finite.length <= MOST) return finite;
  const step = (finite.length - 1) / (MOST - 1);
  return Array.from({ length: MOST }, (_, i) => finite[Math.round(i * step)]);
}

function range(values) {
  return values.length ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] : [0, 1];
}

function padded([low, high]) {
  if (low === high) return [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  return [low - (high - low) * 0.05, high + (high - low) * 0.05];
}

function scale(from, to) {
  const span = from[1] - from[0];
  return { from, at: (v) => (span === 0 ? (to[0] + to[1]) / 2 : to[0] + ((v - from[0]) / span) * (to[1] - to[0])) };
}

// ticks are round numbers within a range: steps of 1, 2 or 5 times a power of ten.
function ticks([low, high], count, whole = false) {
  if (low === high) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  let step = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= raw) ?? raw;
  if (whole) step = Math.max(1, Math.round(step));
  const list = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) list.push(Number(v.toPrecision(12)));
  return list;
}
