import { useEffect, useState } from "react";
import { type CombinedError, useClient, useQuery } from "urql";
import { readFragment } from "@/lib/graphql";
import { useLive } from "@/lib/live";
import {
  type Deployment,
  type DeploymentEvent,
  EventParts,
  EventsQuery,
  isActive,
  OneQuery,
  readDeployment,
  StatusStream,
} from "./queries";

const COST_MS = 20_000;

type Update = { __typename?: string; cursor?: string | null; deployment?: Deployment; events?: DeploymentEvent[] };

/** A deployment with all that has happened to it, live. */
export function useDeployment(id: string): {
  deployment: Deployment | null | undefined;
  stats: NonNullable<NonNullable<ReturnType<typeof useOne>[0]["data"]>["deployment"]>["stats"] | undefined;
  checkpoint: { id: string; step: number } | null | undefined;
  events: readonly DeploymentEvent[];
  error: CombinedError | undefined;
  change: (to: Partial<Deployment>) => void;
  again: () => void;
} {
  const client = useClient();
  const [{ data, error }, run] = useOne(id);
  const [live, setLive] = useState<{ deployment: Deployment | undefined; events: readonly DeploymentEvent[] }>({
    deployment: undefined,
    events: [],
  });
  const read = data?.deployment ? readDeployment(data.deployment) : undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is read anew outranks what was heard before
  useEffect(() => setLive((was) => ({ ...was, deployment: undefined })), [data]);
  const deployment = live.deployment ?? read;

  useLive(id, {
    document: StatusStream,
    variables: { id },
    frame: ({ deploymentStatus: frame }): Update =>
      frame.__typename === "DeploymentUpdate"
        ? {
            ...frame,
            deployment: readDeployment(frame.deployment),
            events: frame.events.map((one) => readFragment(EventParts, one)),
          }
        : frame,
    onFrames: (frames) =>
      setLive((was) => {
        const known = new Set(was.events.map((one) => one.cursor));
        return {
          deployment: frames.findLast((frame) => frame.deployment)?.deployment ?? was.deployment,
          events: [...was.events, ...frames.flatMap((frame) => frame.events ?? []).filter((one) => !known.has(one.cursor))],
        };
      }),
    poll: async (after) => {
      const result = await client.query(EventsQuery, { id, after }, { requestPolicy: "network-only" }).toPromise();
      if (!result.data?.deployment) throw result.error ?? new Error("It is gone.");
      const { events } = result.data.deployment;
      return [
        {
          __typename: "DeploymentUpdate",
          cursor: events.pageInfo.endCursor ?? after,
          deployment: readDeployment(result.data.deployment),
          events: events.nodes.map((one) => readFragment(EventParts, one)),
        },
      ];
    },
  });
  // Costs and totals move without an event.
  const active = deployment !== undefined && isActive(deployment.status);
  useEffect(() => {
    if (!active) return;
    const timer = setInterval(() => run({ requestPolicy: "network-only" }), COST_MS);
    return () => clearInterval(timer);
  }, [active, run]);

  return {
    deployment: data && !data.deployment ? null : deployment,
    stats: data?.deployment?.stats,
    checkpoint: data?.deployment?.checkpoint,
    events: live.events,
    error: data ? undefined : error,
    change: (to) => setLive((was) => (deployment ? { ...was, deployment: { ...deployment, ...to } } : was)),
    again: () => run({ requestPolicy: "network-only" }),
  };
}

const useOne = (id: string) => useQuery({ query: OneQuery, variables: { id } });
