/** What serving deployments bear: the newest samples of each, for lists and dialogs. */
import { useEffect, useState } from "react";
import { follow } from "@/lib/live";
import { type Sample, StatsStream, samplesOf } from "./loadQueries";

/** As much as a line in a row has room for. */
const KEPT = 60;
const NONE: readonly Sample[] = [];

export function useLoads(ids: readonly string[]): (id: string) => readonly Sample[] {
  const [loads, setLoads] = useState<ReadonlyMap<string, readonly Sample[]>>(new Map());
  const key = ids.toSorted().join(",");
  useEffect(() => {
    const stops = key
      .split(",")
      .filter(Boolean)
      .map((id) =>
        follow({
          document: StatsStream,
          variables: { id, tail: KEPT },
          frame: samplesOf,
          onFrames: (frames) => {
            const added = frames.flatMap((frame) => frame.samples ?? []);
            if (added.length > 0) setLoads((was) => new Map(was).set(id, [...(was.get(id) ?? NONE), ...added].slice(-KEPT)));
          },
        }),
      );
    return () => {
      for (const stop of stops) stop();
    };
  }, [key]);
  return (id) => loads.get(id) ?? NONE;
}
