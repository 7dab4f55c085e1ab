import { useCallback, useRef } from "react";
import { type AnyVariables, type DocumentInput, useClient } from "urql";
import { sentence, type UserError } from "./errors";

/** Why something was not done, in the server's words. */
export interface Refusal {
  message: string;
  hint: string | undefined;
  /** By the fields that they are about; none where the request failed as a whole. */
  errors: readonly UserError[];
}

const joined = (texts: readonly (string | null | undefined)[]): string => texts.filter(Boolean).join(" ");

export const refusalOf = (errors: readonly UserError[]): Refusal | undefined =>
  errors.length === 0
    ? undefined
    : {
        message: joined(errors.map((one) => one.message)),
        hint: joined(errors.map((one) => one.hint)) || undefined,
        errors,
      };

export const told = ({ message, hint }: Refusal): string => joined([message, hint]);

/** A write: what it returns resolves to undefined where it was done, else to why it was not. */
export function useAction<Data, Variables extends AnyVariables>(
  document: DocumentInput<Data, Variables>,
  errors: (data: Data) => readonly UserError[],
): (variables: Variables) => Promise<Refusal | undefined> {
  const client = useClient();
  const latest = useRef(errors);
  latest.current = errors;
  return useCallback(
    async (variables) => {
      const result = await client.mutation(document, variables).toPromise();
      if (result.error) return { message: sentence(result.error), hint: undefined, errors: [] };
      return result.data ? refusalOf(latest.current(result.data)) : undefined;
    },
    [client, document],
  );
}
