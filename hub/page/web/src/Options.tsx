import { Schema } from "./api";
import { Scroll, Theirs } from "./parts";

const said = (value: unknown) => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

/** Options are what config_schema.py printed: what a job may set. */
export function Options({ schema }: { schema: Schema }) {
  const fields = schema.fields ?? [];
  if (fields.length === 0) return null;
  return (
    <section className="card" aria-labelledby="options">
      <h2 id="options">Options</h2>
      <Scroll label="Options">
        <table>
          <thead><tr><th scope="col">Option</th><th scope="col">Type</th><th scope="col">Default</th><th scope="col">Values</th><th scope="col">About it</th></tr></thead>
          <tbody>{fields.map((f) => (
            <tr key={f.name}>
              <th scope="row"><code><Theirs>{f.name}</Theirs></code></th>
              <td>{f.type}</td>
              <td className="n"><Theirs>{said(f.default)}</Theirs></td>
              <td><Theirs>{f.options ? f.options.map(said).join(", ") : f.min !== undefined || f.max !== undefined ? `${said(f.min)} to ${said(f.max)}` : ""}</Theirs></td>
              <td><Theirs>{f.description ?? ""}</Theirs></td>
            </tr>
          ))}</tbody>
        </table>
      </Scroll>
    </section>
  );
}
