/** What can be done to deployments, with the server's refusals as data. */
import { graphql, type VariablesOf } from "@/lib/graphql";
import { newKey } from "@/lib/idempotency";
import { useAction } from "@/lib/useAction";

const ERRORS = graphql(`
  fragment DeploymentErrors on UserError @_unmask {
    code
    message
    path
    hint
  }
`);

export const CreateMutation = graphql(
  `
    mutation CreateDeployment($input: DeploymentInput!) {
      createDeployment(input: $input) {
        deployment {
          id
          name
        }
        errors {
          ...DeploymentErrors
        }
      }
    }
  `,
  [ERRORS],
);

export const ScaleMutation = graphql(
  `
    mutation ScaleDeployment($input: ScaleDeploymentInput!) {
      scaleDeployment(input: $input) {
        deployment {
          id
        }
        errors {
          ...DeploymentErrors
        }
      }
    }
  `,
  [ERRORS],
);

export const UpdateMutation = graphql(
  `
    mutation UpdateDeployment($input: UpdateDeploymentInput!) {
      updateDeployment(input: $input) {
        deployment {
          id
          version
        }
        errors {
          ...DeploymentErrors
        }
      }
    }
  `,
  [ERRORS],
);

const PauseMutation = graphql(
  `
    mutation PauseDeployment($input: DeploymentActionInput!) {
      pauseDeployment(input: $input) {
        deployment {
          id
          status
        }
        errors {
          ...DeploymentErrors
        }
      }
    }
  `,
  [ERRORS],
);

const ResumeMutation = graphql(
  `
    mutation ResumeDeployment($input: DeploymentActionInput!) {
      resumeDeployment(input: $input) {
        deployment {
          id
          status
        }
        errors {
          ...DeploymentErrors
        }
      }
    }
  `,
  [ERRORS],
);

const StopMutation = graphql(
  `
    mutation StopDeployment($input: DeploymentActionInput!) {
      stopDeployment(input: $input) {
        deployment {
          id
          status
        }
        errors {
          ...DeploymentErrors
        }
      }
    }
  `,
  [ERRORS],
);

const DeleteMutation = graphql(
  `
    mutation DeleteDeployment($input: DeploymentActionInput!) {
      deleteDeployment(input: $input) {
        deletedId
        errors {
          ...DeploymentErrors
        }
      }
    }
  `,
  [ERRORS],
);

export type CreateInput = VariablesOf<typeof CreateMutation>["input"];
export type ScaleInput = VariablesOf<typeof ScaleMutation>["input"];
export type UpdateInput = VariablesOf<typeof UpdateMutation>["input"];

/** Each resolves to undefined where it was done, else to why it was not. */
export function useDeploymentActions(id: string) {
  const stop = useAction(StopMutation, (data) => data.stopDeployment.errors);
  const remove = useAction(DeleteMutation, (data) => data.deleteDeployment.errors);
  const pause = useAction(PauseMutation, (data) => data.pauseDeployment.errors);
  const resume = useAction(ResumeMutation, (data) => data.resumeDeployment.errors);
  const update = useAction(UpdateMutation, (data) => data.updateDeployment.errors);
  const on = () => ({ input: { id, idempotencyKey: newKey() } });
  return {
    stop: () => stop(on()),
    remove: () => remove(on()),
    pause: () => pause(on()),
    resume: () => resume(on()),
    update: (to: Omit<UpdateInput, "id" | "idempotencyKey">) => update({ input: { ...to, ...on().input } }),
  };
}
