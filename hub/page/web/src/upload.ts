import { Problem, ask, problemOf, sessionEnded, unreachable } from "./api";

export type Sending = { abort: () => void; done: Promise<string> };

/**
 * send uploads a package; done is the id of its submission. XMLHttpRequest, because fetch tells no progress of an upload.
 * The key makes the hub take the same upload once, however often it is sent.
 */
export function send(form: FormData, dryRun: boolean, key: string, progress: (sent: number) => void): Sending {
  const request = new XMLHttpRequest();
  const done = new Promise<string>((resolve, reject) => {
    request.upload.onprogress = (e) => progress(e.lengthComputable ? e.loaded / e.total : 0);
    request.onload = () => {
      if (request.status === 202) {
        resolve((JSON.parse(request.responseText) as { validation_job_id: string }).validation_job_id);
        return;
      }
      if (request.status === 401) sessionEnded();
      reject(problemOf(request.status, request.responseText));
    };
    let whole = false; // the last byte is on its way: the hub takes what it gets whole
    request.upload.onload = () => { whole = true; };
    request.onabort = () => reject(new Problem(0, whole
      ? "The upload was stopped after all of it was sent. Your submissions show whether the hub took it."
      : "The upload was stopped; the hub keeps nothing of it."));
    request.onerror = () => void why().then(reject);
  });
  request.open("POST", `/api/v1/trainers/upload${dryRun ? "?dry_run=true" : ""}`);
  request.setRequestHeader("Idempotency-Key", key);
  request.send(form);
  return { abort: () => request.abort(), done };
}

/** why asks what an upload broke off for: a hub that refuses one closes the line, and a browser tells no more than that. */
async function why(): Promise<Problem> {
  try {
    await ask("GET", "/api/v1/me");
  } catch (error) {
    return error instanceof Problem && error.status === 401
      ? new Problem(401, "Your session has ended: log in, then send it again.")
      : new Problem(0, `${unreachable} Send it again later: it is taken only once.`);
  }
  return new Problem(0, "The upload broke off. Send it again: it is taken only once. A file that was changed since it was chosen must be chosen again.");
}

/** newKey works on plain http as well, where crypto.randomUUID does not. */
export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
