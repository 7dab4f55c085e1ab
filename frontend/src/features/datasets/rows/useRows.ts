/** Rows by number, fetched page by page as they come into view and kept while the screen is open. */
import { useCallback, useEffect, useRef, useState } from "react";
import { type CombinedError, useClient } from "urql";
import { DatasetRowsQuery, type RowOfDataset } from "../documents";
import { isWorking } from "../usePatientQuery";

const PAGE = 100;
/** As many pages as are held; the ones that were not looked at for longest go first. */
const HELD = 60;
const AGAIN_MS = 1500;

export interface Rows {
  row: (number: number) => RowOfDataset | undefined;
  /** Say which rows are in view. */
  see: (first: number, last: number) => void;
  error: CombinedError | undefined;
  retry: () => void;
}

export function useRows(id: string): Rows {
  const client = useClient();
  const pages = useRef(new Map<number, Map<number, RowOfDataset>>());
  const asked = useRef(new Set<number>());
  const seen = useRef<readonly [number, number]>([0, 0]);
  const open = useRef(true);
  const [, redraw] = useState(0);
  const [error, setError] = useState<CombinedError>();

  const fetchPage = useCallback(
    async (page: number) => {
      asked.current.add(page);
      const rows = new Map<number, RowOfDataset>();
      // A page of long rows ends early: it goes on from where it ended.
      for (let offset = page * PAGE; offset < (page + 1) * PAGE; ) {
        const first = (page + 1) * PAGE - offset;
        const answer = await client.query(DatasetRowsQuery, { id, first, offset }, { requestPolicy: "network-only" }).toPromise();
        if (!open.current) return;
        if (isWorking(answer.error)) {
          await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
          continue;
        }
        if (answer.error) {
          asked.current.delete(page);
          setError(answer.error);
          return;
        }
        const found = answer.data?.dataset?.rows;
        for (const row of found?.nodes ?? []) rows.set(Number(row.number), row);
        const last = found?.nodes.at(-1);
        if (!last || !found?.pageInfo.hasNextPage) break;
        offset = Number(last.number) + 1;
      }
      pages.current.delete(page);
      pages.current.set(page, rows);
      for (const old of pages.current.keys()) {
        if (pages.current.size <= HELD) break;
        pages.current.delete(old);
        asked.current.delete(old);
      }
      setError(undefined);
      redraw((count) => count + 1);
    },
    [client, id],
  );

  useEffect(() => {
    open.current = true;
    return () => {
      open.current = false;
      pages.current.clear();
      asked.current.clear();
    };
  }, []);

  const see = useCallback(
    (first: number, last: number) => {
      seen.current = [first, last];
      for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page += 1) {
        if (!asked.current.has(page)) void fetchPage(page);
      }
    },
    [fetchPage],
  );
  return {
    row: (number) => pages.current.get(Math.floor(number / PAGE))?.get(number),
    see,
    error,
    retry: () => {
      setError(undefined);
      see(...seen.current);
    },
  };
}
