/** A list page by page, with what stands above it; read again as far as it is shown. */
import { useCallback, useEffect, useRef, useState } from "react";

export interface PageOf<Row, Head> {
  head: Head;
  rows: readonly Row[];
  next: string | null;
}

/** Why there is none, in the server's words; null where there is no such thing. */
export type Asked<Row, Head> = PageOf<Row, Head> | string | null;

/** `key` names the question: another one is another list. */
export function usePages<Row, Head>(key: string, ask: (after: string | null) => Promise<Asked<Row, Head>>) {
  const [read, setRead] = useState<PageOf<Row, Head> & { key: string; pages: number }>();
  const [isMissing, setMissing] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const latest = useRef({ ask, read });
  latest.current = { ask, read };
  // Answers to another question than the last one are old news.
  const asked = useRef(0);

  const load = useCallback(async (of: string, pages: number, from: (PageOf<Row, Head> & { pages: number }) | null) => {
    asked.current += 1;
    const mine = asked.current;
    let [rows, after, head, have]: [readonly Row[], string | null, Head | undefined, number] = [
      from?.rows ?? [],
      from?.next ?? null,
      from?.head,
      from?.pages ?? 0,
    ];
    do {
      const page = await latest.current.ask(after);
      if (mine !== asked.current) return;
      if (page === null || typeof page === "string") {
        setBusy(false);
        setMissing(page === null);
        return setError(page);
      }
      rows = [...rows, ...page.rows];
      after = page.next;
      head = page.head;
      have += 1;
    } while (after !== null && have < pages);
    setBusy(false);
    setError(null);
    setMissing(false);
    if (head !== undefined) setRead({ key: of, rows, next: after, head, pages: have });
  }, []);
  useEffect(() => void load(key, 1, null), [key, load]);
  const again = useCallback(
    () => void load(key, latest.current.read?.key === key ? latest.current.read.pages : 1, null),
    [key, load],
  );

  return {
    head: read?.head,
    rows: read?.rows,
    hasMore: read?.next != null && read.key === key,
    isMissing,
    error,
    busy,
    again,
    more: () => {
      const now = latest.current.read;
      if (!now?.next || busy) return;
      setBusy(true);
      void load(key, now.pages + 1, now);
    },
  };
}

const PULSE_MS = 2000;

/** Again and again while something moves and somebody looks. */
export function useWhile(moves: boolean, again: () => void): void {
  useEffect(() => {
    if (!moves) return;
    const timer = setInterval(() => !document.hidden && again(), PULSE_MS);
    return () => clearInterval(timer);
  }, [moves, again]);
}
