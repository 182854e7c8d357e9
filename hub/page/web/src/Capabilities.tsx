import { CapabilitiesOf } from "./api";
import { Scroll, Theirs } from "./parts";
import { task } from "./words";

/** Capabilities are the models of a trainer and what each is for. */
export function Capabilities({ of }: { of: CapabilitiesOf }) {
  const models = (of.models ?? []).filter((m) => m.supported);
  if (models.length === 0) return null;
  return (
    <section className="card" aria-labelledby="models">
      <h2 id="models">Models</h2>
      <Scroll label="Models">
        <table>
          <thead><tr><th scope="col">Model</th><th scope="col">Tasks</th><th scope="col">Parameters</th><th scope="col">About it</th></tr></thead>
          <tbody>{models.map((m) => (
            <tr key={m.model_name}>
              <th scope="row"><code><Theirs>{m.model_name}</Theirs></code></th>
              <td>{(m.task_types ?? []).map(task).join(", ")}</td>
              <td className="n">{m.parameters?.min ? `${m.parameters.min} M` : ""}</td>
              <td><Theirs>{m.description ?? ""}</Theirs></td>
            </tr>
          ))}</tbody>
        </table>
      </Scroll>
    </section>
  );
}
