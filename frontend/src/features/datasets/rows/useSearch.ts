/** Rows that contain a text: the server looks through a part of the file a request, and is asked on until a page is full. */
import { useCallback, useEffect, useRef, useState } from "react";
import { type CombinedError, useClient } from "urql";
import { DatasetRowsQuery, type RowOfDataset } from "../documents";

const PAGE = 50;

export interface Found {
  rows: readonly RowOfDataset[];
  isSearching: boolean;
  hasMore: boolean;
  error: CombinedError | undefined;
  more: () => void;
}

export function useSearch(id: string, search: string): Found {
  const client = useClient();
  const [rows, setRows] = useState<readonly RowOfDataset[]>([]);
  const [isSearching, setSearching] = useState(false);
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState<CombinedError>();
  const turn = useRef(0);

  const look = useCallback(
    async (from: string | null, had: readonly RowOfDataset[]) => {
      const mine = ++turn.current;
      setSearching(true);
      setError(undefined);
      const wanted = had.length + PAGE;
      let found = had;
      let after = from;
      do {
        const answer = await client
          .query(DatasetRowsQuery, { id, search, first: PAGE, after }, { requestPolicy: "network-only" })
          .toPromise();
        if (turn.current !== mine) return;
        if (answer.error) {
          setError(answer.error);
          break;
        }
        const page = answer.data?.dataset?.rows;
        found = [...found, ...(page?.nodes ?? [])];
        after = page?.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
        setRows(found);
        setCursor(after);
      } while (after !== null && found.length < wanted);
      setSearching(false);
    },
    [client, id, search],
  );

  useEffect(() => {
    setRows([]);
    setCursor(null);
    if (search) void look(null, []);
    return () => {
      turn.current += 1;
      setSearching(false);
    };
  }, [search, look]);
  return { rows, isSearching, hasMore: cursor !== null, error, more: () => void look(cursor, rows) };
}
