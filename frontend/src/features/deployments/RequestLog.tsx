// biome-ignore-all lint/a11y/useFocusableInteractive: rows and cells of this table are read, not operated
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { count, dateTime, timeOfDay } from "@/lib/format";
import { readFragment } from "@/lib/graphql";
import { useLive } from "@/lib/live";
import { cx } from "@/ui/cx";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Badge } from "@/ui/Status";
import { ms } from "./numbers";
import { type Deployment, type InferenceRequest, RequestParts, RequestStream, RequestsQuery } from "./queries";
import { merged, NONE, type Requests } from "./requests";

const ROW = 32;
/** As many live rows are held before the list begins again. */
const MOST_LIVE = 5000;
const GRID =
  "grid grid-cols-[4rem_2.5rem_minmax(0,1fr)_4rem] sm:grid-cols-[6rem_5rem_5rem_5rem_5.5rem_5.5rem_minmax(6rem,1fr)] items-center gap-x-3 px-3 text-sm tabular-nums";

/** What it is asked, as calls end; counts and times only, never what was said. */
export default function RequestLog({ deployment }: { deployment: Deployment }) {
  const { id } = deployment;
  const client = useClient();
  const [{ rows, next }, setRequests] = useState<Requests>(NONE);
  const [error, setError] = useState<string | null>(null);
  const busy = useRef(false);
  const came = useRef(0);
  const load = useCallback(
    async (after: string | null, anew = false) => {
      if (busy.current) return;
      busy.current = true;
      const result = await client.query(RequestsQuery, { id, after }, { requestPolicy: "network-only" }).toPromise();
      busy.current = false;
      const page = result.data?.deployment?.requests;
      if (!page) return setError(result.error ? sentence(result.error) : "It is not here any more.");
      setError(null);
      const found = page.nodes.map((one) => readFragment(RequestParts, one));
      setRequests((was) => ({
        rows: merged(anew ? [] : was.rows, found),
        next: page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null,
      }));
    },
    [client, id],
  );
  useEffect(() => {
    setRequests(NONE);
    void load(null);
  }, [load]);
  useLive(id, {
    document: RequestStream,
    variables: { id },
    frame: ({ deploymentRequests: frame }): { __typename?: string; cursor?: string | null; requests?: InferenceRequest[] } =>
      frame.__typename === "RequestBatch"
        ? { ...frame, requests: frame.requests.map((one) => readFragment(RequestParts, one)) }
        : frame.__typename === "StreamGap"
          ? { __typename: frame.__typename, cursor: frame.to }
          : frame,
    onFrames: (frames) => {
      const added = frames.flatMap((frame) => frame.requests ?? []);
      setRequests((was) => ({ ...was, rows: merged(was.rows, added) }));
      came.current += added.length;
      // A page that is left open all day begins again with the newest, rather than hold all that came.
      if (came.current > MOST_LIVE) {
        came.current = 0;
        void load(null, true);
      } else if (frames.some((frame) => frame.__typename === "StreamGap")) void load(null);
    },
    poll: async () => {
      await load(null);
      return [];
    },
  });

  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (next && last > rows.length - 30) void load(next);
  }, [next, last, rows.length, load]);

  return (
    <section aria-label="Requests" className="overflow-hidden rounded-lg border border-line bg-surface shadow-card">
      {error && (
        <ErrorNote className="m-2" onRetry={() => void load(next ?? null)}>
          {error}
        </ErrorNote>
      )}
      <div
        ref={scroller}
        role="table"
        aria-label="Requests, the newest first"
        aria-rowcount={next === null ? rows.length + 1 : -1}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        className="max-h-[max(20rem,calc(100dvh-14rem))] min-h-64 overflow-y-auto focus-visible:-outline-offset-2"
      >
        <div role="rowgroup" className="sticky top-0 z-10 border-line border-b bg-surface">
          <div role="row" className={cx(GRID, "h-8 font-medium text-ink-3 text-xs")}>
            <span role="columnheader">When</span>
            <span role="columnheader">Status</span>
            <span role="columnheader" className="text-right max-sm:hidden">
              In
            </span>
            <span role="columnheader" className="text-right max-sm:hidden">
              Out
            </span>
            <span role="columnheader" className="text-right max-sm:hidden">
              First token
            </span>
            <span role="columnheader" className="text-right max-sm:order-last">
              Latency
            </span>
            <span role="columnheader">Ended by</span>
          </div>
        </div>
        {next === undefined && !error && <Skeleton className="m-3 h-64" />}
        {next !== undefined && rows.length === 0 && (
          <Empty title="Nothing was asked yet">Calls show up here as they end. “Use it” has one to copy.</Empty>
        )}
        <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const one = rows[item.index];
            return one && <RequestRow key={item.key} one={one} top={item.start} />;
          })}
        </div>
      </div>
    </section>
  );
}

function RequestRow({ one, top }: { one: InferenceRequest; top: number }) {
  const failed = one.statusCode >= 400;
  return (
    <div
      role="row"
      className={cx(GRID, "absolute inset-x-0 h-8 border-line border-b hover:bg-hover")}
      style={{ transform: `translateY(${top}px)` }}
    >
      <time role="cell" dateTime={one.createdAt} title={dateTime(one.createdAt)} className="text-ink-2">
        {timeOfDay(one.createdAt)}
      </time>
      <span role="cell">
        <Badge mood={one.clientCancelled ? "warn" : failed ? "bad" : "good"}>{one.statusCode}</Badge>
      </span>
      <span role="cell" className="text-right max-sm:hidden">
        {count(one.promptTokens)}
      </span>
      <span role="cell" className="text-right max-sm:hidden">
        {count(one.completionTokens)}
      </span>
      <span role="cell" className="text-right max-sm:hidden">
        {ms(one.ttftMs)}
      </span>
      <span role="cell" className="text-right max-sm:order-last">
        {ms(one.latencyMs)}
      </span>
      <span role="cell" className={cx("truncate", failed && "text-bad")} title={one.errorMessage ?? undefined}>
        {one.clientCancelled ? "the caller left" : (one.errorMessage ?? one.finishReason ?? "–")}
        {one.streamed && !failed && <span className="text-ink-3"> · streamed</span>}
      </span>
    </div>
  );
}
