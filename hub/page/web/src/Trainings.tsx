import { useEffect, useState } from "react";
import { Analytics, Problem, ask, asProblem, trainer } from "./api";
import { Badge, Fact, Said, Scroll, Theirs } from "./parts";
import { duration, task, time } from "./words";

/** Trainings are what was trained with a trainer, as the platform told the hub. */
export function Trainings({ name }: { name: string }) {
  const [of, setOf] = useState<Analytics>();
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    ask<Analytics>("GET", `${trainer(name)}/analytics`).then(setOf, (error: unknown) => setProblem(asProblem(error)));
  }, [name]);
  return (
    <section className="card" aria-labelledby="trainings">
      <h2 id="trainings">Trainings</h2>
      <Said problem={problem} />
      {of && (of.trainings === 0 ? <p>The platform has told of none yet.</p> : <Numbers of={of} />)}
    </section>
  );
}

function Numbers({ of }: { of: Analytics }) {
  return (
    <>
      <dl className="facts">
        <Fact name="Trainings">{of.trainings}</Fact>
        <Fact name="Succeeded">{of.succeeded}</Fact>
        <Fact name="Failed">{of.failed}</Fact>
        {of.stopped > 0 && <Fact name="Stopped by somebody">{of.stopped}</Fact>}
        {of.running > 0 && <Fact name="End not told">{of.running}</Fact>}
        {of.median_seconds !== null && <Fact name="Median time of those that succeeded">{duration(of.median_seconds)}</Fact>}
      </dl>
      {of.causes.length > 0 && <p>Failed because of {of.causes.map((c) => `${whose(c.of)} (${c.code}, ${c.count})`).join("; ")}.</p>}
      <Scroll label="The last trainings">
        <table>
          <thead><tr><th scope="col">Started</th><th scope="col">Version</th><th scope="col">Task</th><th scope="col">Device</th><th scope="col">Result</th><th scope="col">Time</th><th scope="col">Metric</th></tr></thead>
          <tbody>{of.recent.map((t, i) => (
            <tr key={i}>
              <td>{time(t.started)}</td><td>{t.version}</td><td>{task(t.task)}</td><td><Theirs>{t.device}</Theirs></td>
              <td><Badge state={t.status} /> {t.failure_code}</td><td className="n">{t.seconds > 0 ? duration(t.seconds) : ""}</td>
              <td className="n">{t.value !== null && <><Theirs>{t.metric}</Theirs> {t.value.toFixed(3)}</>}</td>
            </tr>
          ))}</tbody>
        </table>
      </Scroll>
      <p className="quiet">Told by the platform that ran them. Each metric was measured on its job's own data: they cannot be compared with each other, or with another trainer's.</p>
    </>
  );
}

const turns = new Map(Object.entries({ trainer: "the trainer", settings: "the job's settings", data: "the dataset", infrastructure: "the infrastructure" }));
const whose = (of: string) => turns.get(of) ?? of;
