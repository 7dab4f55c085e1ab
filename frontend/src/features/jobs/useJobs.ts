/** The jobs that meet a filter, newest first: read page by page, and kept up to date without being read anew. */
import { useCallback, useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { hasEnded } from "@/features/job/queries";
import { sentence } from "@/lib/errors";
import { useLive } from "@/lib/live";
import type { JobFilter } from "./filters";
import { ActivitySubscription, type JobRow, JobRowQuery, JobsQuery } from "./queries";
import { extended, type Page, patched, refreshed } from "./rows";

export const PAGE_ROWS = 50;
/** The most often that the list is asked for because something happened. */
const REFRESH_MS = 1000;
/** How often, while something runs: steps are no events. */
const PULSE_MS = 3000;
/** More single rows than this are not asked for one by one. */
const SINGLE_ROWS = 10;

export interface Jobs {
  page: Page | undefined;
  error: string | undefined;
  loadingMore: boolean;
  loadMore: () => void;
  refresh: () => void;
  /** Show changed rows before the server has said so; null takes one out. */
  expect: (changes: ReadonlyMap<string, JobRow | null>) => void;
}

const toPage = (jobs: { nodes: JobRow[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } }): Page => ({
  rows: jobs.nodes,
  hasNextPage: jobs.pageInfo.hasNextPage,
  endCursor: jobs.pageInfo.endCursor,
});

export function useJobs(filter: JobFilter): Jobs {
  const client = useClient();
  const key = JSON.stringify(filter);
  const [page, setPage] = useState<Page>();
  const [error, setError] = useState<string>();
  const [loadingMore, setLoadingMore] = useState(false);
  const latest = useRef({ filter, page });
  latest.current = { filter, page };
  // Which list is shown, and which question about it was the last: answers to others are old news.
  const asked = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const changed = useRef(new Set<string>());

  const read = useCallback(
    async (mode: "anew" | "refresh") => {
      asked.current += 1;
      const mine = asked.current;
      const touched = [...changed.current];
      changed.current.clear();
      const variables = { first: PAGE_ROWS, after: null, filter: latest.current.filter };
      const { data, error: failed } = await client.query(JobsQuery, variables, { requestPolicy: "network-only" }).toPromise();
      if (mine !== asked.current) return;
      if (failed || !data) {
        setError(failed ? sentence(failed) : undefined);
        return;
      }
      setError(undefined);
      const first = toPage(data.jobs);
      setPage((was) => (was && mode === "refresh" ? refreshed(was, first) : first));
      const inFirst = new Set(first.rows.map((row) => row.id));
      const further = touched.filter((id) => !inFirst.has(id) && latest.current.page?.rows.some((row) => row.id === id));
      const rows = await Promise.all(
        further.slice(0, SINGLE_ROWS).map(async (id) => {
          const answer = await client.query(JobRowQuery, { id }, { requestPolicy: "network-only" }).toPromise();
          return answer.data ? ([id, answer.data.job] as const) : undefined;
        }),
      );
      if (mine === asked.current && rows.length) {
        setPage((was) => was && patched(was, new Map(rows.filter((row) => row !== undefined))));
      }
    },
    [client],
  );

  const refresh = useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      void read("refresh");
    }, REFRESH_MS);
  }, [read]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another filter is another list
  useEffect(() => {
    // The old rows stay until the new ones are there: a list that empties at each letter of a search flickers.
    setLoadingMore(false);
    void read("anew");
    return () => {
      asked.current += 1;
      clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [key, read]);

  const running = page?.rows.some((row) => !hasEnded(row.status)) ?? false;
  useEffect(() => {
    if (!running) return;
    const beat = setInterval(() => {
      if (!document.hidden) refresh();
    }, PULSE_MS);
    return () => clearInterval(beat);
  }, [running, refresh]);

  useLive("activity", {
    document: ActivitySubscription,
    variables: {},
    frame: (result) => result.activity,
    onFrames: (frames) => {
      const ids = frames.flatMap((frame) =>
        frame.__typename === "ActivityBatch" ? frame.events.map((event) => event.resourceId) : [],
      );
      for (const id of ids) if (id.startsWith("job_")) changed.current.add(id);
      if (changed.current.size) refresh();
    },
    // Without a socket the list is simply read again: no events are needed for that.
    poll: async () => {
      refresh();
      return [];
    },
  });

  const loadMore = useCallback(async () => {
    const from = latest.current.page;
    if (!from?.hasNextPage || loadingMore) return;
    setLoadingMore(true);
    const shown = JSON.stringify(latest.current.filter);
    const variables = { first: PAGE_ROWS, after: from.endCursor, filter: latest.current.filter };
    const { data, error: failed } = await client.query(JobsQuery, variables, { requestPolicy: "network-only" }).toPromise();
    if (shown !== JSON.stringify(latest.current.filter)) return;
    setLoadingMore(false);
    if (failed) setError(sentence(failed));
    else if (data) setPage((was) => was && extended(was, toPage(data.jobs)));
  }, [client, loadingMore]);

  const expect = useCallback((changes: ReadonlyMap<string, JobRow | null>) => {
    asked.current += 1;
    setPage((was) => was && patched(was, changes));
  }, []);
  return { page, error, loadingMore, loadMore: () => void loadMore(), refresh, expect };
}
