// One job live: everything that its callbacks and the bucket say.

import { badge } from "./jobs.js";
import { Chart } from "./chart.js";
import { bytes, clock, duration, follow, h, header, number, objectURL, scroller, section } from "./dom.js";
import { Job } from "./model.js";
import { Log } from "./log.js";
import { Results } from "./results.js";
import { Samples } from "./samples.js";
import { callRow, classTable, confusionTable } from "./tables.js";

const GIB = 2 ** 30;
const BUCKET_EVERY = 5000; // milliseconds between looks at the bucket while the job runs

export function showJob(main, id) {
  document.title = `${id} · trainer-sandbox`;
  document.getElementById("place").textContent = id;
  const view = new View(new Job(id));
  main.replaceChildren(...view.elements);
  view.draw();
  follow(`/_sandbox/jobs/${encodeURIComponent(id)}/stream`, {
    call(call) { view.take(call); },
    summary() { view.draw(); },
  });
  view.watchBucket();
}

class View {
  constructor(job) {
    this.job = job;
    this.waiting = h("p", { class: "quiet" }, `No callback of ${job.id} has come yet. This page fills as soon as one does.`);
    this.head = h("div", { class: "head" });
    this.failure = h("section", { class: "failure", id: "failure", hidden: true });
    this.timeline = h("ol", { class: "timeline", "aria-label": "Phases" });
    this.loss = new Chart("Losses", "epoch");
    this.metric = new Chart("Metrics", "epoch");
    this.other = new Chart("Other values", "epoch");
    const overTime = { xText: (x) => duration(x * 1000), fromZero: true };
    this.use = new Chart("Use of GPU and CPU, %", "time", overTime);
    this.memory = new Chart("Memory, GiB", "time", overTime);
    this.heat = new Chart("Temperature °C and power W", "time", overTime);
    this.charts = section("curves", "Curves", h("div", { class: "charts" }, [this.loss, this.metric, this.other, this.use, this.memory, this.heat].map((c) => c.element)));
    this.samples = new Samples(job.id);
    this.classes = scroller("Classes", {});
    this.confusion = scroller("Confusion matrix", {});
    this.validation = section("validation", "Latest validation", h("div", { class: "pair" }, this.classes, this.confusion));
    this.files = h("tbody");
    this.checkpoints = section("checkpoints", "Checkpoints", scroller("Checkpoints", {}, h("table", {}, header(["Name", "#Size", "#Epoch", "Metrics", "SHA-256", "File"]), this.files)));
    this.results = new Results(job.id);
    this.log = new Log(job.id);
    this.rows = h("tbody");
    this.kind = h("select", { "aria-label": "Show", onchange: () => this.filter() }, ["events", "everything", "refused, repeated or broken"].map((t) => h("option", {}, t)));
    this.callbacks = section("events", "Events and callbacks", h("div", { class: "switches" }, this.kind), scroller("Events and callbacks", { class: "tall" }, h("table", {}, header(["#Time", "Callback", "What", "#Answer"]), this.rows)));
    this.elements = [this.waiting, this.head, this.failure, this.timeline, this.charts, this.results.element, this.samples.element, this.validation, this.checkpoints, this.callbacks, this.log.element];
  }

  take(call) {
    this.job.apply(call);
    this.rows.prepend(callRow(call, this.job.calls[0]));
    this.filter(this.rows.firstElementChild);
  }

  // filter shows the rows that the person asked for; one row, or all of them.
  filter(only) {
    const wanted = this.kind.selectedIndex;
    for (const row of only ? [only] : this.rows.children) {
      row.hidden = (wanted === 0 && row.dataset.plain === "heartbeat") || (wanted === 2 && row.dataset.odd !== "yes");
    }
  }

  draw() {
    const { job } = this;
    const began = job.calls.length > 0;
    this.waiting.hidden = began;
    for (const part of [this.head, this.timeline]) part.hidden = !began;
    if (!began) return;
    this.drawHead();
    this.drawFailure();
    this.drawTimeline();
    this.drawCurves();
    this.callbacks.hidden = false;
    if (job.validation) this.drawValidation();
    this.drawCheckpoints();
    if (job.done) this.results.show(job.done);
  }

  drawHead() {
    const { job } = this;
    const primary = job.validation?.primary_metric_name;
    const facts = [
      ["Epoch", String(job.epoch)], ["Best", job.best ? `${primary} ${number(job.best.value)} in epoch ${job.best.epoch}` : "–"],
      ["Started", clock(job.started)], [job.done ? "Took" : "Running for", duration((job.done ? job.updated : Date.now()) - job.started)], ["Trace", job.trace],
    ];
    this.head.replaceChildren(...[
      h("h1", {}, job.id, " ", badge(job.state)),
      h("progress", { max: "100", value: String(job.done?.status === "succeeded" ? 100 : job.progress ?? 0), "aria-label": "Progress" }),
      job.done ? null : h("p", { class: "quiet now" }, this.now()),
      h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    ].filter(Boolean));
  }

  // now says in words what is going on.
  now() {
    const { job } = this;
    const t = job.transfer;
    if (t) return `${job.phase || "transfer"}: ${t.what} ${bytes(t.bytes_done)} of ${t.bytes_total ? bytes(t.bytes_total) : "?"} at ${bytes(t.bytes_per_second)}/s`;
    return job.phase || `${number(job.progress)} %`;
  }

  drawFailure() {
    const done = this.job.state === "failed" ? this.job.done : null;
    this.failure.hidden = !done;
    if (!done) return;
    const e = done.error ?? {};
    this.failure.replaceChildren(...[
      h("h2", {}, e.code ?? "Failed"), h("p", { class: "message" }, e.message ?? done.error_message), e.hint ? h("p", { class: "hint" }, e.hint) : null,
      h("p", { class: "quiet" }, [e.type, e.retryable ? "worth trying again" : null, done.exit_code == null ? null : `exit code ${done.exit_code}`].filter(Boolean).join(" · ")),
      e.evidence?.length ? h("pre", { tabindex: "0", "aria-label": "Evidence" }, e.evidence.join("\n")) : null,
    ].filter(Boolean));
  }

  drawTimeline() {
    const phases = this.job.phases();
    const total = phases.reduce((sum, p) => sum + ((p.to ?? Date.now()) - p.from), 0) || 1;
    const { state, done } = this.job;
    const failed = state !== "failed" ? null : (done.exit_code && phases.find((p) => p.name === "train")) || phases.at(-1);
    this.timeline.replaceChildren(...phases.map((phase) => {
      const took = (phase.to ?? Date.now()) - phase.from;
      const item = h("li", { class: phase === failed ? "failed" : phase.to == null ? "open" : "" }, h("strong", {}, phase.name), " ", duration(took), phase === failed ? ", failed" : "");
      item.style.flexGrow = String(Math.max(0.04, took / total));
      return item;
    }));
  }

  drawCurves() {
    const { job } = this;
    const loss = (name) => /loss/i.test(name);
    const other = (name) => /^(lr|learning_rate|epoch|.*(time|seconds|per_second).*)$/i.test(name);
    this.loss.update(job.curves(loss));
    this.metric.update(job.curves((name) => !loss(name) && !other(name)));
    this.other.update(job.curves(other));
    const each = (gpus, read) => Object.assign({}, ...(gpus ?? []).map(read));
    this.use.update(job.gauges((s) => ({ ...each(s.gpus, (g) => ({ [`GPU ${g.index}`]: g.util_percent })), CPU: s.cpu?.util_percent })));
    this.memory.update(job.gauges((s) => ({ ...each(s.gpus, (g) => ({ [`GPU ${g.index}`]: g.mem_used_bytes == null ? null : g.mem_used_bytes / GIB })), memory: s.memory && s.memory.used_bytes / GIB, shm: s.shm?.used_bytes ? s.shm.used_bytes / GIB : null })));
    this.heat.update(job.gauges((s) => each(s.gpus, (g) => ({ [`GPU ${g.index} °C`]: g.temp_c, [`GPU ${g.index} W`]: g.power_w }))));
    this.charts.hidden = job.epochs.size === 0 && job.system.length === 0;
  }

  drawValidation() {
    const v = this.job.validation;
    this.classes.replaceChildren(...classTable(v));
    this.confusion.replaceChildren(...confusionTable(v));
    this.validation.hidden = !this.classes.hasChildNodes() && !this.confusion.hasChildNodes();
  }

  drawCheckpoints() {
    const saved = [...this.job.checkpoints.values()].sort((a, b) => (a.checkpoint_path < b.checkpoint_path ? -1 : 1));
    this.checkpoints.hidden = saved.length === 0;
    this.files.replaceChildren(...saved.map((c) => {
      const key = c.checkpoint_path.replace(/^s3:\/\/[^/]+\//, "");
      const name = key.replace(/^checkpoints\/job-[^/]+\//, "");
      const metrics = Object.entries(c.metrics ?? {}).filter(([n]) => n === this.job.validation?.primary_metric_name).map(([n, v]) => `${n} ${number(v)}`).join(", ");
      return h("tr", {}, h("th", { scope: "row" }, name, name.startsWith("best") ? h("span", { class: "badge succeeded" }, "best") : ""), h("td", { class: "n" }, bytes(c.size_bytes)),
        h("td", { class: "n" }, c.epoch ? String(c.epoch) : "–"), h("td", {}, metrics || "–"), h("td", {}, h("code", { title: c.sha256 }, (c.sha256 ?? "").slice(0, 12))),
        h("td", {}, h("a", { href: objectURL(key, true), "aria-label": `download ${name}` }, "download")));
    }));
  }

  // watchBucket looks for samples and the log until the job has ended and a last look was taken.
  async watchBucket() {
    const ended = Boolean(this.job.done);
    if (this.job.calls.length && !document.hidden) {
      await Promise.allSettled([this.samples.refresh(this.job.validation?.epoch ?? 0), this.log.refresh()]);
      if (!ended) this.drawHead();
    }
    setTimeout(() => this.watchBucket(), ended ? BUCKET_EVERY * 2 : BUCKET_EVERY);
  }
}
