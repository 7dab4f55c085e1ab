/** What can be done to deployments, with the server's refusals as data. */
import { useCallback } from "react";
import { type AnyVariables, useClient } from "urql";
import { sentence, type UserError } from "@/lib/errors";
import { graphql, type VariablesOf } from "@/lib/graphql";
import { newKey } from "@/lib/idempotency";
import { toast } from "@/ui/Toast";

export const CREATE = `
  mutation CreateDeployment($input: DeploymentInput!) {
    createDeployment(input: $input) {
      deployment {
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
`;

export const CreateMutation = graphql(`
  mutation CreateDeployment($input: DeploymentInput!) {
    createDeployment(input: $input) {
      deployment {
        id
        name
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

const StopMutation = graphql(`
  mutation StopDeployment($input: DeploymentActionInput!) {
    stopDeployment(input: $input) {
      deployment {
        id
        status
        stoppedAt
        viewerCan
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
  mutation DeleteDeployment($input: DeploymentActionInput!) {
    deleteDeployment(input: $input) {
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

export type CreateInput = VariablesOf<typeof CreateMutation>["input"];

const complain = (message: string) => {
  toast(message, { mood: "bad" });
  return false;
};
const words = (errors: readonly UserError[]) => errors.map((one) => [one.message, one.hint].filter(Boolean).join(" ")).join(" ");

/** Each says whether it was done; what it was not for is said in a toast. */
export function useActions() {
  const client = useClient();
  const run = useCallback(
    async <Data, Variables extends AnyVariables>(
      document: Parameters<typeof client.mutation<Data, Variables>>[0],
      variables: Variables,
      errors: (data: Data) => readonly UserError[],
    ): Promise<boolean> => {
      const result = await client.mutation<Data, Variables>(document, variables).toPromise();
      if (result.error) return complain(sentence(result.error));
      const refused = result.data ? errors(result.data) : [];
      return refused.length === 0 || complain(words(refused));
    },
    [client],
  );
  const stop = (id: string) =>
    run(StopMutation, { input: { id, idempotencyKey: newKey() } }, (data) => data.stopDeployment.errors);
  const remove = (id: string) =>
    run(DeleteMutation, { input: { id, idempotencyKey: newKey() } }, (data) => data.deleteDeployment.errors);
  return { stop, remove };
}
