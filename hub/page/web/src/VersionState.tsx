import { useCallback, useEffect, useState } from "react";
import { Me, Problem, Version, ask, asProblem, version } from "./api";
import { Badge, Said, Theirs } from "./parts";
import { Reason } from "./Reason";

type State = "active" | "deprecated" | "yanked" | "quarantined" | "removed";

const changes: Record<State, { verb: string; title: string; text: string; from: State[]; operators?: boolean }> = {
  active: { verb: "Restore", title: "Restore the version", text: "It is offered again, without a warning.", from: ["deprecated", "yanked", "quarantined"] },
  deprecated: { verb: "Deprecate", title: "Deprecate the version", text: "It is offered with a warning. Whoever trains with it reads your reason.", from: ["active", "yanked"] },
  yanked: { verb: "Yank", title: "Yank the version", text: "Only who names this version still gets it, with a warning. Jobs that run with it go on.", from: ["active", "deprecated"] },
  quarantined: { verb: "Quarantine", title: "Quarantine the version", text: "Nobody gets it until you restore it.", from: ["active", "deprecated", "yanked"], operators: true },
  removed: { verb: "Remove", title: "Remove the version", text: "Nobody ever gets it again. This cannot be undone.", from: ["active", "deprecated", "yanked", "quarantined"], operators: true },
};

/** VersionState is how a published version is offered, and what its owner and the operator can change in that. */
export function VersionState({ name, number, me }: { name: string; number: string; me: Me }) {
  const [at, setAt] = useState<Version>();
  const [problem, setProblem] = useState<Problem>();
  const [to, setTo] = useState<State>();
  const path = version(name, number);
  const load = useCallback(async () => {
    try {
      setAt(await ask<Version>("GET", path));
    } catch (error) {
      setProblem(asProblem(error));
    }
  }, [path]);
  useEffect(() => void load(), [load]);
  const state = at?.state as State | undefined;
  const can = (Object.keys(changes) as State[]).filter((s) => state && changes[s].from.includes(state) && (me.operator || !changes[s].operators && state !== "quarantined"));
  return (
    <section className="card" aria-label="How it is offered">
      <h2>How it is offered {state && <Badge state={state} />}</h2>
      <Said problem={problem} />
      {at?.reason && <p><Theirs>{at.reason}</Theirs></p>}
      <div className="actions">{can.map((s) => <button key={s} type="button" onClick={() => setTo(s)}>{changes[s].verb}</button>)}</div>
      {to && <Reason {...changes[to]} send={async (reason) => setAt(await ask<Version>("PATCH", path, { state: to, reason }))} onClose={() => setTo(undefined)} />}
    </section>
  );
}
