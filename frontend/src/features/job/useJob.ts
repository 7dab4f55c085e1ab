/** A job as it stands, kept up to date: its events as they happen, and its pulse each second while it runs. */
import { useCallback, useEffect, useRef, useState } from "react";
import { type Client, useClient } from "urql";
import { sentence } from "@/lib/errors";
import { useLive } from "@/lib/live";
import {
  hasEnded,
  type Job,
  type JobEvent,
  type JobEventFrame,
  JobEventsQuery,
  JobEventsSubscription,
  JobPulseQuery,
  JobQuery,
} from "./queries";

/** The most often that a job is asked for. */
const REFETCH_MS = 1000;

interface Shown {
  /** Undefined until it was asked for; null where there is none. */
  job: Job | null | undefined;
  /** When the last posting was made, from where on cost runs on. */
  postedAt: string | undefined;
  error: string | undefined;
}

export interface LiveJob extends Shown {
  events: readonly JobEvent[];
  refetch: () => void;
  /** Show a change before the server has said so; the next answer stands over it. */
  expect: (change: Partial<Job>) => void;
}

const EMPTY: Shown = { job: undefined, postedAt: undefined, error: undefined };

export function useJob(id: string): LiveJob {
  const client = useClient();
  const [shown, setShown] = useState<Shown>(EMPTY);
  const [events, setEvents] = useState<readonly JobEvent[]>([]);
  // What was asked earlier and comes later is old news.
  const asked = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const fetchedAt = useRef(Number.NEGATIVE_INFINITY);

  const fetchJob = useCallback(async () => {
    asked.current += 1;
    const mine = asked.current;
    fetchedAt.current = performance.now();
    const { data, error } = await client.query(JobQuery, { id }, { requestPolicy: "network-only" }).toPromise();
    if (mine !== asked.current) return;
    if (data) setShown({ job: data.job, postedAt: data.transactions.nodes[0]?.createdAt, error: undefined });
    else if (error) setShown((was) => ({ ...was, error: sentence(error) }));
  }, [client, id]);

  const refetch = useCallback(() => {
    timer.current ??= setTimeout(
      () => {
        timer.current = undefined;
        void fetchJob();
      },
      Math.max(0, fetchedAt.current + REFETCH_MS - performance.now()),
    );
  }, [fetchJob]);

  useEffect(() => {
    setShown(EMPTY);
    setEvents([]);
    void fetchJob();
    return () => {
      asked.current += 1;
      clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [fetchJob]);

  const status = shown.job?.status;
  const attempt = shown.job?.attempt;
  const running = status !== undefined && !hasEnded(status);
  useEffect(() => {
    if (!running) return;
    let open = false;
    const beat = setInterval(async () => {
      if (open || document.hidden) return;
      open = true;
      const before = asked.current;
      const { data } = await client.query(JobPulseQuery, { id }, { requestPolicy: "network-only" }).toPromise();
      open = false;
      if (!data || before !== asked.current) return;
      const pulse = data.job;
      // Deleted elsewhere, ended, or taken up anew: more has changed than the pulse tells.
      if (!pulse || pulse.status !== status || pulse.attempt !== attempt) return refetch();
      setShown((was) => ({
        ...was,
        job: was.job ? { ...was.job, ...pulse } : was.job,
        postedAt: data.transactions.nodes[0]?.createdAt,
        error: undefined,
      }));
    }, REFETCH_MS);
    return () => clearInterval(beat);
  }, [running, status, attempt, client, id, refetch]);

  useLive(shown.job ? id : null, {
    document: JobEventsSubscription,
    variables: { jobId: id },
    frame: (result) => result.jobEvents,
    onFrames: (frames) => {
      const fresh = frames.flatMap((frame) => (frame.__typename === "JobEventBatch" ? frame.events : []));
      if (fresh.length) setEvents((was) => [...was, ...fresh]);
      // The first batch of a job that has ended is its history.
      if (running) refetch();
    },
    poll: (after) => polled(client, id, after),
  });

  const expect = useCallback((change: Partial<Job>) => {
    asked.current += 1;
    setShown((was) => (was.job ? { ...was, job: { ...was.job, ...change } } : was));
  }, []);
  return { ...shown, events, refetch, expect };
}

async function polled(client: Client, jobId: string, after: string | null): Promise<JobEventFrame[]> {
  const { data, error } = await client.query(JobEventsQuery, { jobId, after }, { requestPolicy: "network-only" }).toPromise();
  if (error) throw error;
  if (!data?.job) return [];
  const { nodes, pageInfo } = data.job.events;
  const cursor = pageInfo.endCursor;
  if (!cursor || nodes.length === 0) return [];
  return [{ __typename: "JobEventBatch", cursor, events: nodes }];
}
