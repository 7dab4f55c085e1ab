/** A run's metrics as they come: the thinned history of a query, then the stream from where that stood. */
import type { Client, CombinedError } from "@urql/core";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { useClient } from "urql";
import { graphql, type ResultOf } from "@/lib/graphql";
import { follow, type StreamState } from "@/lib/live";
import { MetricStore } from "./columns";

/** A run of fewer steps than this is drawn exactly. */
export const HISTORY_POINTS = 1000;

const PLACE = graphql(`query JobMetricsPlace($id: ID!) { job(id: $id) { attempt status metricsCursor } }`);
export const METRICS = graphql(`query JobMetrics($id: ID!, $fromStep: Int, $toStep: Int, $maxPoints: Int!) {
  job(id: $id) { metrics(fromStep: $fromStep, toStep: $toStep, maxPoints: $maxPoints) { key steps values lower upper sampled } }
}`);
const LIVE = graphql(`subscription FollowMetrics($id: ID!, $after: Cursor) {
  jobMetrics(jobId: $id, after: $after) {
    __typename
    ... on MetricBatch { attempt cursor series { key steps values lower upper sampled } }
    ... on StreamGap { from to }
    ... on Heartbeat { cursor }
    ... on StreamEnd { reason cursor }
  }
}`);

type MetricFrame = ResultOf<typeof LIVE>["jobMetrics"];
export type Followed = "loading" | StreamState;

export interface RunMetrics {
  store: MetricStore;
  state: Followed;
  error: CombinedError | undefined;
  reload: () => void;
}

const ENDED = ["COMPLETED", "FAILED", "CANCELLED"];

export function useMetrics(jobId: string): RunMetrics {
  const client = useClient();
  const [round, setRound] = useState(0);
  const [run, setRun] = useState<Omit<RunMetrics, "reload">>(() => fresh());
  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` is a wish to begin again
  useEffect(() => {
    const mine = fresh();
    setRun(mine);
    const change = (more: Partial<RunMetrics>) => setRun((was) => (was.store === mine.store ? { ...was, ...more } : was));
    return followRun(client, jobId, mine.store, {
      onState: (state) => change({ state }),
      onError: (error) => change({ error, state: "failed" }),
    });
  }, [client, jobId, round]);
  return { ...run, reload: () => setRound((was) => was + 1) };
}

const fresh = (): Omit<RunMetrics, "reload"> => ({ store: new MetricStore(), state: "loading", error: undefined });

interface Told {
  onState: (state: Followed) => void;
  onError: (error: CombinedError) => void;
}

/** Fill a store until the run ends or the returned function is called. */
export function followRun(client: Client, jobId: string, store: MetricStore, told: Told): () => void {
  let closed = false;
  let stop: (() => void) | undefined;
  const ask = { requestPolicy: "network-only" } as const;

  const load = async () => {
    store.expect();
    const { data, error } = await client.query(METRICS, { id: jobId, maxPoints: HISTORY_POINTS }, ask);
    if (closed) return;
    if (error) told.onError(error);
    else store.load(data?.job?.metrics ?? []);
  };
  const poll = async (): Promise<MetricFrame[]> => {
    const { data } = await client.query(PLACE, { id: jobId }, ask);
    const job = data?.job;
    if (!job) throw new Error("The job cannot be read.");
    const fresh = await client.query(METRICS, { id: jobId, fromStep: store.lastStep + 1, maxPoints: 10_000 }, ask);
    if (fresh.error) throw fresh.error;
    const cursor = job.metricsCursor;
    // A newer attempt may have gone back: what it says of steps that were there comes with the whole.
    if (job.attempt > store.newest) await load();
    const frames: MetricFrame[] = [
      { __typename: "MetricBatch", attempt: job.attempt, cursor, series: fresh.data?.job?.metrics ?? [] },
    ];
    if (ENDED.includes(job.status)) frames.push({ __typename: "StreamEnd", reason: job.status.toLowerCase(), cursor });
    return frames;
  };
  const take = (frames: MetricFrame[]) => {
    const batches = frames.flatMap((frame) => (frame.__typename === "MetricBatch" ? [frame] : []));
    if (batches.length > 0) store.take(batches);
    // What was left out is stored: the whole is read again, thinned.
    if (frames.some((frame) => frame.__typename === "StreamGap")) void load();
  };
  const begin = async () => {
    const { data, error } = await client.query(PLACE, { id: jobId }, ask);
    if (closed) return;
    if (error) told.onError(error);
    else if (data?.job) {
      if (ENDED.includes(data.job.status)) told.onState("ended");
      else
        stop = follow({
          document: LIVE,
          variables: { id: jobId },
          after: data.job.metricsCursor,
          frame: (result) => result.jobMetrics as MetricFrame & { cursor?: string | null },
          onFrames: take,
          onState: told.onState,
          poll,
        });
      await load();
    }
  };
  void begin();
  return () => {
    closed = true;
    stop?.();
  };
}

/** Render again after a store has changed, but not more often than each `ms`. */
export function useVersion(store: MetricStore, ms: number): number {
  const subscribe = useCallback(
    (listener: () => void) => {
      let due: ReturnType<typeof setTimeout> | undefined;
      const stop = store.subscribe(() => {
        due ??= setTimeout(() => {
          due = undefined;
          listener();
        }, ms);
      });
      return () => {
        clearTimeout(due);
        stop();
      };
    },
    [store, ms],
  );
  return useSyncExternalStore(subscribe, () => store.version);
}
