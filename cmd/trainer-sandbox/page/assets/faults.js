// A panel that makes the backend misbehave, for trying things by hand.

import { fetchJSON, h } from "./dom.js";

const HARM = {
  "answer 503": { status: 503 }, "answer 429, Retry-After 2": { status: 429, retry_after: "2" }, "answer 401": { status: 401 },
  "answer 422": { status: 422 }, "drop the connection": { drop: true }, "lose the answer": { drop: true, accept: true },
  "hang after the header": { hang: true }, "answer garbage": { garbage: true }, "wait 5 seconds": { delay_seconds: 5 },
};
const KINDS = ["every callback", "heartbeat", "event", "validation", "done"];

export function faultPanel() {
  const harm = h("select", { "aria-label": "What goes wrong" }, Object.keys(HARM).map((name) => h("option", {}, name)));
  const kind = h("select", { "aria-label": "For which callbacks" }, KINDS.map((name) => h("option", {}, name)));
  const calls = h("input", { type: "number", min: "1", max: "1000", value: "3", "aria-label": "How often" });
  const list = h("ul", { class: "faults" });
  const note = h("p", { role: "alert" });
  const refresh = async () => {
    const { faults } = await fetchJSON("/_sandbox/faults");
    list.replaceChildren(...faults.map((fault) => armed(fault, run)));
  };
  const run = async (path, options) => {
    try {
      note.textContent = "";
      await fetchJSON(path, options);
      await refresh();
    } catch (error) {
      note.textContent = error.message;
    }
  };
  const arm = (event) => {
    event.preventDefault();
    const fault = { ...HARM[harm.value], calls: calls.valueAsNumber, ...(kind.value === KINDS[0] ? {} : { kind: kind.value }) };
    run("/_sandbox/faults", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fault) });
  };
  const panel = h("details", { class: "panel", id: "faults", ontoggle: () => panel.open && run("/_sandbox/faults") },
    h("summary", {}, "Break something"),
    h("form", { class: "switches", onsubmit: arm }, harm, " to ", kind, calls, " times ", h("button", { type: "submit" }, "Arm")), note, list);
  return panel;
}

function armed(fault, run) {
  const { id, struck, ...rest } = fault;
  return h("li", {}, h("code", {}, JSON.stringify(rest)), ` struck ${struck} `,
    h("button", { type: "button", onclick: () => run(`/_sandbox/faults/${id}`, { method: "DELETE" }) }, "Disarm"));
}
