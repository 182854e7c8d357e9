import { AnchorHTMLAttributes, useEffect, useState } from "react";

/** Place is what the address says is shown: a submission, a trainer, another page, or one's submissions. */
export type Place = { submission?: string; trainer?: string; version?: string; page?: Page };
const pages = ["trainers", "notifications", "tokens", "audit", "appeals"] as const;
export type Page = (typeof pages)[number];

const read = (): Place => {
  const query = new URLSearchParams(location.search);
  const word = (key: string) => { const value = query.get(key) ?? ""; return /^[\w-][\w.-]*$/.test(value) ? value : undefined; };
  const submission = word("submission"), trainer = word("trainer");
  return { submission: submission?.includes(".") ? undefined : submission, trainer, version: trainer && word("version"), page: pages.find((p) => p === query.get("page")) };
};

const address = (place: Place) => {
  const query = new URLSearchParams(Object.entries(place).filter((e): e is [string, string] => !!e[1])).toString();
  return query ? `/?${query}` : "/";
};

const moved = "placechange";

export function go(place: Place) {
  history.pushState(null, "", address(place));
  window.dispatchEvent(new Event(moved));
  window.scrollTo(0, 0);
  document.getElementById("main")?.focus(); // a screen reader reads on from there
}

export function usePlace(): [Place, (to: Place) => void] {
  const [place, set] = useState(read);
  useEffect(() => {
    const look = () => set(read());
    window.addEventListener("popstate", look);
    window.addEventListener(moved, look);
    return () => { window.removeEventListener("popstate", look); window.removeEventListener(moved, look); };
  }, []);
  return [place, go];
}

/** Link goes to a place without loading the page again; with a modifier key it opens a tab, as every link does. */
export function Link({ to, ...rest }: { to: Place } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  return (
    <a {...rest} href={address(to)} onClick={(e) => {
      if (e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
      e.preventDefault();
      go(to);
    }} />
  );
}
