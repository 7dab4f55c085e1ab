import { graphql, type ResultOf } from "@/lib/graphql";

export const JobRowFields = graphql(`
  fragment JobRow on TrainingJob @_unmask {
    id
    outputName
    status
    phase
    method
    baseModel
    attempt
    viewerCan
    createdAt
    startedAt
    completedAt
    progress {
      step
      totalSteps
      fraction
      etaSeconds
    }
    hardware {
      type
      count
    }
    hardwareRequested {
      type
      count
    }
    cost {
      total {
        amount
      }
    }
    error {
      code
      message
    }
    latestMetrics(keys: ["reward", "loss", "rewards/margins"]) {
      key
      value
    }
    metrics(keys: ["reward", "loss", "rewards/margins"], maxPoints: 40) {
      key
      steps
      values
    }
  }
`);

export const JobsQuery = graphql(
  `
    query Jobs($first: Int!, $after: Cursor, $filter: JobFilter) {
      jobs(first: $first, after: $after, filter: $filter) {
        nodes {
          ...JobRow
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [JobRowFields],
);

export const JobRowQuery = graphql(
  `
    query JobRowNow($id: ID!) {
      job(id: $id) {
        ...JobRow
      }
    }
  `,
  [JobRowFields],
);

/** What jobs can be filtered by. */
export const ChoicesQuery = graphql(`
  query JobChoices {
    baseModels {
      name
    }
    datasets(first: 100) {
      nodes {
        id
        name
      }
    }
    rewardFunctions(first: 100) {
      nodes {
        id
        name
      }
    }
  }
`);

export const ActivitySubscription = graphql(`
  subscription JobsActivity($after: Cursor) {
    activity(after: $after, tail: 1) {
      __typename
      ... on ActivityBatch {
        cursor
        events {
          resourceId
          type
        }
      }
      ... on Heartbeat {
        cursor
      }
      ... on StreamEnd {
        cursor
      }
    }
  }
`);

export type JobRow = ResultOf<typeof JobRowFields>;
