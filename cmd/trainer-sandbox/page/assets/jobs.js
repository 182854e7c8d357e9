// The list of jobs, kept fresh by a stream.

import { clock, duration, follow, h, header, number, scroller } from "./dom.js";
import { faultPanel } from "./faults.js";

const COLUMNS = ["Job", "State", "Type", "#Epoch", "#Progress", "Best", "Last event", "Started", "#Callbacks"];

export function showJobs(main) {
  const rows = h("tbody");
  const empty = h("p", { class: "quiet" }, "No callback has come yet. Start a job with the environment that the sandbox printed; it appears here by itself.");
  const table = h("table", { hidden: true }, header(COLUMNS), rows);
  main.replaceChildren(h("h1", {}, "Jobs"), empty, scroller("Jobs", {}, table), faultPanel());
  follow("/_sandbox/stream", {
    jobs(jobs) {
      empty.hidden = jobs.length > 0;
      table.hidden = jobs.length === 0;
      const focused = document.activeElement?.getAttribute("href");
      rows.replaceChildren(...jobs.map(row));
      [...rows.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
    },
  });
}

function row(job) {
  const best = job.best == null ? "–" : `${job.primary_metric} ${number(job.best)}`;
  const took = duration(new Date(job.updated) - new Date(job.started));
  return h("tr", {},
    h("th", { scope: "row" }, h("a", { href: `/?job=${encodeURIComponent(job.id)}` }, job.id)),
    h("td", {}, badge(job.state)), h("td", {}, job.type), h("td", { class: "n" }, String(job.epoch)),
    h("td", { class: "n" }, job.progress == null ? "–" : `${number(job.progress)} %`), h("td", {}, best),
    h("td", {}, job.last_event ?? "–"), h("td", {}, `${clock(job.started)} · ${took}`), h("td", { class: "n" }, String(job.calls)));
}

export function badge(state) {
  return h("span", { class: `badge ${state}` }, state);
}
