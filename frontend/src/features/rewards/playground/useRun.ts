import { useCallback, useRef, useState } from "react";
import { useClient } from "urql";
import { sentence, type UserError } from "@/lib/errors";
import { TestReward } from "../documents";
import type { Draft } from "./draft";
import { type Run, runOf } from "./runs";
import { columnsProblem, toInput } from "./samples";

export const inputOf = (draft: Draft) => ({
  source: draft.source,
  format: draft.format,
  fileName: draft.fileName,
  weights: draft.weights.length ? draft.weights.map(({ name, weight }) => ({ name, weight })) : null,
  samples: draft.samples.length ? draft.samples.map(toInput) : null,
});

export interface Runs {
  run: Run | null;
  /** The run before, to compare with. */
  before: Run | null;
  busy: boolean;
  error: { message: string; hint?: string | null } | null;
  start: (draft: Draft) => Promise<void>;
}

/** Score the samples in the jail of the platform. One run at a time; the last two are kept. */
export function useRun(): Runs {
  const client = useClient();
  const [runs, setRuns] = useState<{ run: Run | null; before: Run | null }>({ run: null, before: null });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Runs["error"]>(null);
  const running = useRef(false);

  const start = useCallback(
    async (draft: Draft) => {
      if (running.current) return;
      const wrong = draft.samples.findIndex((sample) => columnsProblem(sample.columns));
      if (wrong >= 0) {
        setError({ message: `Sample ${wrong + 1}: ${columnsProblem(draft.samples[wrong]?.columns ?? "")}` });
        return;
      }
      running.current = true;
      setBusy(true);
      const { data, error: failed } = await client.mutation(TestReward, { input: inputOf(draft) }).toPromise();
      running.current = false;
      setBusy(false);
      const refused: UserError | undefined = data?.testReward.errors[0];
      const test = data?.testReward.test;
      setError(
        failed ? { message: sentence(failed) } : refused ? { message: refused.message, hint: refused.hint ?? null } : null,
      );
      if (test) setRuns((was) => ({ run: runOf(test, draft.samples), before: was.run }));
    },
    [client],
  );
  return { ...runs, busy, error, start };
}
