/** What a deployment does, where its status alone does not say it. */
import type { Deployment } from "./queries";
import { readiness, wantedOf } from "./timeline";

export type Standing = Pick<Deployment, "status" | "pausedAt" | "minReplicas" | "desiredReplicas" | "version" | "upstreamUrl"> & {
  replicas: readonly Pick<Deployment["replicas"][number], "status" | "version" | "endedAt">[];
};

/** A word of `ui/Status`, and a sentence beside it. */
export function standing(one: Standing): { status: string; said: string } {
  if (one.status === "STOPPED" || one.status === "FAILED") return { status: one.status, said: "" };
  if (one.pausedAt !== null) return { status: "PAUSED", said: "Holds nothing and costs nothing" };
  if (one.upstreamUrl !== null)
    return { status: one.status, said: one.status === "UNHEALTHY" ? "Its server does not answer" : "" };
  const live = one.replicas.filter((replica) => replica.endedAt === null);
  const { ready } = readiness(one);
  if (one.status === "SERVING" && ready === 0) {
    if (live.length > 0 || wantedOf(one) > 0) return { status: "WAKING", said: "Requests wait for its first replica" };
    return { status: "ASLEEP", said: "At no replicas; the next request wakes it" };
  }
  if (one.status === "SERVING" && live.some((replica) => replica.version !== one.version))
    return { status: one.status, said: `Version ${one.version} takes over` };
  if (one.status === "QUEUED") return { status: one.status, said: "Waits for free hardware" };
  if (one.status === "PROVISIONING") return { status: one.status, said: "Its first replica starts" };
  if (one.status === "UNHEALTHY") return { status: one.status, said: "No replica answers; they are being replaced" };
  return { status: one.status, said: "" };
}

/** What runs the models where that is not vLLM; null where nothing is to be said. */
export function engineNote({ engine, engineReason }: Pick<Deployment, "engine" | "engineReason">): string | null {
  if (engine === null || engine === "vllm") return null;
  return engineReason ? `${engine}: ${engineReason}` : engine;
}
