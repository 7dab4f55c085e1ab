/** What the explorer asks of the API. */
import { graphql, type ResultOf, type VariablesOf } from "@/lib/graphql";

export const GroupFields = graphql(`
  fragment GroupFields on RolloutGroup @_unmask {
    id
    cursor
    step
    attempt
    datasetRow
    prompt
    rewardMean
    rewardStd
    zeroVariance
    outcome
    rewardOutput
    completions {
      id
      text
      reward
      advantage
      tokens
      truncated
      scoreError
      messages
      mediaUrl
      components {
        name
        value
        weight
      }
    }
  }
`);
export type Group = ResultOf<typeof GroupFields>;
export type Completion = Group["completions"][number];

/** The job, along which steps it has rollouts, and where its stream is. */
export const RunQuery = graphql(`
  query RolloutRun($jobId: ID!) {
    job(id: $jobId) {
      id
      outputName
      status
      method
      environments
      rewardFunction {
        id
        name
      }
      dataset {
        id
      }
      rolloutSteps(maxPoints: 2000) {
        firstStep
        lastStep
        count
        series {
          key
          steps
          values
        }
      }
      newest: rolloutGroups(first: 1, order: NEWEST_FIRST) {
        nodes {
          cursor
          step
        }
      }
    }
  }
`);
export type Run = NonNullable<ResultOf<typeof RunQuery>["job"]>;

export const GroupsQuery = graphql(
  `
    query RolloutGroups(
      $jobId: ID!
      $step: Int
      $row: Int
      $first: Int!
      $after: Cursor
      $filter: RolloutFilter
      $order: StepOrder!
    ) {
      job(id: $jobId) {
        id
        rolloutGroups(step: $step, datasetRow: $row, first: $first, after: $after, filter: $filter, order: $order) {
          nodes {
            ...GroupFields
          }
          pageInfo {
            hasNextPage
            endCursor
          }
        }
      }
    }
  `,
  [GroupFields],
);
export type GroupsVariables = VariablesOf<typeof GroupsQuery>;

export const RolloutStream = graphql(
  `
    subscription JobRollouts($jobId: ID!, $after: Cursor, $sampleGroups: Int!) {
      jobRollouts(jobId: $jobId, after: $after, sampleGroups: $sampleGroups) {
        __typename
        ... on RolloutBatch {
          cursor
          groups {
            ...GroupFields
          }
        }
        ... on StreamGap {
          dropped
          cursor: to
        }
        ... on Heartbeat {
          cursor
        }
        ... on StreamEnd {
          reason
          cursor
        }
      }
    }
  `,
  [GroupFields],
);
export type RolloutFrame = ResultOf<typeof RolloutStream>["jobRollouts"];

/** The columns of one row of the dataset: what the reward was given beside prompt and completion. */
export const RowQuery = graphql(`
  query RolloutRow($datasetId: ID!, $row: Int!) {
    dataset(id: $datasetId) {
      id
      rows(first: 1, offset: $row) {
        nodes {
          data
        }
      }
    }
  }
`);

export const ExportQuery = graphql(`
  query RolloutsExport($jobId: ID!, $format: RolloutFormat!) {
    job(id: $jobId) {
      id
      rolloutsExportUrl(format: $format)
    }
  }
`);
