import { graphql, type ResultOf } from "@/lib/graphql";

/** How the account stands, what came of the last jobs, and what went wrong. */
export const HomeQuery = graphql(`
  query Home {
    viewer {
      account {
        id
        slug
        billingMode
        balance {
          amount
        }
        available {
          amount
        }
        warnings {
          code
          message
        }
        budget {
          limit {
            amount
          }
          spent {
            amount
          }
          remaining {
            amount
          }
          period
        }
      }
    }
    burnRate {
      hourly {
        amount
      }
      hoursRemaining
      budgetHoursRemaining
      activeJobs
      activeDeployments
    }
    recent: jobs(first: 8, filter: { status: [COMPLETED, FAILED, CANCELLED] }) {
      nodes {
        id
        outputName
        status
        baseModel
        startedAt
        completedAt
        createdAt
        cost {
          total {
            amount
          }
        }
        method
        latestMetrics(keys: ["reward", "loss", "rewards/margins"]) {
          key
          value
        }
      }
    }
    failedJobs: jobs(first: 4, filter: { status: [FAILED] }) {
      nodes {
        id
        outputName
        completedAt
        createdAt
        error {
          code
          message
          userCodeLine
        }
        rewardFunction {
          id
        }
      }
    }
    failedDeployments: deployments(first: 4, status: [UNHEALTHY, FAILED]) {
      nodes {
        id
        name
        status
        error
        updatedAt
      }
    }
    names: jobs(first: 60) {
      nodes {
        id
        outputName
      }
    }
    deploymentNames: deployments(first: 20) {
      nodes {
        id
        name
      }
    }
  }
`);

/** What runs or waits to, asked again every few seconds as long as there is any. */
export const RunningQuery = graphql(`
  query Running {
    jobs(first: 12, filter: { status: [QUEUED, PROVISIONING, RUNNING] }) {
      nodes {
        id
        outputName
        status
        phase
        baseModel
        createdAt
        startedAt
        cost {
          total {
            amount
          }
        }
        progress {
          step
          totalSteps
          fraction
          etaSeconds
        }
        method
        metrics(keys: ["reward", "loss", "rewards/margins"], maxPoints: 80) {
          key
          values
        }
      }
    }
    deployments(first: 12, status: [QUEUED, PROVISIONING, SERVING, UNHEALTHY]) {
      nodes {
        id
        name
        status
        model
        job {
          outputName
        }
        servingSince
        createdAt
        totalCost {
          amount
        }
        stats {
          requestCount
        }
      }
    }
  }
`);

export const ActivitySubscription = graphql(`
  subscription Activity($after: Cursor) {
    activity(after: $after, tail: 50) {
      __typename
      ... on ActivityBatch {
        cursor
        events {
          cursor
          at
          type
          resourceId
          metadata
        }
      }
      ... on Heartbeat {
        cursor
      }
      ... on StreamEnd {
        cursor
        reason
      }
    }
  }
`);

export const LoadSubscription = graphql(`
  subscription HomeLoad($id: ID!, $after: Cursor) {
    deploymentStats(id: $id, after: $after, tail: 60) {
      __typename
      ... on StatsBatch {
        cursor
        samples {
          at
          requestsPerSecond
        }
      }
      ... on StreamGap {
        to
      }
      ... on Heartbeat {
        cursor
      }
      ... on StreamEnd {
        cursor
        reason
      }
    }
  }
`);

export type Home = ResultOf<typeof HomeQuery>;
export type Running = ResultOf<typeof RunningQuery>;
