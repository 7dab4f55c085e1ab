/** The batches that meet a filter, newest first, up to date while some of them are under way. */
import { useEffect, useRef, useState } from "react";
import { useClient, useQuery } from "urql";
import { sentence } from "@/lib/errors";
import type { ResultOf, VariablesOf } from "@/lib/graphql";
import { useLive } from "@/lib/live";
import { toast } from "@/ui/Toast";
import { ActivityStream, type Batch, BatchesQuery, readBatch } from "./documents";
import { hasEnded } from "./figures";

const PAGE = 50;
const PULSE_MS = 2000;

type PageOf = ResultOf<typeof BatchesQuery>["batches"]["pageInfo"];
type Filter = VariablesOf<typeof BatchesQuery>["filter"];

export function useBatches(filter: Filter) {
  const client = useClient();
  const variables = { first: PAGE, filter: filter ?? null };
  const [{ data, error, fetching }, run] = useQuery({ query: BatchesQuery, variables });
  const again = () => run({ requestPolicy: "network-only" });
  const [more, setMore] = useState<{ of: string; rows: Batch[]; page: PageOf | null }>({ of: "", rows: [], page: null });
  const key = JSON.stringify(filter ?? null);
  const extra = more.of === key ? more : { rows: [], page: null };
  const first = data?.batches.nodes.map(readBatch);
  const known = new Set(first?.map((one) => one.id));
  const rows = first && [...first, ...extra.rows.filter((one) => !known.has(one.id))];
  const page = extra.page ?? data?.batches.pageInfo;
  const latest = useRef(again);
  latest.current = again;

  // What was counted since is no event.
  const moves = first?.some((one) => !hasEnded(one.status)) ?? false;
  useEffect(() => {
    if (!moves) return;
    const timer = setInterval(() => !document.hidden && latest.current(), PULSE_MS);
    return () => clearInterval(timer);
  }, [moves]);
  useLive("batches", {
    document: ActivityStream,
    variables: {},
    frame: ({ activity }) => activity as { __typename?: string; cursor?: string; events?: { resourceId: string }[] },
    onFrames: (frames) => {
      if (frames.some((frame) => frame.events?.some((one) => one.resourceId.startsWith("batch_")))) again();
    },
    // Without a socket the list is simply read again.
    poll: async () => {
      again();
      return [];
    },
  });

  const next = async () => {
    if (!page?.endCursor) return;
    const result = await client.query(BatchesQuery, { ...variables, after: page.endCursor }).toPromise();
    if (result.error) toast(sentence(result.error), { mood: "bad" });
    if (result.data) {
      const { nodes, pageInfo } = result.data.batches;
      setMore({ of: key, rows: [...extra.rows, ...nodes.map(readBatch)], page: pageInfo });
    }
  };
  return { rows, hasMore: page?.hasNextPage ?? false, error: data ? undefined : error, fetching, next, again };
}
