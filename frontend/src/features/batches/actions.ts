/** What can be done to batches, with the server's refusals as data. */
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { graphql } from "@/lib/graphql";
import { newKey } from "@/lib/idempotency";
import { type Refusal, refusalOf, useAction } from "@/lib/useAction";

const ERRORS = graphql(`
  fragment BatchErrors on UserError @_unmask {
    code
    message
    path
    hint
  }
`);

export const CreateMutation = graphql(
  `
    mutation CreateBatch($input: CreateBatchInput!) {
      createBatch(input: $input) {
        batch {
          id
        }
        errors {
          ...BatchErrors
        }
      }
    }
  `,
  [ERRORS],
);

const CancelMutation = graphql(
  `
    mutation CancelBatch($input: BatchActionInput!) {
      cancelBatch(input: $input) {
        batch {
          id
          status
        }
        errors {
          ...BatchErrors
        }
      }
    }
  `,
  [ERRORS],
);

const RetryMutation = graphql(
  `
    mutation RetryBatch($input: BatchActionInput!) {
      retryBatch(input: $input) {
        batch {
          id
        }
        errors {
          ...BatchErrors
        }
      }
    }
  `,
  [ERRORS],
);

export const UploadMutation = graphql(
  `
    mutation CreateFileUpload($input: CreateUploadInput!) {
      createUpload(input: $input) {
        upload {
          id
          url
        }
        errors {
          ...BatchErrors
        }
      }
    }
  `,
  [ERRORS],
);

export const FileMutation = graphql(
  `
    mutation CreateFile($input: CreateFileInput!) {
      createFile(input: $input) {
        file {
          id
        }
        errors {
          ...BatchErrors
        }
      }
    }
  `,
  [ERRORS],
);

const DeleteMutation = graphql(
  `
    mutation DeleteFile($input: DeleteFileInput!) {
      deleteFile(input: $input) {
        deletedId
        errors {
          ...BatchErrors
        }
      }
    }
  `,
  [ERRORS],
);

/** Resolves to undefined where it was deleted, else to why it was not. */
export function useDeleteFile(): (id: string) => Promise<Refusal | undefined> {
  const remove = useAction(DeleteMutation, (data) => data.deleteFile.errors);
  return (id) => remove({ input: { id, idempotencyKey: newKey() } });
}

export function useBatchActions(id: string) {
  const client = useClient();
  const cancel = useAction(CancelMutation, (data) => data.cancelBatch.errors);
  const on = () => ({ input: { id, idempotencyKey: newKey() } });
  return {
    /** Resolves to undefined where it was done, else to why it was not. */
    cancel: () => cancel(on()),
    /** Resolves to the id of the new batch, or to why there is none. */
    retry: async (): Promise<string | Refusal> => {
      const { data, error } = await client.mutation(RetryMutation, on()).toPromise();
      const made = data?.retryBatch;
      if (made?.batch) return made.batch.id;
      return (
        refusalOf(made?.errors ?? []) ?? {
          message: error ? sentence(error) : "The server made nothing.",
          hint: undefined,
          errors: [],
        }
      );
    },
  };
}
