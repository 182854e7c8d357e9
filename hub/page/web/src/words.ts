// How things are said: durations, times, sizes, states.

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 59.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/**
 * visible shows what would hide or turn text around: "gpj.exe" after a right-to-left override reads as "exe.jpg". Names, findings
 * and logs are a stranger's words.
 */
export const visible = (text: string) =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** task is a task type in words: object_detection is "Object detection". */
export const task = (name: string) => visible(name).replace(/_/g, " ").replace(/^./, (c) => c.toUpperCase());

export const day = (ms: number) => new Date(ms).toLocaleDateString();
export const time = (ms: number) => new Date(ms).toLocaleString();

export function size(bytes: number): string {
  if (bytes < 1 << 20) return `${Math.max(1, Math.ceil(bytes / 1024))} KiB`;
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

/** kind of a state, for its colour: what is not known is on its way. */
export function kind(state: string): string {
  if (state === "proven" || state === "active" || state === "passed" || state === "succeeded") return "good";
  if (state === "rejected" || state === "error" || state === "failed" || state === "quarantined" || state === "removed") return "bad";
  if (state === "cancelled" || state === "stopped" || state === "deprecated" || state === "yanked" || state === "skipped" || state === "waiting") return "quiet";
  return "running";
}

const meanings = new Map(Object.entries({
  rejected: "The package does not pass. The findings say what is wrong and where.",
  error: "The hub itself failed, also when it tried again. This is not the package's fault: the hub's operator has to look.",
  cancelled: "It was stopped before its end.",
}));
export const meaning = (state: string) => meanings.get(state) ?? "";
