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
    error
    createdAt
    servingSince
    stoppedAt
    viewerCan
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
      failure
      createdAt
      endedAt
      lastHealthAt
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
        checkpoint {
          id
          step
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

export const StatsStream = graphql(`
  subscription DeploymentStats($id: ID!, $after: Cursor, $tail: Int!) {
    deploymentStats(id: $id, after: $after, tail: $tail) {
      __typename
      ... on StatsBatch {
        cursor
        samples {
          at
          windowSeconds
          requests
          errors
          requestsPerSecond
          tokensPerSecond
          ttftP50Ms
          ttftP95Ms
          latencyP50Ms
          latencyP95Ms
          running
          waiting
          kvCacheUsage
          replicasReady
          replicasTotal
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

export const RequestParts = graphql(`
  fragment InferenceRequestParts on InferenceRequest {
    id
    createdAt
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

export const OfferQuery = graphql(`
  query DeploymentOffer($type: String!, $count: Int!) {
    hardwareOffers(type: $type, count: $count) {
      hardware {
        type
        count
        provider
      }
      pricePerHour {
        amount
      }
    }
  }
`);

export const ChoicesQuery = graphql(`
  query DeploymentChoices($search: String) {
    jobs(first: 100, filter: { status: [COMPLETED], search: $search }) {
      nodes {
        id
        outputName
        baseModel
        completedAt
      }
    }
    baseModels {
      name
    }
    rates {
      gpuType
    }
  }
`);
