/** What can be done to jobs, for every page that offers it. */
import { graphql } from "@/lib/graphql";
import { newKey } from "@/lib/idempotency";
import { type Refusal, useAction } from "@/lib/useAction";

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

export function useJobActions() {
  const cancel = useAction(CancelMutation, (data) => data.cancelTrainingJob.errors);
  const remove = useAction(DeleteMutation, (data) => data.deleteTrainingJob.errors);
  return {
    cancel: (id: string) => cancel({ input: { id, idempotencyKey: newKey() } }),
    remove: (id: string) => remove({ input: { id, idempotencyKey: newKey() } }),
  };
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
