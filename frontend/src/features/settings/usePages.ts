import type { TadaDocumentNode } from "gql.tada";
import { useCallback, useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";

export interface Pages<Row> {
  /** Undefined while the first page is fetched. */
  rows: Row[] | undefined;
  error: string | undefined;
  busy: boolean;
  /** Null where there is no more. */
  more: (() => void) | null;
  again: () => void;
}

interface Page<Row> {
  nodes: readonly Row[];
  pageInfo: { hasNextPage: boolean; endCursor?: string | null };
}

const PAGE = 50;

/** A list that is read page by page; other variables are another list. */
export function usePages<Result, Variables extends { first: number; after?: string | null }, Row>(
  document: TadaDocumentNode<Result, Variables>,
  variables: Omit<Variables, "first" | "after">,
  page: (result: Result) => Page<Row>,
): Pages<Row> {
  const client = useClient();
  const [rows, setRows] = useState<Row[]>();
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const shape = JSON.stringify(variables);
  const turn = useRef(0);
  const read = useRef(page);
  read.current = page;
  const ask = useCallback(
    async (after: string | null) => {
      turn.current += 1;
      const mine = turn.current;
      setBusy(true);
      setError(undefined);
      const asked = { ...JSON.parse(shape), first: PAGE, after } as Variables;
      const answer = await client.query(document, asked, { requestPolicy: "network-only" }).toPromise();
      // A newer question was asked meanwhile: its answer is the one that counts.
      if (mine !== turn.current) return;
      setBusy(false);
      if (answer.error || !answer.data) return setError(answer.error ? sentence(answer.error) : "No answer came.");
      const { nodes, pageInfo } = read.current(answer.data);
      setRows((was) => [...(after === null ? [] : (was ?? [])), ...nodes]);
      setNext(pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null);
    },
    [client, document, shape],
  );
  useEffect(() => void ask(null), [ask]);
  return { rows, error, busy, more: next === null ? null : () => void ask(next), again: () => void ask(null) };
}
