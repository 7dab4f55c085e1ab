/** When each replica was what, as shares of the time that is shown. */
import type { Deployment } from "./queries";

export interface Bar {
  id: string;
  status: string;
  failure: string | null;
  /** Shares of the whole, 0 to 1. */
  from: number;
  to: number;
  startedAt: string;
  endedAt: string | null;
}

export interface Timeline {
  from: number;
  to: number;
  bars: Bar[];
}

/** At least a minute is shown; the newest replica comes first, as the server says it. */
export function timeline(deployment: Pick<Deployment, "createdAt" | "stoppedAt" | "replicas">, now: number): Timeline {
  const from = Date.parse(deployment.createdAt);
  const end = deployment.stoppedAt ? Date.parse(deployment.stoppedAt) : now;
  const to = Math.max(end, from + 60_000);
  const share = (at: number) => Math.min(1, Math.max(0, (at - from) / (to - from)));
  return {
    from,
    to,
    bars: deployment.replicas.map((one) => ({
      id: one.id,
      status: one.status,
      failure: one.failure,
      from: share(Date.parse(one.createdAt)),
      to: share(one.endedAt ? Date.parse(one.endedAt) : end),
      startedAt: one.createdAt,
      endedAt: one.endedAt,
    })),
  };
}
