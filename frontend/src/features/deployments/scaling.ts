/** The scaling rule of deployments, said in words and worked out for a load: what the server decides by, for those who set it. */
import { counted, duration, measure } from "@/lib/format";
import { ms, rate } from "./numbers";

export interface Scaling {
  minReplicas: number;
  maxReplicas: number;
  /** Requests a second that one replica is to bear. */
  targetRps: number;
  /** Of whole answers. */
  targetLatencyP95Ms: number;
  stabilisationWindowSeconds: number;
}

export const DEFAULTS: Scaling = {
  minReplicas: 1,
  maxReplicas: 1,
  targetRps: 10,
  targetLatencyP95Ms: 5000,
  stabilisationWindowSeconds: 300,
};
/** Fewer answers than these say nothing about the slowest twentieth. */
export const FEWEST = 20;

/** What a deployment bears at a moment. */
export interface Load {
  rps: number;
  p95Ms: number | null;
  /** How many answers `p95Ms` is of. */
  requests: number;
  replicas: number;
}

export interface Wanted {
  byRps: number;
  /** Null where latency has no say. */
  byLatency: number | null;
  replicas: number;
  why: string;
}

/** As the server reckons, without its memory: what it wanted within the window keeps replicas that this would let go. */
export function wanted(scaling: Scaling, load: Load): Wanted {
  const { minReplicas, maxReplicas, targetRps, targetLatencyP95Ms } = scaling;
  const byRps = Math.ceil(load.rps / targetRps);
  const slow = load.p95Ms !== null && load.p95Ms > targetLatencyP95Ms && load.requests >= FEWEST;
  // At most twice as many: a latency that grows until they are ready is no reason for more.
  const byLatency = slow
    ? Math.min(Math.ceil((load.replicas * (load.p95Ms ?? 0)) / targetLatencyP95Ms), 2 * load.replicas)
    : null;
  const most = Math.max(byRps, byLatency ?? 0);
  const step = Math.max(1, 2 * load.replicas);
  const within = Math.min(Math.max(most, minReplicas), maxReplicas);
  const replicas = within > load.replicas ? Math.max(Math.min(within, step), minReplicas) : within;
  return { byRps, byLatency, replicas, why: reason() };

  function reason(): string {
    if (replicas < within) return `${within} are needed, and one step at most doubles them`;
    if (replicas < most) return `${most} are needed, and ${maxReplicas} are allowed`;
    if (replicas > most) return most === 0 && load.rps === 0 ? "nothing is asked, the least stays" : "the least stays";
    if (most === 0) return "nothing is asked";
    if (byLatency !== null && byLatency > byRps)
      return `p95 ${ms(load.p95Ms)} is above ${ms(targetLatencyP95Ms)} on ${counted(load.replicas, "replica")}`;
    return `${rate(load.rps)} requests/s at ${measure(targetRps)} a replica`;
  }
}

/** The rule with its numbers, in a sentence. */
export function ruleText({
  minReplicas,
  maxReplicas,
  targetRps,
  targetLatencyP95Ms,
  stabilisationWindowSeconds,
}: Scaling): string {
  if (minReplicas === maxReplicas)
    return `It is held at ${counted(minReplicas, "replica")}: its least and its most are the same, so that there is nothing to decide.`;
  const later = stabilisationWindowSeconds === 0 ? "at once" : `after ${duration(stabilisationWindowSeconds)} without need`;
  const down = minReplicas === 0 ? `down to none ${later}, awake again with the next request` : `down ${later}`;
  return (
    `One replica for each ${measure(targetRps)} requests a second, and more while 95 % of the answers take longer than ` +
    `${ms(targetLatencyP95Ms)}; between ${minReplicas} and ${maxReplicas}, up at once, ${down}.`
  );
}

/** What an hour costs between the least and the most replicas. */
export const priceRange = ({ minReplicas, maxReplicas }: Scaling, hour: number): readonly [number, number] => [
  minReplicas * hour,
  Math.max(minReplicas, maxReplicas) * hour,
];

export interface Decision {
  at: string;
  from: number;
  to: number;
  reason: string;
  rps?: number | null | undefined;
  p95Ms?: number | null | undefined;
  requests?: number | null | undefined;
  byRps?: number | null | undefined;
  byLatency?: number | null | undefined;
}

/** The numbers that a decision rests on, as far as it names any. */
export function evidence({ rps, p95Ms, requests, byRps, byLatency }: Decision): string {
  const known = (value: number | null | undefined): value is number => value !== null && value !== undefined;
  return [
    known(rps) && `${rate(rps)} requests/s`,
    known(p95Ms) && `p95 ${ms(p95Ms)}${known(requests) ? ` of ${counted(requests, "answer")}` : ""}`,
    known(byRps) && `${byRps} by rate`,
    known(byLatency) && `${byLatency} by latency`,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** How many were wanted over a span, from what was decided, oldest first: the columns of a line in steps. */
export function desiredOver(
  decisions: readonly Decision[],
  now: number,
  [from, to]: readonly [number, number],
): { steps: number[]; values: number[] } {
  const all = decisions.map((one) => ({ at: Date.parse(one.at), from: one.from, to: one.to })).sort((a, b) => a.at - b.at);
  const before = all.findLast((one) => one.at <= from);
  const after = all.filter((one) => one.at > from && one.at <= to);
  const first = before?.to ?? after[0]?.from ?? all.find((one) => one.at > to)?.from ?? now;
  const last = after.at(-1)?.to ?? first;
  return { steps: [from, ...after.map((one) => one.at), to], values: [first, ...after.map((one) => one.to), last] };
}
