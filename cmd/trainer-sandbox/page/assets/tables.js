// Rows and tables of the job page.

import { duration, h, header, number } from "./dom.js";

// callRow is one callback in a line; the whole of it unfolds.
export function callRow(call, first) {
  const odd = call.problem || call.duplicate || call.fault || call.after_final;
  const row = h("tr", { class: odd ? "odd" : "" },
    h("td", { class: "n" }, duration(Date.parse(call.time) - Date.parse(first.time))), h("td", {}, call.kind),
    h("td", {}, h("details", {}, h("summary", {}, describe(call)), h("pre", { tabindex: "0", "aria-label": "The whole callback" }, JSON.stringify(call, null, 1)))),
    h("td", { class: "n" }, call.status ? String(call.status) : "dropped"));
  row.dataset.odd = odd ? "yes" : "no";
  row.dataset.plain = odd ? "" : call.kind;
  return row;
}

function describe(call) {
  const { body } = call;
  if (call.problem) return `refused: ${call.problem}`;
  if (call.fault) return `fault: ${call.fault}`;
  if (call.duplicate) return `repeated (attempt ${call.attempt})`;
  switch (call.kind) {
    case "event": return `${body.event_type}: ${body.message}`;
    case "heartbeat": return `epoch ${body.epoch}, ${number(body.progress)} %${body.phase ? `, ${body.phase}` : ""}`;
    case "validation": return `epoch ${body.epoch}, ${body.primary_metric_name} ${number(body.primary_metric_value)}${call.reply?.is_best ? ", best so far" : ""}`;
    default: return body.status ? `${body.status}${body.error_message ? `: ${body.error_message}` : ""}` : `${number(body.progress_percent)} %`;
  }
}

// classTable shows the metrics of each class.
export function classTable(validation) {
  const rows = validation.per_class_metrics ?? [];
  if (!rows.length) return [];
  const cells = (r) => [r.precision, r.recall, r.ap, r.support].map((v) => h("td", { class: "n" }, number(v)));
  const body = rows.map((r) => h("tr", {}, h("th", { scope: "row" }, r.class_name), cells(r)));
  return [h("table", {}, h("caption", {}, validation.epoch ? `Classes, epoch ${validation.epoch}` : "Classes"),
    header(["Class", "#Precision", "#Recall", "#AP", "#Support"]),
    h("tbody", {}, body))];
}

// confusionTable shades each cell by its share of the row.
export function confusionTable(validation) {
  const matrix = validation.confusion_matrix ?? [];
  if (!matrix.length || matrix.length > 30) return [];
  const names = (validation.per_class_metrics ?? []).map((r) => r.class_name);
  const label = (i) => names[i] ?? (i === matrix.length - 1 ? "background" : String(i));
  return [h("table", { class: "confusion" }, h("caption", {}, "Confusion: rows are true classes, columns predicted ones"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "true"), matrix.map((_, i) => h("th", { scope: "col" }, label(i))))),
    h("tbody", {}, matrix.map((row, i) => {
      const total = row.reduce((a, b) => a + b, 0) || 1;
      return h("tr", {}, h("th", { scope: "row" }, label(i)), row.map((n) => h("td", { class: `n heat${Math.round((n / total) * 5)}` }, String(n))));
    })))];
}
