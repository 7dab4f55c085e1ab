/** What the screens of batches ask the server. */
import { type FragmentOf, graphql, type ResultOf, readFragment } from "@/lib/graphql";

const BatchParts = graphql(`
  fragment BatchParts on Batch {
    id
    status
    endpoint
    inputFileId
    inputFile {
      filename
    }
    outputFileId
    errorFileId
    completionWindowSeconds
    metadata
    model
    problemCount
    attempt
    createdAt
    expiresAt
    inProgressAt
    finalizingAt
    cancellingAt
    endedAt
    viewerCan
    counts {
      total
      completed
      failed
    }
    usage {
      promptTokens
      completionTokens
    }
    cost {
      amount
    }
    progress {
      inFlight
      perSecond
      etaSeconds
    }
  }
`);
export type Batch = ResultOf<typeof BatchParts>;
export const readBatch = (batch: FragmentOf<typeof BatchParts>): Batch => readFragment(BatchParts, batch);

const OutcomeParts = graphql(`
  fragment BatchOutcomeParts on BatchOutcome {
    line
    customId
    ok
    statusCode
    code
    message
    deploymentId
    promptTokens
    completionTokens
    latencyMs
    attempts
    endedAt
    cost {
      amount
    }
  }
`);
export type Outcome = ResultOf<typeof OutcomeParts>;
export const readOutcome = (outcome: FragmentOf<typeof OutcomeParts>): Outcome => readFragment(OutcomeParts, outcome);

export const BatchesQuery = graphql(
  `
    query Batches($first: Int!, $after: Cursor, $filter: BatchFilter) {
      batches(first: $first, after: $after, filter: $filter) {
        nodes {
          ...BatchParts
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [BatchParts],
);

export const BatchQuery = graphql(
  `
    query Batch($id: ID!) {
      batch(id: $id) {
        ...BatchParts
        outputUrl
        errorsUrl
        problems {
          line
          code
          message
        }
        retryOf {
          id
        }
      }
    }
  `,
  [BatchParts],
);
export type Detail = NonNullable<ResultOf<typeof BatchQuery>["batch"]>;

export const CausesQuery = graphql(`
  query BatchCauses($id: ID!) {
    batch(id: $id) {
      id
      causes {
        code
        deploymentId
        count
        sample {
          line
          customId
          statusCode
          message
        }
      }
    }
  }
`);
export type Cause = NonNullable<ResultOf<typeof CausesQuery>["batch"]>["causes"][number];

export const OutcomesQuery = graphql(
  `
    query BatchOutcomes($id: ID!, $first: Int!, $after: Cursor, $ok: Boolean, $code: String, $deploymentId: ID) {
      batch(id: $id) {
        id
        outcomes(first: $first, after: $after, ok: $ok, code: $code, deploymentId: $deploymentId) {
          nodes {
            ...BatchOutcomeParts
          }
          pageInfo {
            hasNextPage
            endCursor
          }
        }
      }
    }
  `,
  [OutcomeParts],
);

export const EventStream = graphql(
  `
    subscription BatchEvents($id: ID!, $after: Cursor) {
      batchEvents(batchId: $id, after: $after) {
        __typename
        ... on BatchUpdate {
          cursor
          batch {
            ...BatchParts
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
  [BatchParts],
);

export const PointParts = graphql(`
  fragment BatchPointParts on BatchPoint {
    at
    total
    completed
    failed
    promptTokens
    completionTokens
    inFlight
    perSecond
    etaSeconds
    cost {
      amount
    }
  }
`);
export type Point = ResultOf<typeof PointParts>;

export const ProgressStream = graphql(
  `
    subscription BatchProgress($id: ID!, $after: Cursor) {
      batchProgress(batchId: $id, after: $after) {
        __typename
        ... on BatchPoints {
          cursor
          points {
            ...BatchPointParts
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
  [PointParts],
);

export const ActivityStream = graphql(`
  subscription BatchActivity($after: Cursor) {
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

/** What lines may name as their model, and what deployments are called. */
export const DeploymentsQuery = graphql(`
  query BatchDeployments {
    viewer {
      account {
        slug
      }
    }
    deployments(first: 100) {
      nodes {
        id
        name
        status
      }
    }
  }
`);
export type Named = ResultOf<typeof DeploymentsQuery>["deployments"]["nodes"][number];

const FileParts = graphql(`
  fragment FileParts on File {
    id
    filename
    purpose
    sizeBytes
    createdAt
    expiresAt
    contentUrl
  }
`);
export type StoredFile = ResultOf<typeof FileParts>;
export const readFile = (file: FragmentOf<typeof FileParts>): StoredFile => readFragment(FileParts, file);

export const FilesQuery = graphql(
  `
    query Files($first: Int!, $after: Cursor, $purpose: [FilePurpose!], $search: String) {
      files(first: $first, after: $after, purpose: $purpose, search: $search) {
        nodes {
          ...FileParts
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [FileParts],
);

export const FileQuery = graphql(`
  query StoredFile($id: ID!) {
    file(id: $id) {
      id
      filename
      sizeBytes
    }
  }
`);
