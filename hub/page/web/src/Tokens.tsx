import { FormEvent, useCallback, useEffect, useState } from "react";
import { Problem, Token, ask, asProblem } from "./api";
import { Said, Scroll, Theirs } from "./parts";
import { time } from "./words";

const path = "/api/v1/tokens";

/** Tokens are for programs: trainer-agent publish, curl, CI. */
export function Tokens() {
  const [list, setList] = useState<Token[]>();
  const [secret, setSecret] = useState("");
  const [problem, setProblem] = useState<Problem>();
  const doing = useCallback(async (what: () => Promise<void>) => {
    try {
      await what();
      setList(await ask<Token[]>("GET", path));
      setProblem(undefined);
    } catch (error) {
      setProblem(asProblem(error));
    }
  }, []);
  useEffect(() => void doing(async () => {}), [doing]);
  const make = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    const form = e.currentTarget, fields = new FormData(form);
    void doing(async () => {
      const made = await ask<Token & { secret: string }>("POST", path, { name: fields.get("name"), scopes: fields.getAll("scope"), days: Number(fields.get("days")) });
      setSecret(made.secret);
      form.reset();
    });
  };
  const drop = (id: string) => void doing(async () => { await ask("DELETE", `${path}/${encodeURIComponent(id)}`); setSecret(""); });
  return (
    <>
      <h1>API tokens</h1>
      <Said problem={problem} />
      {secret && <div className="said good" role="status">The token, shown this once: <code className="long">{secret}</code></div>}
      <form className="card" onSubmit={make}>
        <h2>Make a token</h2>
        <label>Name <input name="name" required maxLength={100} /></label>
        <label>Days that it works <input name="days" type="number" min={1} max={366} defaultValue={90} required /></label>
        <label className="check"><input type="checkbox" name="scope" value="read" defaultChecked /> read: see my submissions</label>
        <label className="check"><input type="checkbox" name="scope" value="publish" defaultChecked /> publish: upload, cancel, try again</label>
        <div className="actions"><button className="first">Make it</button></div>
      </form>
      {list && list.length > 0 && (
        <Scroll label="Tokens" className="card">
          <table>
            <thead><tr><th scope="col">Name</th><th scope="col">Scopes</th><th scope="col">Works until</th><th scope="col">End it</th></tr></thead>
            <tbody>{list.map((t) => (
              <tr key={t.id}>
                <th scope="row"><Theirs>{t.name}</Theirs></th><td>{t.scopes.join(", ")}</td><td>{time(t.expires)}</td>
                <td><button type="button" onClick={() => drop(t.id)} aria-label={`End ${t.name}`}>End</button></td>
              </tr>
            ))}</tbody>
          </table>
        </Scroll>
      )}
    </>
  );
}
