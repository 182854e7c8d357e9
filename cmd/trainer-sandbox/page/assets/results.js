// What a test run or an inference job leaves: its metrics, its tables, its files.

import { bytes, fetchJSON, h, header, number, objectURL, scroller, section } from "./dom.js";
import { classTable, confusionTable } from "./tables.js";

const SHOWN = 60; // files; a folder of drawings is one line

export class Results {
  constructor(job) {
    this.job = job;
    this.metrics = h("div");
    this.sheet = h("div");
    this.files = h("div");
    this.element = section("results", "Results", this.metrics, this.sheet, this.files);
  }

  // show takes the final callback; that of a training has no results_path.
  async show(done) {
    if (!done.results_path || this.path === done.results_path) return;
    this.path = done.results_path;
    const prefix = done.results_path.replace(/^s3:\/\/[^/]+\//, "").replace(/results\.json$/, "");
    this.element.hidden = false;
    this.drawMetrics(done);
    try {
      this.drawFiles(prefix, (await fetchJSON(`/_sandbox/objects?prefix=${encodeURIComponent(prefix)}`)).objects);
    } catch (error) {
      this.files.replaceChildren(h("p", { class: "quiet" }, `No files: ${error.message}`));
    }
  }

  drawMetrics(done) {
    const metrics = Object.entries(done.overall_metrics ?? {});
    const parts = [h("dl", { class: "facts" }, metrics.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, number(value)))))];
    for (const [label, table] of [["Classes of the test run", classTable(done)], ["Confusion matrix of the test run", confusionTable(done)]]) {
      if (table.length) parts.push(scroller(label, {}, table));
    }
    this.metrics.replaceChildren(...parts);
  }

  drawFiles(prefix, objects) {
    const names = objects.map((o) => ({ ...o, name: o.key.slice(prefix.length) }));
    const sheet = names.find((o) => o.name === "contact-sheet.jpg");
    if (sheet) this.sheet.replaceChildren(h("img", { class: "sheet", src: objectURL(sheet.key), alt: "Contact sheet of the images with what was found on them" }));
    const single = names.filter((o) => !o.name.includes("/")).slice(0, SHOWN);
    const folders = Map.groupBy(names.filter((o) => o.name.includes("/")), (o) => o.name.split("/")[0]);
    const rows = [
      ...single.map((o) => h("tr", {}, h("th", { scope: "row" }, h("a", { href: objectURL(o.key, true) }, o.name)), h("td", { class: "n" }, bytes(o.size)))),
      ...[...folders].map(([name, list]) => h("tr", {}, h("th", { scope: "row" }, `${name}/ (${list.length} files)`), h("td", { class: "n" }, bytes(list.reduce((sum, o) => sum + o.size, 0))))),
    ];
    this.files.replaceChildren(scroller("Files", {}, h("table", {}, header(["File", "#Size"]), h("tbody", {}, rows))));
  }
}
