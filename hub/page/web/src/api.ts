// The hub's API as this page needs it; /openapi.json describes all of it.

export type Finding = { rule: string; severity: string; file?: string; line?: number; text: string; fix?: string; sha256?: string };
export type Step = { name: string; status: string; seconds: number; findings: Finding[]; facts?: Record<string, unknown> };
export type Validation = {
  validation_job_id: string;
  name: string;
  version: string;
  author: string;
  sha256: string;
  dry_run: boolean;
  status: "validating" | "passed" | "failed";
  state: string;
  reason: string;
  current_step: string;
  attempt: number;
  isolation: string;
  steps: Step[];
  appeal?: AppealOf;
  created: number;
  updated: number;
  expired_at?: number;
};
export type AppealOf = { id: string; validation_job_id: string; name: string; version: string; author: string; reason: string; state: "waiting" | "granted" | "refused" | "withdrawn"; answer: string; created: number };
export type Version = { name: string; version: string; state: string; reason: string };
export type Me = { name: string; operator: boolean; organisations: string[] };
export type About = { version: string; publishes: boolean; max_package: number; login: string };
export type Token = { id: string; name: string; scopes: string[]; created: number; expires: number };
export type Act = { seq: number; at: number; actor: string; action: string; subject: string; detail: unknown };

export type Card = { display_name: string; description: string; license?: string; tasks: string[] };
export type Published = {
  name: string; version: string; package_sha256: string; bundle: string; image: string; reference: string; python: string; platform: string; agent: string;
  card: Card; published: number; state: string; reason: string;
};
export type Model = { model_name: string; task_types?: string[]; description?: string; parameters?: { min?: number }; supported: boolean };
export type CapabilitiesOf = { models?: Model[] | null };
export type Option = { name: string; type: string; default: unknown; min?: number; max?: number; options?: unknown[]; description?: string };
export type Schema = { fields?: Option[] | null };
export type Node = { tag?: string; text?: string; href?: string; kids?: Node[] };
export type Proof = { isolation: string; models_validated: number; unscanned: string[]; steps: { name: string; status: string; seconds: number }[] };
export type TrainerDetail = Published & { capabilities: CapabilitiesOf; readme: Node[]; schema: Schema | null; proof: Proof };
export type Training = {
  version: string; task: string; device: string; started: number; seconds: number; status: string; failure_code: string; metric: string; value: number | null;
};
export type Analytics = {
  trainings: number; succeeded: number; failed: number; stopped: number; running: number; median_seconds: number | null;
  causes: { of: string; code: string; count: number }[]; recent: Training[];
};
export type Notification = { id: string; validation_job_id: string; name: string; version: string; state: string; text: string; created: number; seen: boolean };

export const trainer = (name: string) => `/api/v1/trainers/${encodeURIComponent(name)}`;
export const validations = "/api/v1/trainers/validation";
export const appeals = "/api/v1/admin/appeals";
export const notifications = "/api/v1/notifications";
export const version = (name: string, number: string) => `/api/v1/trainers/${encodeURIComponent(name)}/versions/${encodeURIComponent(number)}`;
export const validation = (id: string) => `${validations}/${encodeURIComponent(id)}`;

/** Problem is why something was not done, in the hub's words where it answered. Status 0 means that no answer came. */
export class Problem extends Error {
  constructor(readonly status: number, text: string, readonly fields: string[] = []) {
    super(text);
  }
}

export const unreachable = "The hub cannot be reached.";

/** problemOf reads an answer that is application/problem+json, or anything that a proxy sent in its place. */
export function problemOf(status: number, body: string): Problem {
  try {
    const { detail, title, errors } = JSON.parse(body) as { detail?: string; title?: string; errors?: { location?: string; message?: string }[] };
    const fields = (errors ?? []).filter((e) => e.message !== detail).map((e) => [e.location, e.message].filter(Boolean).join(": "));
    return new Problem(status, detail ?? title ?? `The hub answered with ${status}.`, fields);
  } catch {
    return new Problem(status, `The hub answered with ${status}.`);
  }
}

// Whoever shows the session hears of every answer that says it has ended.
const ended = new Set<() => void>();
export function onSessionEnd(tell: () => void): () => void {
  ended.add(tell);
  return () => void ended.delete(tell);
}
export const sessionEnded = () => ended.forEach((tell) => tell());

/** asOf is how far the hub's clock is ahead of this one's, in milliseconds. */
export let ahead = 0;

type Answer = { text: string; headers: Headers };

async function answer(method: string, path: string, body?: unknown): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(path, { method, body: body === undefined ? undefined : JSON.stringify(body), headers: body === undefined ? {} : { "Content-Type": "application/json" } });
  } catch {
    throw new Problem(0, unreachable);
  }
  const text = await response.text().catch(() => { throw new Problem(0, unreachable); });
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (!Number.isNaN(date)) ahead = date - Date.now();
  if (response.ok) return { text, headers: response.headers };
  if (response.status === 401) sessionEnded();
  throw problemOf(response.status, text);
}

function read<T>({ text }: Answer): T {
  try {
    return (text ? JSON.parse(text) : null) as T;
  } catch {
    throw new Problem(0, "The hub's answer cannot be read.");
  }
}

export const ask = async <T>(method: string, path: string, body?: unknown) => read<T>(await answer(method, path, body));
export const askText = async (path: string) => (await answer("GET", path)).text;

/** askList asks for a part of a list; next is the address of what follows it, undefined at the end. */
export async function askList<T>(path: string): Promise<{ list: T[]; next?: string }> {
  const told = await answer("GET", path);
  return { list: read<T[]>(told), next: /<([^>]*)>; rel="next"/.exec(told.headers.get("Link") ?? "")?.[1] };
}

/** asProblem makes whatever was thrown something to show. */
export const asProblem = (error: unknown) => (error instanceof Problem ? error : new Problem(0, String(error)));
