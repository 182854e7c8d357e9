import { useEffect, useState } from "react";
import { Problem, Published, ask, asProblem } from "./api";
import { Filters, Wanted } from "./Filters";
import { Said } from "./parts";
import { TrainerCard } from "./TrainerCard";

const pause = 200; // ms without a key, before the hub is asked

/** Catalogue is what is published, newest first. */
export function Catalogue() {
  const [wanted, setWanted] = useState<Wanted>({ q: "", task: "" });
  const [list, setList] = useState<Published[]>();
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    let late = false; // an answer to what was asked before
    const timer = setTimeout(async () => {
      try {
        const answer = await ask<Published[]>("GET", `/api/v1/trainers?${new URLSearchParams(wanted)}`);
        if (late) return;
        setList(answer);
        setProblem(undefined);
      } catch (error) {
        if (!late) setProblem(asProblem(error));
      }
    }, wanted.q ? pause : 0);
    return () => { late = true; clearTimeout(timer); };
  }, [wanted]);
  const narrowed = wanted.q.trim() !== "" || wanted.task !== "";
  return (
    <>
      <h1>Trainers</h1>
      <Filters wanted={wanted} onChange={setWanted} />
      <Said problem={problem} />
      <p className="quiet" role="status">{list && (list.length === 1 ? "1 trainer" : `${list.length} trainers`)}{list && narrowed && " found"}</p>
      {list?.length === 0 && !narrowed && <p className="card">Nothing is published yet. A trainer that passes its proof appears here.</p>}
      {list && <ul className="shelf">{list.map((p) => <TrainerCard key={p.name} of={p} />)}</ul>}
    </>
  );
}
