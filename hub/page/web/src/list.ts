import { useCallback, useEffect, useRef, useState } from "react";
import { Problem, askList, asProblem } from "./api";

export type Listed<T> = { list?: T[]; problem?: Problem; load: () => Promise<void>; older?: () => void };

/**
 * useList reads a list, newest first: its first part, and one part more for each call of older, which is there as long as something
 * follows. To load it again reads as many parts as are shown.
 */
export function useList<T>(path: string): Listed<T> {
  const [asked, setAsked] = useState({ path, parts: 1 });
  const parts = asked.path === path ? asked.parts : 1;
  const [list, setList] = useState<T[]>();
  const [more, setMore] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const wanted = useRef(""); // an answer to what was asked before is late
  const load = useCallback(async () => {
    const mine = `${parts} ${path}`;
    wanted.current = mine;
    try {
      const rows: T[] = [];
      let next: string | undefined = path;
      for (let n = 0; n < parts && next; n++) {
        const part: { list: T[]; next?: string } = await askList<T>(next);
        rows.push(...part.list);
        next = part.next;
      }
      if (wanted.current !== mine) return;
      setList(rows);
      setMore(next !== undefined);
      setProblem(undefined);
    } catch (error) {
      if (wanted.current === mine) setProblem(asProblem(error));
    }
  }, [path, parts]);
  useEffect(() => void load(), [load]);
  return { list, problem, load, older: more ? () => setAsked({ path, parts: parts + 1 }) : undefined };
}
