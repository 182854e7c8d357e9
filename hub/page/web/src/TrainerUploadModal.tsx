import { DragEvent, FormEvent, useEffect, useRef, useState } from "react";
import { About, Me, Problem, asProblem } from "./api";
import { Capabilities, read } from "./package";
import { Said, Theirs } from "./parts";
import { Sending, newKey, send } from "./upload";
import { size } from "./words";

type Props = { first?: File; about: About; me: Me; onClose: () => void; onSent: (id: string) => void };

/** TrainerUploadModal takes a package, shows what it says of itself, and sends it. */
export function TrainerUploadModal({ first, about, me, onClose, onSent }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [file, setFile] = useState<File>();
  const [inside, setInside] = useState<Capabilities>();
  const [problem, setProblem] = useState<Problem>();
  const [sent, setSent] = useState<number>(); // share of the bytes; undefined while nothing is sent
  const sending = useRef<Sending>(undefined);
  const key = useRef({ of: "", is: "" });
  const newest = useRef<File>(undefined); // of those that were chosen

  const choose = async (chosen: File) => {
    newest.current = chosen;
    setFile(chosen);
    setInside(undefined);
    setProblem(undefined);
    if (chosen.size > about.max_package) {
      setProblem(new Problem(0, `The package has ${size(chosen.size)}, and this hub takes ${size(about.max_package)}: leave out weights and datasets.`));
      return;
    }
    try {
      const found = await read(chosen);
      if (newest.current === chosen) setInside(found);
    } catch (error) {
      if (newest.current === chosen) setProblem(new Problem(0, (error as Error).message));
    }
  };
  useEffect(() => {
    dialog.current?.showModal();
    if (first) void choose(first);
    return () => sending.current?.abort();
  }, []);
  useLeaveWarning(sent !== undefined);

  const submit = async (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    if (!file || !inside || sent !== undefined) return;
    const fields = new FormData(e.currentTarget);
    const dryRun = !about.publishes || fields.get("dry_run") !== null;
    const metadata = JSON.stringify({ framework_name: inside.framework, version: inside.version, display_name: fields.get("display_name"), description: fields.get("description"), organisation: fields.get("organisation") || undefined });
    const form = new FormData();
    form.set("metadata", metadata);
    form.set("file", file, "trainer.zip"); // its name on this machine is nobody's business
    const of = [metadata, dryRun, file.name, file.size, file.lastModified].join("\n");
    if (key.current.of !== of) key.current = { of, is: newKey() };
    setProblem(undefined);
    setSent(0);
    sending.current = send(form, dryRun, key.current.is, setSent);
    try {
      onSent(await sending.current.done);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setSent(undefined);
    }
  };

  return (
    <dialog ref={dialog} aria-labelledby="upload-title" onClose={onClose} onCancel={(e) => sent !== undefined && e.preventDefault()}>
      <form onSubmit={(e) => void submit(e)}>
        <h2 id="upload-title">Upload a trainer</h2>
        <Drop file={file} disabled={sent !== undefined} onFile={(f) => void choose(f)} />
        <Said problem={problem} />
        {inside && <Form key={file?.name} inside={inside} about={about} me={me} disabled={sent !== undefined} />}
        {sent !== undefined && <Progress sent={sent} bytes={file?.size ?? 0} />}
        <div className="actions">
          {sent === undefined
            ? <button type="button" onClick={() => dialog.current?.close()}>Close</button>
            : <button type="button" onClick={() => sending.current?.abort()}>Stop</button>}
          <button type="submit" className="first" disabled={!inside || sent !== undefined}>Upload</button>
        </div>
      </form>
    </dialog>
  );
}

function useLeaveWarning(active: boolean) {
  useEffect(() => {
    if (!active) return;
    const warn = (e: BeforeUnloadEvent) => e.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [active]);
}

function Drop({ file, disabled, onFile }: { file?: File; disabled: boolean; onFile: (f: File) => void }) {
  const [over, setOver] = useState(false);
  const drop = (e: DragEvent) => {
    e.preventDefault();
    setOver(false);
    const dropped = e.dataTransfer.files[0];
    if (dropped && !disabled) onFile(dropped);
  };
  return (
    <label className={`drop ${over ? "over" : ""}`} onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={drop}>
      <span>{file ? <><Theirs>{file.name}</Theirs>, {size(file.size)}</> : "Drop the package here, or choose it"}</span>
      <input type="file" accept=".zip,application/zip" disabled={disabled} aria-label="Package (zip)" onChange={(e) => e.target.files?.[0] && onFile(e.target.files[0])} />
    </label>
  );
}

function Form({ inside, about, me, disabled }: { inside: Capabilities; about: About; me: Me; disabled: boolean }) {
  return (
    <fieldset disabled={disabled}>
      <legend className="visually-hidden">About the trainer</legend>
      <p className="quiet">Name and version are those of the package's capabilities.json; change them there.</p>
      <div className="pair">
        <label>Name <input value={inside.framework} readOnly required /></label>
        <label>Version <input value={inside.version} readOnly required /></label>
      </div>
      <label>Display name <input name="display_name" defaultValue={inside.display_name} maxLength={200} /></label>
      <label>Description <textarea name="description" defaultValue={inside.description} rows={3} maxLength={4000} /></label>
      {me.organisations.length > 0 && (
        <label>Owner of a new name <select name="organisation"><option value="">{me.name}</option>{me.organisations.map((o) => <option key={o}>{o}</option>)}</select></label>
      )}
      {about.publishes
        ? <label className="check"><input type="checkbox" name="dry_run" /> Only prove it; publish nothing</label>
        : <p className="quiet">This hub proves packages and does not publish them: every upload is a dry run.</p>}
    </fieldset>
  );
}

function Progress({ sent, bytes }: { sent: number; bytes: number }) {
  const whole = sent >= 1;
  return (
    <p>
      <progress value={sent} max={1} aria-label="Upload" /> <span className="n">{whole ? "Sent; the hub looks at it" : `${Math.floor(sent * 100)} % of ${size(bytes)}`}</span>
    </p>
  );
}
