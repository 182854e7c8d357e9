// A dozen images of the job with labels and predictions drawn on them.

import { fetchJSON, h, number, s, section } from "./dom.js";

export class Samples {
  constructor(job) {
    this.job = job;
    this.seen = null; // epoch of the samples shown
    this.grid = h("div", { class: "samples" });
    this.note = h("p", { class: "quiet" });
    this.element = section("samples", "Samples", this.note, h("div", { class: "switches" }, this.switch("labels", "Labels"), this.switch("predictions", "Predictions")), this.grid);
  }

  switch(name, text) {
    const box = h("input", { type: "checkbox", checked: true, onchange: () => this.grid.classList.toggle(`no-${name}`, !box.checked) });
    return h("label", { class: `switch ${name}` }, box, " ", text);
  }

  // refresh reads the samples again when there are newer ones.
  async refresh(epoch) {
    if (this.loading || this.seen === epoch) return;
    this.loading = true;
    try {
      const found = await fetchJSON(`/_sandbox/samples/${encodeURIComponent(this.job)}`);
      this.seen = found.epoch;
      this.show(found);
    } catch (error) {
      this.note.textContent = `No samples: ${error.message}`;
      this.element.hidden = false;
    } finally {
      this.loading = false;
    }
  }

  show({ dataset, epoch, images }) {
    this.element.hidden = images.length === 0;
    this.note.textContent = epoch ? `${images.length} validation images of ${dataset}, epoch ${epoch}` : `${images.length} images of ${dataset} with their labels; predictions come with the first validation`;
    this.grid.replaceChildren(...images.map(figure));
  }
}

function figure(image) {
  const photo = h("img", { src: image.url, alt: describe(image), loading: "lazy" });
  const frame = h("div", { class: "frame" }, photo);
  photo.addEventListener("load", () => frame.append(overlay(photo, image)));
  photo.addEventListener("error", () => frame.append(h("span", { class: "quiet" }, "cannot be shown")));
  return h("figure", {}, frame, h("figcaption", {}, h("span", { class: "label" }, whole(image.labels)), " ", h("span", { class: "prediction" }, whole(image.predictions)), " ", h("span", { class: "file" }, image.file)));
}

// whole names the class of an image that has no boxes.
function whole(shapes) {
  const first = (shapes ?? []).find((one) => !one.box);
  return first ? text(first) : "";
}

function text(shape) {
  return shape.confidence == null ? shape.class : `${shape.class} ${number(Math.round(shape.confidence * 100) / 100)}`;
}

function overlay(photo, image) {
  const { naturalWidth: width, naturalHeight: height } = photo;
  const unit = Math.max(width, height) / 160;
  const group = (shapes, name) => s("g", { class: name }, (shapes ?? []).map((shape) => draw(shape, unit)));
  return s("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, group(image.labels, "labels"), group(image.predictions, "predictions"));
}

function draw(shape, unit) {
  const parts = [];
  for (const polygon of shape.polygons ?? []) parts.push(s("polygon", { points: polygon.join(" "), "stroke-width": unit }));
  if (shape.box && !parts.length) {
    const [x1, y1, x2, y2] = shape.box;
    parts.push(s("rect", { x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1), "stroke-width": unit }));
  }
  if (shape.box) parts.push(s("text", { x: shape.box[0], y: captionAt(shape, unit), "font-size": 9 * unit }, text(shape)));
  for (let i = 0; i + 2 < (shape.keypoints?.length ?? 0); i += 3) {
    if (shape.keypoints[i + 2] > 0) parts.push(s("circle", { cx: shape.keypoints[i], cy: shape.keypoints[i + 1], r: 2 * unit }));
  }
  return parts;
}

// captionAt puts labels above their box and predictions below their upper edge,
// so that one does not hide the other.
function captionAt(shape, unit) {
  const top = shape.box[1];
  return shape.confidence == null ? Math.max(9 * unit, top - 2 * unit) : Math.max(18 * unit, top + 10 * unit);
}

function describe(image) {
  const names = (shapes) => (shapes ?? []).map((one) => one.class).join(", ") || "none";
  return `${image.file}: labels ${names(image.labels)}; predictions ${names(image.predictions)}`;
}
