import { useState } from "react";
import { Me, Validation, appeals, ask, validation } from "./api";
import { Theirs } from "./parts";
import { Reason } from "./Reason";

type Asked = "appeal" | "grant" | "refuse";

/** appealable says whether the hub would take an appeal: each finding that refuses the package can be waived. */
function appealable(at: Validation): boolean {
  const errors = at.steps.flatMap((s) => s.findings).filter((f) => f.severity === "error");
  return at.state === "rejected" && !at.expired_at && errors.length > 0 && errors.every((f) => f.sha256);
}

const asks = {
  appeal: { title: "Appeal", text: "Say why the findings are wrong, or no danger. The hub's operator reads it, and looks at the files.", verb: "Send the appeal" },
  grant: { title: "Grant the appeal", text: "The package is proven again. Its findings are warnings from then on, in every file of the same bytes. The author reads your reason.", verb: "Grant it" },
  refuse: { title: "Refuse the appeal", text: "The package stays rejected. The author reads your reason.", verb: "Refuse it" },
};

/** Appeal is what its author says against a rejection, and what the operator says to that. */
export function Appeal({ at, me, onChange }: { at: Validation; me: Me; onChange: () => Promise<void> }) {
  const [asked, setAsked] = useState<Asked>();
  const { appeal } = at;
  const send = async (reason: string) => {
    if (asked === "appeal") await ask("POST", `${validation(at.validation_job_id)}/appeal`, { reason });
    else if (appeal) await ask("POST", `${appeals}/${encodeURIComponent(appeal.id)}`, { grant: asked === "grant", reason });
    await onChange();
  };
  const decides = me.operator && appeal?.state === "waiting";
  if (!appeal && !appealable(at)) return null;
  return (
    <section className="card" aria-label="Appeal">
      <h2>Appeal</h2>
      {appeal && <p>{appeal.state === "waiting" ? "It waits for the hub's operator" : `It was ${appeal.state}`}: <Theirs>{appeal.reason}</Theirs></p>}
      {appeal?.answer && <p>The operator: <Theirs>{appeal.answer}</Theirs></p>}
      {appealable(at) && <p className="quiet">If the findings are wrong, the hub's operator can let them pass for these very bytes.</p>}
      <div className="actions">
        {appealable(at) && <button type="button" onClick={() => setAsked("appeal")}>Appeal</button>}
        {decides && <button type="button" onClick={() => setAsked("refuse")}>Refuse</button>}
        {decides && <button type="button" className="first" onClick={() => setAsked("grant")}>Grant</button>}
      </div>
      {asked && <Reason {...asks[asked]} send={send} onClose={() => setAsked(undefined)} />}
    </section>
  );
}
