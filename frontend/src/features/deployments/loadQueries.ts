/** What deployments bear: samples of the past, and those that come. */
import { graphql, type ResultOf, readFragment } from "@/lib/graphql";

export const SampleParts = graphql(`
  fragment SampleParts on ServingSample {
    at
    windowSeconds
    requests
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
`);
export type Sample = ResultOf<typeof SampleParts>;

export const StatsStream = graphql(
  `
    subscription DeploymentStats($id: ID!, $after: Cursor, $tail: Int!) {
      deploymentStats(id: $id, after: $after, tail: $tail) {
        __typename
        ... on StatsBatch {
          cursor
          samples {
            ...SampleParts
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
  [SampleParts],
);

/** Of a stream of loads, what a frame brought. */
export function samplesOf({ deploymentStats: frame }: ResultOf<typeof StatsStream>): {
  __typename?: string;
  cursor?: string | null;
  to?: string | null;
  samples?: readonly Sample[];
} {
  if (frame.__typename !== "StatsBatch") return frame as { __typename?: string; cursor?: string | null };
  return { ...frame, samples: frame.samples.map((one) => readFragment(SampleParts, one)) };
}

/** The past of a load, thinned to as many points as are asked for. */
export const LoadsQuery = graphql(
  `
    query DeploymentLoads($id: ID!, $from: DateTime!, $points: Int!) {
      deployment(id: $id) {
        loads(from: $from, points: $points) {
          ...SampleParts
        }
      }
    }
  `,
  [SampleParts],
);
