/** What can be done to evals, with the server's refusals as data. */
import { useClient } from "urql";
import { byField, sentence, type UserError } from "@/lib/errors";
import { graphql, type Json } from "@/lib/graphql";
import { newKey } from "@/lib/idempotency";
import { type Refusal, useAction } from "@/lib/useAction";

const ERRORS = graphql(`
  fragment EvalErrors on UserError @_unmask {
    code
    message
    path
    hint
  }
`);

const CreateMutation = graphql(
  `
    mutation CreateEval($input: CreateEvalInput!) {
      createEval(input: $input) {
        eval {
          id
        }
        errors {
          ...EvalErrors
        }
      }
    }
  `,
  [ERRORS],
);

const DeleteMutation = graphql(
  `
    mutation DeleteEval($input: DeleteEvalInput!) {
      deleteEval(input: $input) {
        deletedId
        errors {
          ...EvalErrors
        }
      }
    }
  `,
  [ERRORS],
);

const StartMutation = graphql(
  `
    mutation StartEvalRun($input: StartEvalRunInput!) {
      startEvalRun(input: $input) {
        run {
          id
        }
        errors {
          ...EvalErrors
        }
      }
    }
  `,
  [ERRORS],
);

const CancelMutation = graphql(
  `
    mutation CancelEvalRun($input: CancelEvalRunInput!) {
      cancelEvalRun(input: $input) {
        run {
          id
          status
        }
        errors {
          ...EvalErrors
        }
      }
    }
  `,
  [ERRORS],
);

/** Why nothing was made: by the fields of the form, `""` for what is about none of them. */
export interface Failure {
  fields: Record<string, string>;
  hint: string | undefined;
}

function failureOf(errors: readonly UserError[], fields: readonly string[]): Failure {
  const found = byField(errors, fields);
  if (Object.keys(found).length === 0) found[""] = "The server made nothing.";
  return { fields: found, hint: errors.find((one) => one.hint)?.hint ?? undefined };
}

export interface NewEval {
  name: string;
  datasetId: string;
  scorers: Json[];
  generationParams: Json | null;
}

export interface NewRun {
  evalId: string;
  model: string;
  numSamples: number | null;
  generationParams: Json | null;
}

/** Each resolves to the id of what was made, or to why there is none. */
export function useMaking() {
  const client = useClient();
  return {
    create: async (input: NewEval): Promise<string | Failure> => {
      const { data, error } = await client
        .mutation(CreateMutation, { input: { ...input, idempotencyKey: newKey() } })
        .toPromise();
      if (error) return { fields: { "": sentence(error) }, hint: undefined };
      const made = data?.createEval;
      return (
        made?.eval?.id ??
        failureOf(made?.errors ?? [], [
          "name",
          "datasetId",
          ...input.scorers.map((_, index) => `scorers.${index}`),
          "scorers",
          "generationParams",
        ])
      );
    },
    start: async (input: NewRun): Promise<string | Failure> => {
      const { data, error } = await client.mutation(StartMutation, { input: { ...input, idempotencyKey: newKey() } }).toPromise();
      if (error) return { fields: { "": sentence(error) }, hint: undefined };
      const made = data?.startEvalRun;
      return made?.run?.id ?? failureOf(made?.errors ?? [], ["model", "numSamples", "generationParams", "hardware"]);
    },
  };
}

/** Each resolves to undefined where it was done, else to why it was not. */
export function useEvalActions() {
  const remove = useAction(DeleteMutation, (data) => data.deleteEval.errors);
  const cancel = useAction(CancelMutation, (data) => data.cancelEvalRun.errors);
  return {
    remove: (id: string): Promise<Refusal | undefined> => remove({ input: { id, idempotencyKey: newKey() } }),
    cancel: (id: string): Promise<Refusal | undefined> => cancel({ input: { id, idempotencyKey: newKey() } }),
  };
}
