import { useCallback, useRef, useState } from "react";
import { useClient } from "urql";
import { byField, sentence } from "@/lib/errors";
import type { VariablesOf } from "@/lib/graphql";
import { newKey } from "@/lib/idempotency";
import type { Issue } from "@/ui/CodeEditor";
import { CreateReward } from "./documents";

type Input = Omit<VariablesOf<typeof CreateReward>["input"], "idempotencyKey">;

const FIELDS = ["name", "source", "format", "fileName", "weights", "samples"];
const NONE: readonly Issue[] = [];

export interface Refusal {
  /** By field; `""` is about the whole. */
  fields: Record<string, string>;
  hint: string | null;
  issues: readonly Issue[];
}

/** Store a reward function; what the contract test finds wrong comes back by line. */
export function useCreateReward() {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal>({ fields: {}, hint: null, issues: NONE });
  // The same attempt keeps its key, so that a lost answer and a second press make one function.
  const attempt = useRef({ of: "", key: "" });

  const create = useCallback(
    async (input: Input) => {
      const text = JSON.stringify(input);
      if (attempt.current.of !== text) attempt.current = { of: text, key: newKey() };
      setBusy(true);
      const { data, error } = await client
        .mutation(CreateReward, { input: { ...input, idempotencyKey: attempt.current.key } })
        .toPromise();
      setBusy(false);
      if (error) {
        setRefusal({ fields: { "": sentence(error) }, hint: null, issues: NONE });
        return null;
      }
      const errors = data?.createRewardFunction.errors ?? [];
      // A refused input may be right a moment later, where the server was busy: the next press is a new try.
      if (errors.length) attempt.current = { of: "", key: "" };
      setRefusal({
        fields: byField(errors, FIELDS),
        hint: errors[0]?.hint ?? null,
        issues: errors.flatMap((one) => (one.__typename === "RewardFunctionRejected" ? one.issues : [])),
      });
      return data?.createRewardFunction.rewardFunction ?? null;
    },
    [client],
  );
  const clear = useCallback(() => setRefusal({ fields: {}, hint: null, issues: NONE }), []);
  return { create, busy, refusal, clear };
}
