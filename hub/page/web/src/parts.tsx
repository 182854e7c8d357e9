import { ReactNode } from "react";
import { Problem } from "./api";
import { kind, visible } from "./words";

/** Theirs is text of a stranger: it shows what hides in it, and turns nothing around it. */
export const Theirs = ({ children }: { children: string }) => <bdi>{visible(children)}</bdi>;

/** Said is a problem, to be seen and heard. */
export function Said({ problem }: { problem?: Problem }) {
  if (!problem) return null;
  return (
    <div className="said bad" role="alert">
      <Theirs>{problem.message}</Theirs>
      {problem.fields.length > 0 && <ul>{problem.fields.map((f) => <li key={f}><Theirs>{f}</Theirs></li>)}</ul>}
    </div>
  );
}

export function Badge({ state }: { state: string }) {
  return <span className={`badge ${kind(state)}`}>{state}</span>;
}

/** Older reads what follows a list, where something does. */
export const Older = ({ more }: { more?: () => void }) => (more ? <p><button type="button" onClick={more}>Show older ones</button></p> : null);

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>;
}

/** Scroll is a region that may be wider or higher than its place; it can be scrolled by keyboard. */
export function Scroll({ label, children, className = "" }: { label: string; children: ReactNode; className?: string }) {
  return <div className={`scroll ${className}`} role="region" aria-label={label} tabIndex={0}>{children}</div>;
}
