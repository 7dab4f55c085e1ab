import { useEffect, useState } from "react";
import { type CombinedError, useClient, useQuery } from "urql";
import { readFragment } from "@/lib/graphql";
import { useLive } from "@/lib/live";
import {
  type Deployment,
  type DeploymentEvent,
  type Detail,
  EventParts,
  EventsQuery,
  isActive,
  OneQuery,
  readDeployment,
  StatusStream,
} from "./queries";

const COST_MS = 20_000;

type Update = { __typename?: string; cursor?: string | null; deployment?: Deployment; events?: DeploymentEvent[] };

export interface Followed {
  deployment: Deployment | null | undefined;
  detail: Detail | undefined;
  events: readonly DeploymentEvent[];
  error: CombinedError | undefined;
  /** Show at once what the server will say in a moment. */
  change: (to: Partial<Deployment>) => void;
  again: () => void;
}

/** A deployment with all that has happened to it, live. */
export function useDeployment(id: string): Followed {
  const client = useClient();
  const [{ data, error }, run] = useQuery({ query: OneQuery, variables: { id } });
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
    onFrames: (frames) => {
      setLive((was) => {
        const known = new Set(was.events.map((one) => one.cursor));
        return {
          deployment: frames.findLast((frame) => frame.deployment)?.deployment ?? was.deployment,
          events: [...was.events, ...frames.flatMap((frame) => frame.events ?? []).filter((one) => !known.has(one.cursor))],
        };
      });
      // Versions and decisions come with an event each, and are read with the rest.
      if (data && frames.some((frame) => frame.events?.length)) run({ requestPolicy: "network-only" });
    },
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
    detail: data?.deployment ?? undefined,
    events: live.events,
    error: data ? undefined : error,
    change: (to) => setLive((was) => (deployment ? { ...was, deployment: { ...deployment, ...to } } : was)),
    again: () => run({ requestPolicy: "network-only" }),
  };
}
