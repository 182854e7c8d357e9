import { useEffect, useState } from "react";
import { Notification, Problem, ask, asProblem } from "./api";
import { Badge, Said, Theirs } from "./parts";
import { Link } from "./place";
import { time } from "./words";

const path = "/api/v1/notifications";

/** Notifications are how one's submissions ended. Who has them on the screen has seen them. */
export function Notifications({ onSeen }: { onSeen: () => void }) {
  const [list, setList] = useState<Notification[]>();
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    const load = async () => {
      try {
        const answer = await ask<Notification[]>("GET", path);
        setList(answer);
        const newest = answer[0];
        if (newest && !newest.seen) await ask("POST", `${path}/${encodeURIComponent(newest.id)}/seen`);
        onSeen();
      } catch (error) {
        setProblem(asProblem(error));
      }
    };
    void load();
  }, [onSeen]);
  return (
    <>
      <h1>Notifications</h1>
      <Said problem={problem} />
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
    </>
  );
}
