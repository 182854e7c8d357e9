import { useCallback, useEffect, useState } from "react";
import { Act, Problem, ask, asProblem } from "./api";
import { Said, Scroll, Theirs } from "./parts";
import { time } from "./words";

const page = 100;

/** Audit is the audit log, newest first, for the operator. */
export function Audit() {
  const [list, setList] = useState<Act[]>([]);
  const [more, setMore] = useState(true);
  const [busy, setBusy] = useState(false); // a second click would bring the same acts twice
  const [problem, setProblem] = useState<Problem>();
  const load = useCallback(async (before: number) => {
    setBusy(true);
    try {
      const acts = await ask<Act[]>("GET", `/api/v1/admin/audit?limit=${page}${before ? `&before=${before}` : ""}`);
      setList((l) => (before ? [...l, ...acts] : acts));
      setMore(acts.length === page);
      setProblem(undefined);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  }, []);
  useEffect(() => void load(0), [load]);
  return (
    <>
      <h1>Audit log</h1>
      <p className="quiet">Each act holds the hash of the act before it. <code>trainer-hub audit</code> checks that none was changed.</p>
      <Said problem={problem} />
      <Scroll label="Acts" className="card">
        <table>
          <thead><tr><th scope="col" className="n">No.</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">Did</th><th scope="col">To</th><th scope="col">More</th></tr></thead>
          <tbody>{list.map((a) => (
            <tr key={a.seq}>
              <td className="n">{a.seq}</td><td>{time(a.at)}</td><td><Theirs>{a.actor}</Theirs></td><td>{a.action}</td><td><code>{a.subject}</code></td>
              <td><code className="long"><Theirs>{a.detail == null ? "" : JSON.stringify(a.detail)}</Theirs></code></td>
            </tr>
          ))}</tbody>
        </table>
      </Scroll>
      {more && list.length > 0 && <p><button type="button" disabled={busy} onClick={() => void load(list.at(-1)!.seq)}>Show older ones</button></p>}
    </>
  );
}
