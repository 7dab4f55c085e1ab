import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { readFragment } from "@/lib/graphql";
import { useLive } from "@/lib/live";
import { choice, text, useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { type Deployment, type InferenceRequest, RequestParts, RequestStream, RequestsQuery } from "./queries";
import { RequestFilters } from "./RequestFilters";
import { RequestHead, RequestRow } from "./RequestRow";
import { isFiltering, isShown, merged, NONE, OUTCOMES, type RequestFilter, type Requests, WAYS } from "./requests";

const ROW = 32;
const PAGE = 100;
/** As many live rows are held before the list begins again. */
const MOST_LIVE = 5000;
/** Pages that are read for a filter that finds little before somebody is asked whether to go on. */
const MOST_PAGES = 10;
const FEW = 30;
const VIEW = { outcome: choice(OUTCOMES, "all"), way: choice(WAYS, "all"), replica: text() };

/** What it is asked, as calls end; counts and times only, never what was said. */
export default function RequestLog({ deployment }: { deployment: Deployment }) {
  const { id } = deployment;
  const client = useClient();
  const [{ rows, next }, setRequests] = useState<Requests>(NONE);
  const [error, setError] = useState<string | null>(null);
  const [view, setView] = useUrlState(VIEW);
  const [pages, setPages] = useState(MOST_PAGES);
  const shown = useMemo(() => (isFiltering(view) ? rows.filter((one) => isShown(view, one)) : rows), [rows, view]);
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
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    getItemKey: (index) => shown[index]?.id ?? index,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  // A filter that finds little looks on by itself for a while.
  const mayLook = !isFiltering(view) || rows.length < pages * PAGE;
  useEffect(() => {
    if (next && mayLook && last > shown.length - FEW) void load(next);
  }, [next, mayLook, last, shown.length, load]);

  const filter = (to: Partial<RequestFilter>) => {
    setPages(Math.ceil(rows.length / PAGE) + MOST_PAGES);
    setView(to);
  };
  return (
    <div className="flex flex-col gap-3">
      <RequestFilters
        filter={view}
        replicas={deployment.replicas}
        shown={shown.length}
        read={rows.length}
        isWhole={next === null}
        onFilter={filter}
      />
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
          aria-rowcount={next === null ? shown.length + 1 : -1}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
          tabIndex={0}
          className="max-h-[max(20rem,calc(100dvh-14rem))] min-h-64 overflow-y-auto focus-visible:-outline-offset-2"
        >
          <div role="rowgroup" className="sticky top-0 z-10 border-line border-b bg-surface">
            <RequestHead />
          </div>
          {next === undefined && !error && <Skeleton className="m-3 h-64" />}
          {next !== undefined && rows.length === 0 && (
            <Empty title="Nothing was asked yet">Calls show up here as they end. “Use it” has one to copy.</Empty>
          )}
          {rows.length > 0 && shown.length === 0 && (next === null || !mayLook) && <Empty title="No call is like that" />}
          <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
            {items.map((item) => {
              const one = shown[item.index];
              return one && <RequestRow key={item.key} one={one} top={item.start} />;
            })}
          </div>
        </div>
      </section>
      {next && !mayLook && (
        <Button className="self-center" onClick={() => filter({})}>
          Look further back
        </Button>
      )}
    </div>
  );
}
