/** What serving deployments bear now: the newest sample of each, for a list. */
import { useEffect, useState } from "react";
import { follow } from "@/lib/live";
import { StatsStream } from "./queries";
import type { Sample } from "./samples";

export type Load = Pick<Sample, "requestsPerSecond" | "latencyP95Ms">;

export function useLoads(ids: readonly string[]): ReadonlyMap<string, Load> {
  const [loads, setLoads] = useState<ReadonlyMap<string, Load>>(new Map());
  const key = ids.toSorted().join(",");
  useEffect(() => {
    const stops = key
      .split(",")
      .filter(Boolean)
      .map((id) =>
        follow({
          document: StatsStream,
          variables: { id, tail: 1 },
          frame: ({ deploymentStats }) => deploymentStats as { __typename?: string; cursor?: string; samples?: Sample[] },
          onFrames: (frames) => {
            const sample = frames.findLast((frame) => frame.samples?.length)?.samples?.at(-1);
            if (sample) setLoads((was) => new Map(was).set(id, sample));
          },
        }),
      );
    return () => {
      for (const stop of stops) stop();
    };
  }, [key]);
  return loads;
}
