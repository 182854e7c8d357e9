// What the callbacks of one job say, put together as they come.

// The phases of a training job and the event that ends each.
const STEPS = [["download", "dataset_downloaded"], ["prepare", "dataset_prepared"], ["start", "training_started"], ["train", "training_finished"], ["finish", "done"]];

function happened(call) {
  return call ? Date.parse(call.body?.timestamp ?? call.time) : null;
}

export class Job {
  constructor(id) {
    this.id = id;
    this.calls = [];
    this.epochs = new Map(); // epoch → {metric: value}
    this.system = []; // {time, system}
    this.checkpoints = new Map(); // path → data of checkpoint_saved
    this.validation = null; // the latest
    this.best = null; // {epoch, value}
    this.marks = new Map(); // event type → first time
    this.done = null;
    this.progress = 0;
    this.phase = "";
    this.transfer = null;
    this.epoch = 0;
  }

  // Both are when things happened, not when they were delivered.
  get started() { return happened(this.calls[0]); }
  get updated() { return happened(this.calls.at(-1)); }
  get trace() { return this.calls[0]?.headers?.["X-Trace-Id"]?.[0] ?? ""; }

  get state() {
    if (!this.done) return "running";
    return this.done.status === "succeeded" ? "succeeded" : "failed";
  }

  apply(call) {
    this.calls.push(call);
    if (!call.accepted) return;
    if (this.done && !call.kind.endsWith("done")) this.done = null; // started again
    const body = call.body;
    if (call.kind === "heartbeat") this.heartbeat(body);
    else if (call.kind === "event") this.event(body);
    else if (call.kind === "validation") this.validated(body, call.reply);
    else if (call.kind.endsWith("progress")) this.progress = body.progress_percent ?? this.progress;
    else if (call.kind.endsWith("done")) { this.done = body; this.mark("done", body.timestamp); }
  }

  heartbeat(body) {
    this.progress = body.progress ?? this.progress;
    this.epoch = Math.max(this.epoch, body.epoch);
    this.phase = body.phase ?? "";
    this.transfer = body.transfer ?? null;
    if (body.epoch > 0) this.merge(body.epoch, body.metrics);
    if (body.system) this.system.push({ time: Date.parse(body.timestamp), system: body.system });
  }

  merge(epoch, metrics) {
    this.epochs.set(epoch, { ...this.epochs.get(epoch), ...metrics });
  }

  event(body) {
    this.mark(body.event_type, body.timestamp);
    if (body.event_type === "checkpoint_saved") this.checkpoints.set(body.data.checkpoint_path, { ...body.data, time: body.timestamp });
  }

  mark(name, timestamp) {
    if (!this.marks.has(name) || name === "done") this.marks.set(name, Date.parse(timestamp));
  }

  validated(body, reply) {
    this.validation = body;
    this.merge(body.epoch, { ...body.metrics, [body.primary_metric_name]: body.primary_metric_value });
    if (reply?.is_best) this.best = { epoch: body.epoch, value: body.primary_metric_value };
  }

  // phases are the stretches between the events that the agent raises. One whose
  // end never came ends with done, or is still going on (to is null).
  phases() {
    const list = [];
    let from = this.marks.get("agent_started") ?? this.started;
    for (const [i, [name, event]] of STEPS.entries()) {
      const came = event === "done" && !this.done ? undefined : this.marks.get(event);
      if (came === undefined && STEPS.slice(i + 1, -1).some(([, later]) => this.marks.has(later))) continue;
      const end = came ?? (this.done ? this.marks.get("done") : null);
      list.push({ name, from, to: end == null ? null : Math.max(from, end) });
      if (came === undefined) break;
      from = Math.max(from, came);
    }
    return list;
  }

  // curves are the series of the epochs whose names the filter takes.
  curves(take) {
    const epochs = [...this.epochs.keys()].sort((a, b) => a - b);
    const names = [...new Set(epochs.flatMap((e) => Object.keys(this.epochs.get(e))))].filter(take).sort();
    return names.map((name) => ({ name, points: epochs.map((e) => [e, this.epochs.get(e)[name]]).filter(([, v]) => v != null) }));
  }

  // gauges are series over seconds since the start; read maps a system report to {name: value}.
  gauges(read) {
    const series = new Map();
    for (const { time, system } of this.system) {
      for (const [name, value] of Object.entries(read(system))) {
        if (value == null) continue;
        if (!series.has(name)) series.set(name, { name, points: [] });
        series.get(name).points.push([(time - this.started) / 1000, value]);
      }
    }
    return [...series.values()];
  }
}
