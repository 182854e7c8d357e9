import { useEffect, useState } from "react";
import { Me, Validation, validations } from "./api";
import { whenSeen } from "./follow";
import { useList } from "./list";
import { Badge, Older, Said, Scroll, Theirs } from "./parts";
import { Link } from "./place";
import { time } from "./words";

const most = 50; // in a part of the list
const every = 3000; // ms, while something is on its way

export function Submissions({ me, onUpload }: { me: Me; onUpload: () => void }) {
  const [all, setAll] = useState(false);
  const { list, problem, load, older } = useList<Validation>(`${validations}?limit=${most}${all ? "&all=true" : ""}`);
  useEffect(() => whenSeen(() => void load()), [load]);
  const open = list?.some((v) => v.status === "validating");
  useEffect(() => {
    if (!open) return;
    const timer = setInterval(() => document.visibilityState === "visible" && void load(), every);
    return () => clearInterval(timer);
  }, [open, load]);

  return (
    <>
      <div className="head">
        <h1>{all ? "All submissions" : "My submissions"}</h1>
        <button type="button" className="first" onClick={onUpload}>Upload a trainer</button>
      </div>
      {me.operator && <label className="check"><input type="checkbox" checked={all} onChange={(e) => setAll(e.target.checked)} /> Everybody's</label>}
      <Said problem={problem} />
      {list?.length === 0 && <p className="card">There are none yet. A trainer package is a zip of the folder that <code>trainer-agent init</code> makes; upload one by the button above, or drop it anywhere on this page.</p>}
      {list && list.length > 0 && <List list={list} me={me} />}
      <Older more={older} />
    </>
  );
}

/** List names the authors where they are not all oneself: the operator and members of an organisation see others' submissions. */
function List({ list, me }: { list: Validation[]; me: Me }) {
  const authors = list.some((v) => v.author !== me.name);
  return (
    <Scroll label="Submissions" className="card">
      <table>
        <thead><tr><th scope="col">Trainer</th><th scope="col">Version</th>{authors && <th scope="col">Author</th>}<th scope="col">State</th><th scope="col">Step</th><th scope="col">Changed</th></tr></thead>
        <tbody>
          {list.map((v) => (
            <tr key={v.validation_job_id}>
              <th scope="row"><Link to={{ submission: v.validation_job_id }}><Theirs>{v.name}</Theirs></Link></th>
              <td><Theirs>{v.version}</Theirs></td>
              {authors && <td><Theirs>{v.author}</Theirs></td>}
              <td><Badge state={v.state} /></td>
              <td className="quiet">{v.status === "validating" ? v.current_step : ""}{v.dry_run && " (dry run)"}</td>
              <td>{time(v.updated)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
