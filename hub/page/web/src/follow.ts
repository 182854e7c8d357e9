import { useCallback, useEffect, useState } from "react";
import { Problem, Validation, ask, asProblem, validation } from "./api";

/** What is away is waited for, and such tries are not counted. */
export type Fault = { state: string; text: string; try?: number; of?: number; again_in_seconds: number };
export type Running = { step: string; at: number };
export type Followed = { at?: Validation; problem?: Problem; running?: Running; fault?: Fault; live: boolean; load: () => Promise<void>; act: (verb: "cancel" | "retry") => Promise<void> };

/**
 * useValidation follows one submission. What is shown is always one answer of the hub; events only say when to ask again, so
 * an event that is lost, doubled or late shows nothing wrong. Two things are in events alone: since when a step runs, and
 * faults of the hub's own.
 */
export function useValidation(id: string): Followed {
  const [at, setAt] = useState<Validation>();
  const [problem, setProblem] = useState<Problem>();
  const [running, setRunning] = useState<Running>();
  const [fault, setFault] = useState<Fault>();
  const [live, setLive] = useState(false);

  const load = useCallback(async () => {
    try {
      setAt(await ask<Validation>("GET", validation(id)));
      setProblem(undefined);
    } catch (error) {
      setProblem(asProblem(error));
    }
  }, [id]);
  useEffect(() => {
    void load();
    return whenSeen(load); // another tab may have tried it again
  }, [load]);

  const open = at?.status === "validating";
  const hidden = useHidden();
  useEffect(() => {
    if (!open || !hidden) return;
    const timer = setInterval(load, unseen);
    return () => clearInterval(timer);
  }, [open, hidden, load]);
  useEffect(() => {
    if (!open || hidden) return;
    const refresh = oneAtATime(load);
    const events = listen(`${validation(id)}/events`, {
      state: () => { setRunning(undefined); setFault(undefined); refresh(); },
      step_started: (e) => { setRunning({ step: String(e.data["step"]), at: e.at }); setFault(undefined); refresh(); },
      step: (e) => { setRunning((r) => (r?.step === e.data["name"] ? undefined : r)); refresh(); },
      fault: (e) => { setRunning(undefined); setFault(e.data as unknown as Fault); refresh(); },
    }, (is) => { setLive(is); if (!is) refresh(); });
    return () => { events(); setLive(false); setRunning(undefined); };
  }, [id, open, hidden, load]);

  const act = useCallback(async (verb: "cancel" | "retry") => {
    try {
      setAt(await ask<Validation>("POST", `${validation(id)}/${verb}`));
      setFault(undefined);
      setProblem(undefined);
    } catch (error) {
      await load(); // it may have ended in the meantime
      setProblem(asProblem(error));
    }
  }, [id, load]);
  return { at, problem, running, fault, live, load, act };
}

const unseen = 5000; // ms between two questions of a tab that nobody looks at

/** useHidden says whether nobody looks at this tab: over HTTP/1 a browser has six lines to a hub, and a stream holds one. */
function useHidden(): boolean {
  const look = () => document.visibilityState === "hidden";
  const [hidden, set] = useState(look);
  useEffect(() => {
    const seen = () => set(look());
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, []);
  return hidden;
}

/** whenSeen calls when this tab is looked at again. */
export function whenSeen(call: () => void): () => void {
  const seen = () => document.visibilityState === "visible" && call();
  document.addEventListener("visibilitychange", seen);
  window.addEventListener("focus", seen);
  return () => { document.removeEventListener("visibilitychange", seen); window.removeEventListener("focus", seen); };
}

/** oneAtATime makes any number of calls during a call one more call after it. */
function oneAtATime(call: () => Promise<void>): () => void {
  let busy = false, again = false;
  return async () => {
    again = true;
    if (busy) return;
    busy = true;
    while (again) { again = false; await call(); }
    busy = false;
  };
}

type Event = { at: number; data: Record<string, unknown> };

/**
 * listen reads server-sent events until the function that it returns is called. The browser itself connects again, with
 * Last-Event-ID, when a stream ends; after an answer that is no stream (503, 401, a proxy's page) it gives up, and we do not.
 */
function listen(path: string, hear: Record<string, (e: Event) => void>, live: (is: boolean) => void): () => void {
  let source: EventSource | undefined, timer = 0, wait = 1000;
  const connect = () => {
    const now = new EventSource(path);
    source = now;
    now.onopen = () => { wait = 1000; live(true); };
    now.onerror = () => {
      live(false);
      if (now.readyState !== EventSource.CLOSED) return;
      timer = window.setTimeout(connect, wait);
      wait = Math.min(wait * 2, 30_000);
    };
    for (const [kind, told] of Object.entries(hear)) now.addEventListener(kind, (e) => told(JSON.parse((e as MessageEvent<string>).data) as Event));
  };
  connect();
  return () => { window.clearTimeout(timer); source?.close(); };
}
