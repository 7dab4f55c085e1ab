/** What the server would make of the job as it stands: asked again shortly after each change. */
import { useEffect, useRef, useState } from "react";
import { type CombinedError, useClient } from "urql";
import { type Plan, type PlanError, PlanTrainingJob } from "./documents";
import type { JobInput } from "./draft";

const PAUSE_MS = 350;

export interface Planned {
  plan: Plan | null;
  errors: readonly PlanError[];
  error: CombinedError | undefined;
  /** Whether it is of the job as it stands, and not of the one before the last change. */
  isCurrent: boolean;
}

export function usePlan(input: JobInput | null): Planned {
  const client = useClient();
  const [answer, setAnswer] = useState<Omit<Planned, "isCurrent"> & { of: string }>({
    of: "",
    plan: null,
    errors: [],
    error: undefined,
  });
  const shape = input ? JSON.stringify(input) : "";
  const turn = useRef(0);
  useEffect(() => {
    if (!shape) return;
    const mine = ++turn.current;
    const timer = setTimeout(async () => {
      const { data, error } = await client.mutation(PlanTrainingJob, { input: JSON.parse(shape) as JobInput }).toPromise();
      if (turn.current !== mine) return;
      setAnswer((was) => ({
        of: shape,
        plan: error ? was.plan : (data?.planTrainingJob.plan ?? null),
        errors: data?.planTrainingJob.errors ?? [],
        error,
      }));
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [client, shape]);
  const { of, ...rest } = answer;
  return { ...rest, isCurrent: of === shape };
}
