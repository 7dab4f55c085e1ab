import { useCallback, useEffect, useRef, useState } from "react";
import { useClient, useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { type StreamState, useLive } from "@/lib/live";
import { type Group, GroupsQuery, type RolloutFrame, RolloutStream, type Run, RunQuery } from "./documents";
import { type Steps, stepsOf } from "./steps";

const ENDED = ["COMPLETED", "FAILED", "CANCELLED"];
const REDRAW_MS = 2000;
const MOST_GROUPS = 100;
/** Of so many of the newest steps the groups are held as they came. */
const HELD = 3;

export interface Live {
  run: Run | null;
  missing: boolean;
  error: string | null;
  retry: () => void;
  steps: Steps | null;
  /** The groups of the newest steps, whole, as the stream brought them. */
  fresh: ReadonlyMap<number, readonly Group[]>;
  state: StreamState;
}

interface Arrivals {
  last: number | null;
  fresh: ReadonlyMap<number, readonly Group[]>;
}

export function arrive(was: Arrivals, frames: readonly RolloutFrame[], whole: boolean): Arrivals {
  const fresh = new Map(was.fresh);
  let { last } = was;
  for (const frame of frames) {
    if (frame.__typename !== "RolloutBatch") continue;
    const step = frame.groups[0]?.step;
    if (step === undefined) continue;
    last = Math.max(step, last ?? step);
    // A step that another attempt goes over again replaces what it was.
    if (whole && frame.groups.length < MOST_GROUPS) fresh.set(step, frame.groups);
    else fresh.delete(step);
  }
  for (const step of [...fresh.keys()].sort((a, b) => a - b).slice(0, -HELD)) fresh.delete(step);
  return { last, fresh };
}

/** The job's steps, live. With `whole`, the stream brings all groups of each new step; else one, to know of it. */
export function useRun(jobId: string, whole: boolean): Live {
  const client = useClient();
  const [{ data, error, stale }, ask] = useQuery({ query: RunQuery, variables: { jobId } });
  const run = data?.job ?? null;
  const newest = run?.newest.nodes[0];
  const [arrivals, setArrivals] = useState<Arrivals>({ last: null, fresh: new Map() });
  const cursor = useRef<string | null>(null);
  cursor.current ??= newest?.cursor ?? null;
  const started = useRef(false);
  const ended = !run || (ENDED.includes(run.status) && !stale);
  if (run && !ended) started.current = true;

  const redraw = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const again = useCallback(() => {
    redraw.current ??= setTimeout(() => {
      redraw.current = undefined;
      ask({ requestPolicy: "network-only" });
    }, REDRAW_MS);
  }, [ask]);
  useEffect(() => () => clearTimeout(redraw.current), []);

  const { state } = useLive(ended && !started.current ? null : `${jobId} ${whole}`, {
    document: RolloutStream,
    variables: { jobId, sampleGroups: whole ? MOST_GROUPS : 1 },
    after: cursor.current,
    frame: (result) => result.jobRollouts,
    onFrames: (frames) => {
      for (const frame of frames) if ("cursor" in frame && frame.cursor) cursor.current = frame.cursor;
      setArrivals((was) => arrive({ ...was, last: was.last ?? newest?.step ?? null }, frames, whole));
      again();
    },
    poll: async (after) => {
      const variables = { jobId, step: null, row: null, first: MOST_GROUPS, after, filter: null, order: "OLDEST_FIRST" as const };
      const answer = await client.query(GroupsQuery, variables, { requestPolicy: "network-only" }).toPromise();
      if (answer.error) throw answer.error;
      const page = answer.data?.job?.rolloutGroups;
      const groups = page?.nodes ?? [];
      const steps = [...new Set(groups.map((group) => group.step))];
      // The last step of a full page may go on: it is asked for again, whole.
      const certain = page?.pageInfo.hasNextPage && steps.length > 1 ? steps.slice(0, -1) : steps;
      return certain.map((step): RolloutFrame => {
        const here = groups.filter((group) => group.step === step);
        return { __typename: "RolloutBatch", cursor: here.at(-1)?.cursor ?? "", groups: here };
      });
    },
  });

  return {
    run,
    missing: data !== undefined && run === null,
    error: error ? sentence(error) : null,
    retry: () => ask({ requestPolicy: "network-only" }),
    steps: run && stepsOf(run.rolloutSteps, arrivals.last),
    fresh: arrivals.fresh,
    state,
  };
}
