/** What can be done to jobs, for every page that offers it. */
import { useCallback } from "react";
import { useClient } from "urql";
import { sentence, type UserError } from "@/lib/errors";
import { graphql } from "@/lib/graphql";
import { newKey } from "@/lib/idempotency";

const CancelMutation = graphql(`
  mutation CancelJob($input: JobActionInput!) {
    cancelTrainingJob(input: $input) {
      job {
        id
        status
      }
      errors {
        code
        message
        path
        hint
      }
    }
  }
`);

const DeleteMutation = graphql(`
  mutation DeleteJob($input: JobActionInput!) {
    deleteTrainingJob(input: $input) {
      deletedId
      errors {
        code
        message
        path
        hint
      }
    }
  }
`);

export interface Refusal {
  message: string;
  hint: string | undefined;
}

/** Undefined where it was done; else why it was not, in the server's words. */
const refusal = (errors: readonly UserError[] | undefined): Refusal | undefined =>
  errors?.length
    ? {
        message: errors.map((one) => one.message).join(" "),
        hint:
          errors
            .map((one) => one.hint)
            .filter(Boolean)
            .join(" ") || undefined,
      }
    : undefined;

export function useJobActions() {
  const client = useClient();
  const cancel = useCallback(
    async (id: string): Promise<Refusal | undefined> => {
      const { data, error } = await client.mutation(CancelMutation, { input: { id, idempotencyKey: newKey() } }).toPromise();
      if (error) return { message: sentence(error), hint: undefined };
      return refusal(data?.cancelTrainingJob.errors);
    },
    [client],
  );
  const remove = useCallback(
    async (id: string): Promise<Refusal | undefined> => {
      const { data, error } = await client.mutation(DeleteMutation, { input: { id, idempotencyKey: newKey() } }).toPromise();
      if (error) return { message: sentence(error), hint: undefined };
      return refusal(data?.deleteTrainingJob.errors);
    },
    [client],
  );
  return { cancel, remove };
}

/** A whole array of them, a few at once: one that is refused does not stop the others. */
export async function each(
  ids: readonly string[],
  act: (id: string) => Promise<Refusal | undefined>,
): Promise<Map<string, Refusal>> {
  const refused = new Map<string, Refusal>();
  const left = [...ids];
  const work = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      const why = await act(id);
      if (why) refused.set(id, why);
    }
  };
  await Promise.all(Array.from({ length: Math.min(4, ids.length) }, work));
  return refused;
}
