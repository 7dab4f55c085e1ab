import { MemoryEstimate } from "@/features/memory";
import { graphql, type ResultOf } from "@/lib/graphql";

/** What moves while it runs: asked for each second, so it is small. */
export const JobPulse = graphql(`
  fragment JobPulse on TrainingJob @_unmask {
    id
    status
    phase
    attempt
    viewerCan
    updatedAt
    startedAt
    completedAt
    heartbeatAt
    progress {
      step
      totalSteps
      fraction
      secondsPerStep
      etaSeconds
    }
    hardware {
      type
      count
      provider
    }
    cost {
      total {
        amount
      }
    }
  }
`);

export const JobPulseQuery = graphql(
  `
    query JobPulseNow($id: ID!) {
      job(id: $id) {
        ...JobPulse
      }
      transactions(first: 1, resourceId: $id) {
        nodes {
          createdAt
        }
      }
    }
  `,
  [JobPulse],
);

export const JobQuery = graphql(
  `
    query Job($id: ID!) {
      job(id: $id) {
        ...JobPulse
        outputName
        method
        baseModel
        baseRevision
        hyperparameters
        hyperparametersDefaulted
        environments
        droppedPrompts
        checkpointDestination {
          type
          uri
          repo
          private
          weights
          archive
        }
        bestStep
        peakMemoryBytes
        memoryEstimate {
          ...MemoryEstimate
        }
        destinationUrl
        requiresHeartbeat
        hardwareRequested {
          type
          count
          provider
        }
        maxCost {
          amount
        }
        createdAt
        modelUrl
        error {
          code
          message
          attribution
          userCodeLine
          lastLogs {
            cursor
            at
            level
            message
          }
        }
        dataset {
          id
          name
        }
        rewardFunction {
          id
          name
        }
        resumedFrom {
          id
          step
          job {
            id
            outputName
          }
        }
        checkpoints {
          id
          step
          final
          score
          best
          attempt
          fileCount
          sizeBytes
          createdAt
          downloadUrl
        }
        deployments {
          id
          name
          status
        }
      }
      transactions(first: 1, resourceId: $id) {
        nodes {
          createdAt
        }
      }
    }
  `,
  [JobPulse, MemoryEstimate],
);

export const CheckpointFilesQuery = graphql(`
  query CheckpointFiles($id: ID!, $weights: CheckpointWeights) {
    checkpoint(id: $id) {
      id
      downloadUrl(weights: $weights)
      files(weights: $weights) {
        path
        sizeBytes
        sha256
        downloadUrl
      }
    }
  }
`);

export const JobEventsSubscription = graphql(`
  subscription JobEvents($jobId: ID!, $after: Cursor) {
    jobEvents(jobId: $jobId, after: $after) {
      __typename
      ... on JobEventBatch {
        cursor
        events {
          cursor
          at
          type
          attempt
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

/** The same events over HTTP, for where no socket can be had. */
export const JobEventsQuery = graphql(`
  query JobEventsAfter($jobId: ID!, $after: Cursor) {
    job(id: $jobId) {
      status
      events(first: 1000, after: $after) {
        nodes {
          cursor
          at
          type
          attempt
          metadata
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

export type Job = NonNullable<ResultOf<typeof JobQuery>["job"]>;
export type Checkpoint = Job["checkpoints"][number];
export type JobEventFrame = ResultOf<typeof JobEventsSubscription>["jobEvents"];
export type JobEvent = Extract<JobEventFrame, { __typename: "JobEventBatch" }>["events"][number];

export const ENDED: readonly Job["status"][] = ["COMPLETED", "FAILED", "CANCELLED"];
export const hasEnded = (status: Job["status"]): boolean => ENDED.includes(status);
