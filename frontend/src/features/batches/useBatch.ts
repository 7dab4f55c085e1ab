import { useEffect, useRef, useState } from "react";
import { type CombinedError, useQuery } from "urql";
import { readFragment } from "@/lib/graphql";
import { useLive } from "@/lib/live";
import { type Batch, BatchQuery, type Detail, EventStream, type Point, PointParts, ProgressStream, readBatch } from "./documents";
import { advanced, hasEnded, withPoints } from "./figures";

/** Where its points come too rarely to tell how it stands, such as while it waits. */
const AGAIN_MS = 15_000;

type Update = { __typename?: string; cursor?: string | null; batch?: Batch };
type Points = { __typename?: string; cursor?: string | null; points?: readonly Point[] };

export interface Followed {
  /** Null where there is none, undefined while it is read. */
  batch: Batch | null | undefined;
  detail: Detail | undefined;
  points: readonly Point[];
  error: CombinedError | undefined;
  /** Show at once what the server will say in a moment. */
  change: (to: Partial<Batch>) => void;
  again: () => void;
}

/** A batch as it is at this moment. */
export function useBatch(id: string): Followed {
  const [{ data, error }, run] = useQuery({ query: BatchQuery, variables: { id } });
  const again = () => run({ requestPolicy: "network-only" });
  const [live, setLive] = useState<Batch>();
  const [points, setPoints] = useState<readonly Point[]>([]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is read anew outranks what was heard before
  useEffect(() => setLive(undefined), [data]);
  const known = live ?? (data?.batch ? readBatch(data.batch) : undefined);
  const batch = known && advanced(known, points.at(-1));
  const ended = known !== undefined && hasEnded(known.status);
  // Without a socket the batch is simply read again.
  const poll = async () => {
    again();
    return [];
  };

  useLive(id, {
    document: EventStream,
    variables: { id },
    frame: ({ batchEvents: frame }): Update =>
      frame.__typename === "BatchUpdate" ? { ...frame, batch: readBatch(frame.batch) } : frame,
    onFrames: (frames) => {
      const last = frames.findLast((frame) => frame.batch)?.batch;
      if (!last) return;
      setLive(last);
      // Problems and the files that it has written come with its end.
      if (hasEnded(last.status)) again();
    },
    poll,
  });
  useLive(data && !data.batch ? null : id, {
    document: ProgressStream,
    variables: { id },
    frame: ({ batchProgress: frame }): Points =>
      frame.__typename === "BatchPoints"
        ? { ...frame, points: frame.points.map((one) => readFragment(PointParts, one)) }
        : frame.__typename === "StreamGap"
          ? { __typename: frame.__typename, cursor: frame.to }
          : frame,
    onFrames: (frames) => {
      const added = frames.flatMap((frame) => frame.points ?? []);
      if (added.length) setPoints((was) => withPoints(was, added));
    },
  });
  const latest = useRef(again);
  latest.current = again;
  useEffect(() => {
    if (ended) return;
    const timer = setInterval(() => latest.current(), AGAIN_MS);
    return () => clearInterval(timer);
  }, [ended]);

  return {
    batch: data && !data.batch ? null : batch,
    detail: data?.batch ?? undefined,
    points,
    error: data ? undefined : error,
    change: (to) => setLive((was) => (was ?? known) && { ...((was ?? known) as Batch), ...to }),
    again,
  };
}
