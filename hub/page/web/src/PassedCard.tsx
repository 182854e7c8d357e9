import { Validation } from "./api";
import { Fact, Theirs } from "./parts";
import { duration } from "./words";

/** hidden is what the security step can say of a package that passed: no more than was looked for. */
function hidden(at: Validation): string {
  const found = at.steps.filter((s) => s.name === "security").flatMap((s) => s.findings);
  const unscanned = found.filter((f) => f.rule.startsWith("unscanned.")).map((f) => f.rule.slice("unscanned.".length));
  if (unscanned.length > 0) return `It was not scanned for everything (${unscanned.join(", ")}), which this hub's operator allows.`;
  return found.length > 0 ? "The security step has findings that refuse nothing; see below." : "Nothing was found that hides in it.";
}

/** PassedCard is a package that passed. */
export function PassedCard({ at }: { at: Validation }) {
  // None when its script builds none: that says nothing of the package.
  const models = at.steps.map((s) => s.facts?.["models_validated"]).find((n): n is number => typeof n === "number" && n > 0);
  return (
    <section className="card passed" aria-label="The package passed">
      <h2><Theirs>{at.name}</Theirs> <Theirs>{at.version}</Theirs> passed</h2>
      <p>It trains and predicts. {hidden(at)} {at.state === "proven" && "This was a dry run: nothing was published."}</p>
      {at.state === "active" && <p>Train with it: <code className="long">trainer-agent install {at.name}@{at.version}</code></p>}
      <dl className="facts">
        {models !== undefined && <Fact name="Models that were built">{models}</Fact>}
        <Fact name="Steps">{at.steps.filter((s) => s.status === "passed").length} passed</Fact>
        <Fact name="Time of all steps">{duration(at.steps.reduce((sum, s) => sum + s.seconds, 0))}</Fact>
      </dl>
    </section>
  );
}
