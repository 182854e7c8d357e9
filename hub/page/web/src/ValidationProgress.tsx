import { ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { Appeal } from "./Appeal";
import { Finding, Me, Step, Validation, ahead, askText, asProblem, validation } from "./api";
import { Followed, Running, useValidation } from "./follow";
import { Badge, Fact, Said, Scroll, Theirs } from "./parts";
import { Link } from "./place";
import { PassedCard } from "./PassedCard";
import { VersionState } from "./VersionState";
import { duration, kind, meaning, time, visible } from "./words";

/** ValidationProgress is one submission: where it is, each step as it happens, what was found, and what can be done. */
export function ValidationProgress({ id, me, onUpload }: { id: string; me: Me; onUpload: () => void }) {
  const followed = useValidation(id);
  const { at, problem } = followed;
  return (
    <>
      <p><Link to={{}}>All submissions</Link></p>
      <Said problem={problem} />
      {at && <Shown at={at} me={me} followed={followed} onUpload={onUpload} />}
    </>
  );
}

function Shown({ at, me, followed, onUpload }: { at: Validation; me: Me; followed: Followed; onUpload: () => void }) {
  const { running, fault, live, load, act } = followed;
  const open = at.status === "validating";
  useEffect(() => { document.title = `${at.state}: ${at.name} ${at.version} · Trainer hub`; }, [at.state, at.name, at.version]);
  return (
    <>
      <div className="head">
        <h1><Theirs>{at.name}</Theirs> <span className="quiet"><Theirs>{at.version}</Theirs></span> <Badge state={at.state} /></h1>
        {open && at.state !== "publishing" && <button type="button" onClick={() => void act("cancel")}>Cancel</button>}
        {at.status === "failed" && !at.expired_at && <button type="button" onClick={() => void act("retry")}>Try again</button>}
        {at.state === "rejected" && <button type="button" className="first" onClick={onUpload}>Upload a corrected package</button>}
      </div>
      <p className="visually-hidden" role="status">{running ? `${running.step} is running` : `The submission is ${at.state}`}</p>
      <Way at={at} />
      {open && !live && <p className="said quiet">Connecting to the hub; what is shown may be old.</p>}
      {fault && <p className="said warning">The hub itself had a fault while {fault.state}: <Theirs>{fault.text}</Theirs>. It tries again by itself{fault.of ? ` (${fault.try} of ${fault.of})` : ""}.</p>}
      {at.status === "passed" && <PassedCard at={at} />}
      {at.status === "failed" && <div className="said bad"><strong>{meaning(at.state)}</strong> <Theirs>{at.reason}</Theirs></div>}
      {at.expired_at && <p className="said quiet">Its package was deleted on {time(at.expired_at)}, a while after it ended. What was found stays here; to have it proven again, upload it.</p>}
      {at.state === "active" && <VersionState name={at.name} number={at.version} me={me} />}
      <Appeal at={at} me={me} onChange={load} />
      <Steps at={at} running={running} />
      <dl className="facts quiet">
        <Fact name="Author"><Theirs>{at.author}</Theirs></Fact>
        <Fact name="Begun">{time(at.created)}</Fact>
        <Fact name="Attempt">{at.attempt}</Fact>
        {at.isolation && <Fact name="Isolation">{at.isolation}</Fact>}
        {at.dry_run && <Fact name="Dry run">nothing is published</Fact>}
        <Fact name="SHA-256"><code className="long">{at.sha256}</code></Fact>
      </dl>
    </>
  );
}

/** The way, as far as this page knows it; a state that it does not know is shown after it, as the hub says it. */
function Way({ at }: { at: Validation }) {
  const known = at.dry_run ? ["received", "scanning", "building", "testing", "proven"] : ["received", "scanning", "building", "testing", "publishing", "active"];
  const states = known.includes(at.state) ? known : at.status === "validating" && at.state !== "review" ? [...known.slice(0, -1), at.state] : [];
  const now = states.indexOf(at.state);
  if (now < 0) return null;
  return (
    <ol className="way" aria-label="The way of the submission">
      {states.map((state, i) => (
        <li key={state} className={i < now || at.status === "passed" ? "over" : i === now ? "now" : ""} aria-current={i === now ? "step" : undefined}>{state}</li>
      ))}
    </ol>
  );
}

const six = ["structure", "config_schema", "capabilities", "training_test", "inference_test", "security"];

function Steps({ at, running }: { at: Validation; running?: Running }) {
  const open = at.status === "validating" && at.state !== "review";
  const done = at.steps.filter((s) => s.name !== running?.step);
  const waiting = open ? six.filter((name) => name !== running?.step && !done.some((s) => s.name === name)) : [];
  if (done.length + waiting.length === 0 && !running) return null;
  return (
    <section className="card" aria-label="Steps">
      <h2>Steps</h2>
      <ol className="steps">
        {done.map((step) => <Done key={`${at.attempt} ${step.name}`} id={at.validation_job_id} step={step} />)}
        {running && <Runs key={`runs ${running.step}`} id={at.validation_job_id} running={running} />}
        {waiting.map((name) => <li key={name}><Line name={name} state="waiting" /></li>)}
      </ol>
    </section>
  );
}

function Line({ name, state, children }: { name: string; state: string; children?: ReactNode }) {
  return <span className="line"><span className={`mark ${kind(state)}`} aria-hidden="true" /><span className="name">{name}</span> <span className="quiet">{state}</span> <span className="n">{children}</span></span>;
}

function Elapsed({ since }: { since: number }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return <>{duration(Math.floor((now + ahead - since) / 1000))}</>;
}

/** Runs is the step that is being taken, and what its processes write. */
function Runs({ id, running }: { id: string; running: Running }) {
  return (
    <li>
      <details>
        <summary><Line name={running.step} state="running"><Elapsed since={running.at} /></Line></summary>
        <Log id={id} step={running.step} grows />
      </details>
    </li>
  );
}

const look = 2000; // ms, while a log grows and is looked at

/** Log is asked for when it is opened; one that grows is followed, unless somebody has scrolled up. */
function Log({ id, step, grows }: { id: string; step: string; grows?: boolean }) {
  const [open, setOpen] = useState(false);
  const [log, setLog] = useState<string>();
  const end = useRef<HTMLDivElement>(null);
  const load = useCallback(async () => {
    const scroll = end.current?.parentElement;
    const follows = !scroll || scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
    try {
      setLog(plain(await askText(`${validation(id)}/log?step=${encodeURIComponent(step)}`)));
    } catch (error) {
      setLog(asProblem(error).message);
    }
    if (grows && follows) requestAnimationFrame(() => end.current?.parentElement?.scrollTo(0, 1e9));
  }, [id, step, grows]);
  useEffect(() => {
    if (!open) return;
    void load();
    if (!grows) return;
    const timer = setInterval(() => document.visibilityState === "visible" && void load(), look);
    return () => clearInterval(timer);
  }, [open, grows, load]);
  return (
    <details className="log" onToggle={(e) => { e.stopPropagation(); setOpen(e.currentTarget.open); }}>
      <summary>Log</summary>
      {log !== undefined && <Scroll label={`Log of ${step}`}><pre>{visible(log) || (grows ? "Nothing was written yet." : "Nothing was written.")}</pre><div ref={end} /></Scroll>}
    </details>
  );
}

function Done({ id, step }: { id: string; step: Step }) {
  return (
    <li>
      <details open={step.findings.some((f) => f.severity === "error") || undefined}>
        <summary><Line name={step.name} state={step.status}>{count(step.findings)}{duration(step.seconds)}</Line></summary>
        {step.findings.length > 0 && <ul className="findings">{step.findings.map((f, i) => <Found key={i} finding={f} />)}</ul>}
        <Measured facts={step.facts} />
        <Log id={id} step={step.name} />
      </details>
    </li>
  );
}

function count(findings: Finding[]): string {
  return findings.length === 0 ? "" : findings.length === 1 ? "1 finding · " : `${findings.length} findings · `;
}

function Found({ finding: f }: { finding: Finding }) {
  return (
    <li className={f.severity}>
      <span className={`severity ${f.severity}`}>{f.severity}</span> {f.file && <code className="where"><Theirs>{f.file}</Theirs>{f.line ? `:${f.line}` : ""}</code>} <code className="quiet">{f.rule}</code>
      <p><Theirs>{f.text}</Theirs></p>
      {f.fix && <p className="fix">To mend it: <Theirs>{f.fix}</Theirs></p>}
    </li>
  );
}

/** Measured are the facts of a step that are one word or number. */
function Measured({ facts }: { facts?: Record<string, unknown> }) {
  const simple = Object.entries(facts ?? {}).filter(([, v]) => ["string", "number", "boolean"].includes(typeof v));
  if (simple.length === 0) return null;
  return <dl className="facts">{simple.map(([name, value]) => <Fact key={name} name={name}><Theirs>{String(value)}</Theirs></Fact>)}</dl>;
}

/** plain is a log as a terminal would leave it: without colours, and of a progress bar what was drawn last. */
const plain = (log: string) => log.replace(/\r\n/g, "\n").replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, "").replace(/[^\n]*\r/g, "");
