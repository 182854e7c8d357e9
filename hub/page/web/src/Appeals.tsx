import { AppealOf, appeals } from "./api";
import { useList } from "./list";
import { Older, Said, Scroll, Theirs } from "./parts";
import { Link } from "./place";
import { time } from "./words";

/** Appeals are those that wait for the operator; each is decided on the page of its submission. */
export function Appeals() {
  const { list, problem, older } = useList<AppealOf>(appeals);
  return (
    <>
      <h1>Appeals</h1>
      <Said problem={problem} />
      {list?.length === 0 && <p className="card">None waits.</p>}
      {list && list.length > 0 && (
        <Scroll label="Appeals" className="card">
          <table>
            <thead><tr><th scope="col">Trainer</th><th scope="col">Version</th><th scope="col">Author</th><th scope="col">Reason</th><th scope="col">Since</th></tr></thead>
            <tbody>{list.map((a) => (
              <tr key={a.id}>
                <th scope="row"><Link to={{ submission: a.validation_job_id }}><Theirs>{a.name}</Theirs></Link></th>
                <td><Theirs>{a.version}</Theirs></td><td><Theirs>{a.author}</Theirs></td><td><Theirs>{a.reason}</Theirs></td><td>{time(a.created)}</td>
              </tr>
            ))}</tbody>
          </table>
        </Scroll>
      )}
      <Older more={older} />
    </>
  );
}
