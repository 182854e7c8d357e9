import { Published } from "./api";
import { Theirs } from "./parts";
import { Link } from "./place";
import { day, task } from "./words";

/** TrainerCard is a trainer in the catalogue. */
export function TrainerCard({ of }: { of: Published }) {
  const { display_name, description, license, tasks } = of.card;
  return (
    <li className="card trainer">
      <h2><Link to={{ trainer: of.name }}><Theirs>{display_name || of.name}</Theirs></Link></h2>
      <p className="quiet"><Theirs>{of.name}</Theirs> <Theirs>{of.version}</Theirs> · {day(of.published)}{license && <> · <Theirs>{license}</Theirs></>}</p>
      {description && <p className="said-of-it"><Theirs>{description}</Theirs></p>}
      {tasks.length > 0 && <ul className="tags" aria-label="Tasks">{tasks.map((t) => <li key={t}>{task(t)}</li>)}</ul>}
    </li>
  );
}
