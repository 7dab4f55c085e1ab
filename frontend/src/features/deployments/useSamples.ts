import { useEffect, useMemo, useReducer } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { readFragment } from "@/lib/graphql";
import { useLive } from "@/lib/live";
import { toast } from "@/ui/Toast";
import { LoadsQuery, SampleParts, StatsStream, samplesOf } from "./loadQueries";
import type { Deployment } from "./queries";
import { type RangeName, Samples, spanOf } from "./samples";

/** More points than the widest chart has columns for would be thrown away. */
const POINTS = 600;
/** What is heard of the time while the past was read: samples are five seconds apart at least. */
const TAIL = 60;

/** The load of a deployment over a range: its past once, then what comes. Who uses it is drawn anew with each sample. */
export function useSamples(deployment: Deployment, range: RangeName): Samples {
  const { id, createdAt, stoppedAt } = deployment;
  const client = useClient();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another deployment begins with none
  const samples = useMemo(() => new Samples(), [id]);
  const [, redraw] = useReducer((times: number) => times + 1, 0);
  useEffect(() => {
    let wanted = true;
    const [from] = spanOf(range, { createdAt, stoppedAt }, Date.now());
    const variables = { id, from: new Date(from).toISOString(), points: POINTS };
    void client
      .query(LoadsQuery, variables, { requestPolicy: "network-only" })
      .toPromise()
      .then(({ data, error }) => {
        if (!wanted) return;
        if (error) toast(sentence(error), { mood: "bad" });
        samples.begin((data?.deployment?.loads ?? []).map((one) => readFragment(SampleParts, one)));
        redraw();
      });
    return () => {
      wanted = false;
    };
  }, [client, samples, id, range, createdAt, stoppedAt]);
  useLive(id, {
    document: StatsStream,
    variables: { id, tail: TAIL },
    frame: samplesOf,
    onFrames: (frames) => {
      samples.append(frames.flatMap((frame) => frame.samples ?? []));
      redraw();
    },
  });
  return samples;
}
