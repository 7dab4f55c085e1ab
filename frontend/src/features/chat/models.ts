/** What can be talked to: the deployments that serve, and what belongs beside them. */
import { useMemo } from "react";
import { type CombinedError, useQuery } from "urql";
import { graphql, type ResultOf } from "@/lib/graphql";
import { useLive } from "@/lib/live";

const ModelsQuery = graphql(`
  query ChatModels {
    deployments(first: 100, status: [QUEUED, PROVISIONING, SERVING, UNHEALTHY]) {
      nodes {
        id
        name
        status
        source
        model
        viewerCan
        version
        pausedAt
        minReplicas
        desiredReplicas
        upstreamUrl
        replicas {
          status
          version
          endedAt
        }
        job {
          id
          outputName
          baseModel
        }
      }
    }
  }
`);

const JobQuery = graphql(`
  query ChatJob($id: ID!) {
    job(id: $id) {
      id
      outputName
      status
    }
  }
`);

const Activity = graphql(`
  subscription ChatActivity($after: Cursor) {
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

export type Model = ResultOf<typeof ModelsQuery>["deployments"]["nodes"][number];

export function useModels(): { models: readonly Model[] | undefined; error: CombinedError | undefined; again: () => void } {
  const [{ data, error }, run] = useQuery({ query: ModelsQuery });
  useLive("chat", {
    document: Activity,
    variables: {},
    frame: ({ activity }) => activity as { __typename?: string; cursor?: string; events?: { resourceId: string }[] },
    onFrames: (frames) => {
      if (frames.some((frame) => frame.events?.some((one) => one.resourceId.startsWith("dep_"))))
        run({ requestPolicy: "network-only" });
    },
    // Without a socket the list is simply read again.
    poll: async () => {
      run({ requestPolicy: "network-only" });
      return [];
    },
  });
  const models = useMemo(() => data?.deployments.nodes, [data]);
  return { models, error: data ? undefined : error, again: () => run({ requestPolicy: "network-only" }) };
}

/** The job that somebody came from to chat with. */
export function useJob(id: string) {
  const [{ data }] = useQuery({ query: JobQuery, variables: { id }, pause: id === "" });
  return id === "" ? null : data?.job;
}

/** Where a trained model has its base beside it: what to compare it with, or what to deploy for that. */
export function baseOf(model: Model | undefined, models: readonly Model[]): { base: string; deployed: Model | undefined } | null {
  if (!model?.job) return null;
  const base = model.job.baseModel;
  return { base, deployed: models.find((one) => one.source === "HUGGINGFACE" && one.model === base && one.status === "SERVING") };
}
