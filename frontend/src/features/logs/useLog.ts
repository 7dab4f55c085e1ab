import { useEffect, useMemo, useRef, useState } from "react";
import { useClient } from "urql";
import { LogApi, LogFailure, type LogFilter, type LogKind } from "./api";
import { FilteredLog } from "./filtered";
import type { Lines } from "./lines";
import { WholeLog } from "./whole";

/** The lines of a log under a filter; a new filter begins where the old one stood. */
export function useLog(of: LogKind, id: string, filter: LogFilter | null, startAt: number | null): { api: LogApi; lines: Lines } {
  const client = useClient();
  const api = useMemo(() => new LogApi(client, of, id), [client, of, id]);
  const key = filter && JSON.stringify(filter);
  const start = useRef(startAt);
  start.current = startAt;
  const lines = useMemo<Lines>(
    () => (key === null ? new WholeLog(api) : new FilteredLog(api, JSON.parse(key) as LogFilter, start.current)),
    [api, key],
  );
  useEffect(() => {
    lines.open();
    return () => lines.close();
  }, [lines]);
  return { api, lines };
}

/** When the first line was written; what elapsed time counts from. */
export function useSince(api: LogApi, wanted: boolean): string | null {
  const [since, setSince] = useState<string | null>(null);
  useEffect(() => {
    if (!wanted) return;
    let closed = false;
    api.page({ first: 1 }).then(
      (page) => !closed && setSince(page.lines[0]?.at ?? null),
      (error: unknown) => {
        if (!(error instanceof LogFailure)) throw error;
      },
    );
    return () => {
      closed = true;
    };
  }, [api, wanted]);
  return since;
}
