import { useEffect, useState } from "react";
import { Notification, Problem, ask, asProblem, notifications } from "./api";
import { useList } from "./list";
import { Badge, Older, Said, Theirs } from "./parts";
import { Link } from "./place";
import { time } from "./words";

/** Notifications are how one's submissions ended. Who has them on the screen has seen them. */
export function Notifications({ onSeen }: { onSeen: () => void }) {
  const { list, problem, older } = useList<Notification>(notifications);
  const [unmarked, setUnmarked] = useState<Problem>();
  const newest = list?.[0];
  useEffect(() => {
    if (!newest) return;
    const mark = async () => {
      try {
        if (!newest.seen) await ask("POST", `${notifications}/${encodeURIComponent(newest.id)}/seen`);
        onSeen();
      } catch (error) {
        setUnmarked(asProblem(error));
      }
    };
    void mark();
  }, [newest, onSeen]);
  return (
    <>
      <h1>Notifications</h1>
      <Said problem={problem ?? unmarked} />
      {list?.length === 0 && <p className="card">There are none. The hub tells here how your submissions end.</p>}
      {list && list.length > 0 && (
        <ul className="shelf">{list.map((n) => (
          <li key={n.id} className={`card ${n.seen ? "" : "new"}`}>
            <Badge state={n.state} /> <Link to={{ submission: n.validation_job_id }}><Theirs>{n.name}</Theirs> <Theirs>{n.version}</Theirs></Link> {!n.seen && <strong>new</strong>}
            <p><Theirs>{n.text}</Theirs></p>
            <p className="quiet">{time(n.created)}</p>
          </li>
        ))}</ul>
      )}
      <Older more={older} />
    </>
  );
}
