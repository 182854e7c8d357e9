import { useEffect, useState } from "react";
import { Published } from "./api";
import { Filters, Wanted } from "./Filters";
import { useList } from "./list";
import { Older, Said } from "./parts";
import { TrainerCard } from "./TrainerCard";

const most = 60; // in a part of the list
const pause = 200; // ms without a key, before the hub is asked

/** Catalogue is what is published, newest first. */
export function Catalogue() {
  const [wanted, setWanted] = useState<Wanted>({ q: "", task: "" });
  const [asked, setAsked] = useState(wanted);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(wanted), wanted.q ? pause : 0);
    return () => clearTimeout(timer);
  }, [wanted]);
  const { list, problem, older } = useList<Published>(`/api/v1/trainers?${new URLSearchParams({ ...asked, limit: String(most) })}`);
  const narrowed = asked.q.trim() !== "" || asked.task !== "";
  return (
    <>
      <h1>Trainers</h1>
      <Filters wanted={wanted} onChange={setWanted} />
      <Said problem={problem} />
      <p className="quiet" role="status">{list && (list.length === 1 ? "1 trainer" : `${list.length} trainers`)}{list && narrowed && " found"}{older && " so far"}</p>
      {list?.length === 0 && !narrowed && <p className="card">Nothing is published yet. A trainer that passes its proof appears here.</p>}
      {list && <ul className="shelf">{list.map((p) => <TrainerCard key={p.name} of={p} />)}</ul>}
      <Older more={older} />
    </>
  );
}
