import { useEffect, useState } from "react";
import { type CombinedError, useQuery } from "urql";
import { useLive } from "@/lib/live";
import { type Eval, EventStream, type Run, RunQuery, readRun } from "./documents";
import { hasEnded } from "./figures";
import { useWhile } from "./usePages";

type Update = { __typename?: string; cursor?: string | null; run?: Run };

export interface Followed {
  /** Null where there is none, undefined while it is read. */
  run: Run | null | undefined;
  eval: Eval | undefined;
  error: CombinedError | undefined;
  again: () => void;
}

/** A run as it is at this moment: its events come by themselves, what is counted between them is read again. */
export function useRun(id: string): Followed {
  const [{ data, error }, ask] = useQuery({ query: RunQuery, variables: { id } });
  const [live, setLive] = useState<Run>();
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is read anew outranks what was heard before
  useEffect(() => setLive(undefined), [data]);
  const [again] = useState(() => () => ask({ requestPolicy: "network-only" }));
  const run = live ?? (data?.evalRun ? readRun(data.evalRun) : undefined);
  useLive(data && !data.evalRun ? null : id, {
    document: EventStream,
    variables: { id },
    frame: ({ evalRunEvents: frame }): Update =>
      frame.__typename === "EvalRunUpdate" ? { ...frame, run: readRun(frame.run) } : frame,
    onFrames: (frames) => {
      const last = frames.findLast((frame) => frame.run)?.run;
      if (last) setLive(last);
    },
    // Without a socket the run is simply read again.
    poll: async () => {
      again();
      return [];
    },
  });
  useWhile(run !== undefined && !hasEnded(run.status), again);
  return {
    run: data && !data.evalRun ? null : run,
    eval: data?.evalRun?.eval,
    error: data ? undefined : error,
    again,
  };
}
