import { useEffect, useState } from "react";
import { Problem, Published, TrainerDetail, ask, asProblem, trainer } from "./api";
import { Capabilities } from "./Capabilities";
import { useList } from "./list";
import { Options } from "./Options";
import { Badge, Fact, Older, Said, Scroll, Theirs } from "./parts";
import { Link } from "./place";
import { Readme } from "./Readme";
import { Trainings } from "./Trainings";
import { day, duration } from "./words";

/** Trainer is one published version: how to train with it, what it can, what was proven of it, and what was trained with it. */
export function Trainer({ name, version }: { name: string; version?: string }) {
  const [at, setAt] = useState<TrainerDetail>();
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    let late = false;
    const load = async () => {
      try {
        const answer = await ask<TrainerDetail>("GET", `${trainer(name)}${version ? `?version=${encodeURIComponent(version)}` : ""}`);
        if (!late) setAt(answer);
      } catch (error) {
        if (!late) setProblem(asProblem(error));
      }
    };
    void load();
    return () => { late = true; };
  }, [name, version]);
  return (
    <>
      <p><Link to={{ page: "trainers" }}>All trainers</Link></p>
      <Said problem={problem} />
      {at && <Shown at={at} />}
    </>
  );
}

function Shown({ at }: { at: TrainerDetail }) {
  const { display_name, description } = at.card;
  useEffect(() => { document.title = `${at.name} ${at.version} · Trainer hub`; }, [at.name, at.version]);
  return (
    <>
      <h1><Theirs>{display_name || at.name}</Theirs> <span className="quiet"><Theirs>{at.version}</Theirs></span></h1>
      {at.state !== "active" && <p className="said warning">This version is {at.state}: <Theirs>{at.reason}</Theirs></p>}
      {description && <p className="said-of-it"><Theirs>{description}</Theirs></p>}
      <Install at={at} />
      <Trainings name={at.name} />
      <Proven at={at} />
      <Capabilities of={at.capabilities} />
      {at.schema && <Options schema={at.schema} />}
      {at.readme.length > 0 && <Readme nodes={at.readme} />}
      <Versions name={at.name} shown={at.version} />
    </>
  );
}

function Install({ at }: { at: Published }) {
  return (
    <section className="card" aria-labelledby="install">
      <h2 id="install">Train with it</h2>
      <p><code className="long">trainer-agent install {at.name}@{at.version}</code> prints {at.reference ? "the image by its digest" : "its digest"} and the environment of a job.</p>
      <p>Without a container: <code className="long">trainer-agent install {at.name}@{at.version} --dir {at.name}</code></p>
      <dl className="facts quiet">
        {at.reference && <Fact name="Image"><code className="long">{at.reference}</code></Fact>}
        <Fact name="Bundle"><code className="long">{at.bundle}</code></Fact>
        <Fact name="Python">{at.python} on {at.platform}</Fact>
        <Fact name="Package, SHA-256"><code className="long">{at.package_sha256}</code></Fact>
      </dl>
    </section>
  );
}

function Proven({ at }: { at: TrainerDetail }) {
  const { isolation, models_validated, unscanned, steps } = at.proof;
  return (
    <section className="card" aria-labelledby="proof">
      <h2 id="proof">What was proven</h2>
      <p>It trained one epoch and predicted here on {day(at.published)}, before it was published.
        {unscanned.length > 0 && ` It was not scanned for everything (${unscanned.join(", ")}), which this hub's operator allows.`}</p>
      <dl className="facts">
        {isolation && <Fact name="Isolation">{isolation}</Fact>}
        {models_validated > 0 && <Fact name="Models that were built">{models_validated}</Fact>}
        <Fact name="Time of all steps">{duration(steps.reduce((sum, s) => sum + s.seconds, 0))}</Fact>
        <Fact name="Proven by">trainer-agent <Theirs>{at.agent}</Theirs></Fact>
      </dl>
      <Scroll label="Steps of the proof">
        <table>
          <thead><tr><th scope="col">Step</th><th scope="col">Result</th><th scope="col">Time</th></tr></thead>
          <tbody>{steps.map((s) => <tr key={s.name}><th scope="row">{s.name}</th><td>{s.status}</td><td className="n">{duration(s.seconds)}</td></tr>)}</tbody>
        </table>
      </Scroll>
    </section>
  );
}

function Versions({ name, shown }: { name: string; shown: string }) {
  const { list, problem, older } = useList<Published>(`${trainer(name)}/versions`);
  return (
    <section className="card" aria-labelledby="versions">
      <h2 id="versions">Versions</h2>
      <Said problem={problem} />
      <ul>{list?.map((v) => (
        <li key={v.version}>
          {v.version === shown ? <strong>{v.version}</strong> : <Link to={{ trainer: name, version: v.version }}>{v.version}</Link>} <span className="quiet">{day(v.published)}</span> {v.state !== "active" && <Badge state={v.state} />}
        </li>
      ))}</ul>
      <Older more={older} />
    </section>
  );
}
