import { FormEvent, useEffect, useRef, useState } from "react";
import { Problem, asProblem } from "./api";
import { Said } from "./parts";

type Props = { title: string; text: string; verb: string; send: (reason: string) => Promise<void>; onClose: () => void };

/** Reason asks why something is done, and does it. What was typed stays when the hub refuses it. */
export function Reason({ title, text, verb, send, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    const reason = String(new FormData(e.currentTarget).get("reason"));
    setBusy(true);
    try {
      await send(reason);
      onClose();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="reason-title">
      <form onSubmit={(e) => void submit(e)}>
        <h2 id="reason-title">{title}</h2>
        <p>{text}</p>
        <label>Reason <textarea name="reason" rows={4} required maxLength={2000} autoFocus /></label>
        <Said problem={problem} />
        <div className="actions">
          <button type="button" onClick={() => dialog.current?.close()}>Close</button>
          <button className="first" disabled={busy}>{verb}</button>
        </div>
      </form>
    </dialog>
  );
}
