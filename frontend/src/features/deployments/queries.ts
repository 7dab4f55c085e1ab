/** What the screens of deployments ask the server. */
import { type FragmentOf, graphql, type ResultOf, readFragment } from "@/lib/graphql";

export const DeploymentParts = graphql(`
  fragment DeploymentParts on Deployment {
    id
    name
    status
    source
    model
    revision
    endpointUrl
    upstreamUrl
    error
    createdAt
    servingSince
    stoppedAt
    pausedAt
    wakeRequestedAt
    viewerCan
    version
    engine
    engineReason
    minReplicas
    maxReplicas
    desiredReplicas
    targetRps
    targetLatencyP95Ms
    stabilisationWindowSeconds
    hourlyCost {
      amount
    }
    hardwareRequested {
      type
      count
      provider
    }
    hardware {
      type
      count
      provider
    }
    totalCost {
      amount
    }
    job {
      id
      outputName
      baseModel
    }
    replicas {
      id
      status
      version
      engine
      hostId
      failure
      createdAt
      readyAt
      stopRequestedAt
      stopReason
      endedAt
      parity {
        prompts
        templateMatches
        maxDifference
        tolerance
        checkedAt
      }
    }
  }
`);
export type Deployment = ResultOf<typeof DeploymentParts>;
export const readDeployment = (one: FragmentOf<typeof DeploymentParts>): Deployment => readFragment(DeploymentParts, one);

export const ACTIVE = ["QUEUED", "PROVISIONING", "SERVING", "UNHEALTHY"] as const;
export const isActive = (status: Deployment["status"]): boolean => status !== "STOPPED" && status !== "FAILED";

export const ListQuery = graphql(
  `
    query Deployments($first: Int!, $after: Cursor, $status: [DeploymentStatus!], $filter: DeploymentFilter) {
      deployments(first: $first, after: $after, status: $status, filter: $filter) {
        nodes {
          ...DeploymentParts
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [DeploymentParts],
);

export const OneQuery = graphql(
  `
    query Deployment($id: ID!) {
      deployment(id: $id) {
        ...DeploymentParts
        maxBatchSize
        extraArgs
        checkpoint {
          id
          step
        }
        versions {
          number
          status
          source
          model
          revision
          error
          createdAt
          servingAt
          endedAt
          checkpoint {
            id
            step
            job {
              id
              outputName
            }
          }
        }
        decisions(last: 100) {
          at
          from
          to
          reason
          rps
          p95Ms
          requests
          byRps
          byLatency
        }
        stats {
          requestCount
          promptTokens
          completionTokens
          latencyMeanMs
          errorRate
          uptimeSeconds
        }
      }
    }
  `,
  [DeploymentParts],
);

type Details = NonNullable<ResultOf<typeof OneQuery>["deployment"]>;
/** What is known of one beyond what a list says. */
export type Detail = Pick<Details, "checkpoint" | "versions" | "decisions" | "stats" | "maxBatchSize" | "extraArgs">;
export type Version = Details["versions"][number];

export const EventParts = graphql(`
  fragment DeploymentEventParts on DeploymentEvent {
    cursor
    at
    type
    attempt
    metadata
  }
`);
export type DeploymentEvent = ResultOf<typeof EventParts>;

export const StatusStream = graphql(
  `
    subscription DeploymentStatus($id: ID!, $after: Cursor) {
      deploymentStatus(id: $id, after: $after) {
        __typename
        ... on DeploymentUpdate {
          cursor
          deployment {
            ...DeploymentParts
          }
          events {
            ...DeploymentEventParts
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
  `,
  [DeploymentParts, EventParts],
);

export const EventsQuery = graphql(
  `
    query DeploymentEvents($id: ID!, $after: Cursor) {
      deployment(id: $id) {
        ...DeploymentParts
        events(first: 500, after: $after) {
          nodes {
            ...DeploymentEventParts
          }
          pageInfo {
            hasNextPage
            endCursor
          }
        }
      }
    }
  `,
  [DeploymentParts, EventParts],
);

export const RequestParts = graphql(`
  fragment InferenceRequestParts on InferenceRequest {
    id
    createdAt
    replicaId
    statusCode
    promptTokens
    completionTokens
    latencyMs
    ttftMs
    streamed
    finishReason
    clientCancelled
    errorMessage
  }
`);
export type InferenceRequest = ResultOf<typeof RequestParts>;

export const RequestStream = graphql(
  `
    subscription DeploymentRequests($id: ID!, $after: Cursor) {
      deploymentRequests(id: $id, after: $after, tail: 100) {
        __typename
        ... on RequestBatch {
          cursor
          requests {
            ...InferenceRequestParts
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
  `,
  [RequestParts],
);

export const RequestsQuery = graphql(
  `
    query DeploymentRequestPage($id: ID!, $after: Cursor) {
      deployment(id: $id) {
        requests(first: 100, after: $after) {
          nodes {
            ...InferenceRequestParts
          }
          pageInfo {
            hasNextPage
            endCursor
          }
        }
      }
    }
  `,
  [RequestParts],
);

export const ActivityStream = graphql(`
  subscription DeploymentActivity($after: Cursor) {
    activity(after: $after, tail: 1) {
      __typename
      ... on ActivityBatch {
        cursor
        events {
          resourceId
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
