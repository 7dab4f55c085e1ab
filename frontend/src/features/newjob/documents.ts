/** What the form of a new job asks the server. */
import { MemoryEstimate } from "@/features/memory";
import { graphql, type ResultOf } from "@/lib/graphql";

export const MethodsQuery = graphql(`
  query Methods {
    methods {
      method
      description
      takesReward
      unavailable
      hyperparameters {
        name
        type
        default
        nullable
        description
        minimum
        maximum
        exclusiveMinimum
        exclusiveMaximum
      }
    }
  }
`);
export type Method = ResultOf<typeof MethodsQuery>["methods"][number];
export type Hyperparameter = Method["hyperparameters"][number];

/** Who is billed afterwards has no credit that must cover a start. */
export const BillingQuery = graphql(`
  query BillingOfViewer {
    viewer {
      account {
        id
        billingMode
      }
    }
  }
`);

export const PlanTrainingJob = graphql(
  `
  mutation PlanTrainingJob($input: TrainingJobInput!) {
    planTrainingJob(input: $input) {
      errors {
        __typename
        code
        message
        path
        hint
      }
      plan {
        offer {
          hardware {
            type
            count
            provider
          }
          pricePerHour {
            amount
          }
        }
        needed {
          amount
        }
        balance {
          amount
        }
        free {
          amount
        }
        covered
        memory {
          ...MemoryEstimate
        }
      }
    }
  }
`,
  [MemoryEstimate],
);
export type Plan = NonNullable<ResultOf<typeof PlanTrainingJob>["planTrainingJob"]["plan"]>;
export type PlanError = ResultOf<typeof PlanTrainingJob>["planTrainingJob"]["errors"][number];

export const CreateTrainingJob = graphql(`
  mutation CreateTrainingJob($input: TrainingJobInput!) {
    createTrainingJob(input: $input) {
      errors {
        __typename
        code
        message
        path
        hint
      }
      job {
        id
        outputName
        status
      }
    }
  }
`);

export const PickDatasetsQuery = graphql(`
  query PickDatasets($search: String) {
    datasets(first: 20, search: $search) {
      nodes {
        id
        name
        rowCount
        columns
        sourceType
        createdAt
      }
    }
  }
`);

export const PickRewardsQuery = graphql(`
  query PickRewards($search: String) {
    rewardFunctions(first: 20, search: $search) {
      nodes {
        id
        name
        format
        createdAt
        trial {
          components {
            name
          }
        }
      }
    }
  }
`);

export const ChosenDatasetQuery = graphql(`
  query ChosenDataset($id: ID!) {
    dataset(id: $id) {
      id
      name
      rowCount
      columns
      sourceType
    }
  }
`);
export type ChosenDataset = NonNullable<ResultOf<typeof ChosenDatasetQuery>["dataset"]>;

export const ChosenRewardQuery = graphql(`
  query ChosenReward($id: ID!) {
    rewardFunction(id: $id) {
      id
      name
      format
      fileName
      weights {
        name
        weight
      }
      trial {
        components {
          name
        }
        warnings {
          line
          message
        }
      }
    }
  }
`);
export type ChosenReward = NonNullable<ResultOf<typeof ChosenRewardQuery>["rewardFunction"]>;

export const HardwareTypesQuery = graphql(`
  query HardwareTypes {
    hardwareTypes {
      type
      vramGb
      maxCount
      runsOn
      pricePerHour {
        amount
      }
      available
      unavailableReason
    }
    rates {
      provider
      gpuType
    }
  }
`);
export type HardwareType = ResultOf<typeof HardwareTypesQuery>["hardwareTypes"][number];

export const JobToCloneQuery = graphql(`
  query JobToClone($id: ID!) {
    job(id: $id) {
      id
      outputName
      method
      baseModel
      hyperparameters
      hyperparametersDefaulted
      requiresHeartbeat
      maxCost {
        amount
      }
      hardwareRequested {
        type
        count
        provider
      }
      checkpointDestination {
        type
        uri
        repo
        private
        weights
        archive
      }
      environments
      dataset {
        id
      }
      rewardFunction {
        id
      }
      checkpoints {
        id
        step
        final
      }
    }
  }
`);
export type JobToClone = NonNullable<ResultOf<typeof JobToCloneQuery>["job"]>;

export const CheckpointToResumeQuery = graphql(`
  query CheckpointToResume($id: ID!) {
    checkpoint(id: $id) {
      id
      step
      final
      job {
        id
      }
    }
  }
`);
