/** What became of the lines that meet a filter, page by page, in the order of the input; read again while more come. */
import { useCallback, useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { type Outcome, OutcomesQuery, readOutcome } from "./documents";

export interface OutcomeFilter {
  show: "all" | "answered" | "failed";
  /** A cause, as `causes` names it. */
  code: string;
  deployment: string;
}

const PAGE = 100;
/** As many as one question gives. */
const MOST = 1000;
const REST_MS = 2000;

export const variablesOf = ({ show, code, deployment }: OutcomeFilter) => ({
  ok: code || show === "failed" ? false : show === "answered" ? true : null,
  code: code || null,
  deploymentId: deployment || null,
});

interface Read {
  rows: readonly Outcome[];
  next: string | null;
}

/** `done` counts the lines that have an outcome: more of them are the reason to read again. */
export function useOutcomes(id: string, filter: OutcomeFilter, done: number) {
  const client = useClient();
  const [read, setRead] = useState<Read>();
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const key = JSON.stringify([id, variablesOf(filter)]);
  const latest = useRef({ filter, shown: 0 });
  latest.current = { filter, shown: read?.rows.length ?? 0 };
  // Answers to another question than the last one are old news.
  const asked = useRef(0);

  const ask = useCallback(
    async (first: number, after: string | null) => {
      asked.current += 1;
      const mine = asked.current;
      const variables = { id, first, after, ...variablesOf(latest.current.filter) };
      const { data, error: failed } = await client.query(OutcomesQuery, variables, { requestPolicy: "network-only" }).toPromise();
      if (mine !== asked.current) return;
      setBusy(false);
      const page = data?.batch?.outcomes;
      if (!page) return setError(failed ? sentence(failed) : "It is not here any more.");
      setError(null);
      const rows = page.nodes.map(readOutcome);
      const next = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
      setRead((was) => ({ rows: after ? [...(was?.rows ?? []), ...rows] : rows, next }));
    },
    [client, id],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: another filter is another list
  useEffect(() => {
    void ask(PAGE, null);
  }, [key, ask]);

  // The lines that are shown are read again when more are done, and none that somebody has scrolled to goes away.
  const readAt = useRef(done);
  useEffect(() => {
    if (done === readAt.current) return;
    const timer = setTimeout(() => {
      readAt.current = done;
      if (latest.current.shown <= MOST) void ask(Math.max(PAGE, latest.current.shown), null);
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [done, ask]);

  return {
    rows: read?.rows,
    hasMore: read?.next != null,
    error,
    busy,
    more: () => {
      if (!read?.next || busy) return;
      setBusy(true);
      void ask(PAGE, read.next);
    },
    again: () => void ask(PAGE, null),
  };
}
