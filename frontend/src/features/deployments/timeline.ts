/** When each replica was what: lanes of phases over the time that is shown. */
import type { Range } from "@/ui/chart";
import type { Deployment } from "./queries";

export type Replica = Deployment["replicas"][number];
export type Phase = "waiting" | "pulling" | "loading" | "warming" | "starting" | "running" | "draining";

/** What a replica's status means while it is not ready. */
const STARTING: Record<string, Phase> = { pending: "waiting", pulling: "pulling", loading: "loading", warming: "warming" };

export interface Segment {
  phase: Phase;
  startedAt: number;
  /** Null while it goes on. */
  endedAt: number | null;
  /** Shares of what is shown, 0 to 1. */
  from: number;
  to: number;
}

export interface Lane {
  id: string;
  version: number;
  replica: Replica;
  segments: Segment[];
  /** How it ended, and where; null while it lives, or out of what is shown. */
  end: { failed: boolean; share: number } | null;
}

/** A change of a replica's phase that was told of. */
export interface PhaseChange {
  at: string;
  replica: string;
  phase: string;
}

const time = (at: string | null): number | null => (at === null ? null : Date.parse(at));

/** The phases of a replica, one after the other; how it started as finely as it was told. */
export function phasesOf(
  replica: Replica,
  changes: readonly PhaseChange[] = [],
): { phase: Phase; startedAt: number; endedAt: number | null }[] {
  const born = Date.parse(replica.createdAt);
  const [ready, asked, ended] = [time(replica.readyAt), time(replica.stopRequestedAt), time(replica.endedAt)];
  // One that was told to stop before it was ready has nothing to end.
  const until = ready ?? ended;
  const told = changes
    .filter((one) => one.replica === replica.id && one.phase in STARTING)
    .map((one) => ({ phase: STARTING[one.phase] as Phase, at: Date.parse(one.at) }))
    .filter((one) => until === null || one.at < until)
    .sort((a, b) => a.at - b.at);
  const now = STARTING[replica.status];
  // Without a word of its phases, what it does now is all that is known of how it starts.
  const starts = told.length > 0 && (told[0]?.at ?? 0) > born ? [{ phase: "waiting" as const, at: born }, ...told] : told;
  const known = starts.length > 0 ? starts : [{ phase: now ?? ("starting" as const), at: born }];
  const phases: { phase: Phase; startedAt: number; endedAt: number | null }[] = known.map((one, index) => ({
    phase: one.phase,
    startedAt: one.at,
    endedAt: known[index + 1]?.at ?? until,
  }));
  if (ready !== null) {
    const drains = asked !== null && asked > ready ? asked : null;
    phases.push({ phase: "running", startedAt: ready, endedAt: drains ?? ended });
    if (drains !== null) phases.push({ phase: "draining", startedAt: drains, endedAt: ended });
  }
  return phases.filter((one) => one.endedAt === null || one.endedAt > one.startedAt);
}

/** The replicas that lived within what is shown, the oldest first, so that a lane keeps its place as others come. */
export function lanes(
  replicas: readonly Replica[],
  [from, to]: Range,
  now: number,
  changes: readonly PhaseChange[] = [],
): Lane[] {
  const share = (at: number) => Math.min(1, Math.max(0, (at - from) / (to - from)));
  return replicas
    .filter((one) => Date.parse(one.createdAt) <= to && (time(one.endedAt) ?? now) >= from)
    .map((replica) => {
      const ended = time(replica.endedAt);
      return {
        id: replica.id,
        version: replica.version,
        replica,
        segments: phasesOf(replica, changes)
          .filter((one) => one.startedAt <= to && (one.endedAt ?? now) >= from)
          .map((one) => ({ ...one, from: share(one.startedAt), to: share(one.endedAt ?? now) })),
        end: ended === null || ended > to ? null : { failed: replica.status === "failed", share: share(ended) },
      };
    })
    .sort((a, b) => Date.parse(a.replica.createdAt) - Date.parse(b.replica.createdAt) || (a.id < b.id ? -1 : 1));
}

/** How many live replicas answer, and how many there are or should be. */
export function readiness(
  one: Pick<Deployment, "desiredReplicas" | "minReplicas" | "pausedAt" | "status"> & {
    replicas: readonly Pick<Replica, "status" | "endedAt">[];
  },
): { ready: number; of: number } {
  const live = one.replicas.filter((replica) => replica.endedAt === null);
  const ready = live.filter((replica) => replica.status === "running").length;
  return { ready, of: Math.max(ready, wantedOf(one)) };
}

/** How many it is to have: no fewer than its least, also before that is decided. */
export function wantedOf(one: Pick<Deployment, "desiredReplicas" | "minReplicas" | "pausedAt" | "status">): number {
  if (one.pausedAt !== null || one.status === "STOPPED" || one.status === "FAILED") return 0;
  return Math.max(one.minReplicas, one.desiredReplicas);
}
