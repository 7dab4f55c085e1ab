/** Which lines are drawn of a load, and what they are held against. */
import { ms, percent, rate } from "./numbers";
import type { Drawn, Target } from "./samples";
import type { Scaling } from "./scaling";

export interface ChartOf {
  title: string;
  drawn: readonly Drawn[];
  format: (value: number) => string;
  ceiling?: number;
  target?: (scaling: Pick<Scaling, "targetRps" | "targetLatencyP95Ms">) => Target;
}

/** A percentile is known where something was asked: its line goes from one value to the next. */
const percentiles = (of: "latency" | "ttft"): readonly Drawn[] => [
  { field: `${of}P50Ms`, label: "p50", color: "--run-2", sparse: true },
  { field: `${of}P95Ms`, label: "p95", color: "--run-1", sparse: true },
];

export const CHARTS: readonly ChartOf[] = [
  {
    title: "Requests a second",
    drawn: [{ field: "requestsPerSecond", label: "requests/s", color: "--run-2" }],
    format: rate,
    target: ({ targetRps }) => ({
      label: "target",
      color: "--warn",
      of: ({ replicasReady }) => (replicasReady > 0 ? targetRps * replicasReady : null),
    }),
  },
  {
    title: "Latency",
    drawn: percentiles("latency"),
    format: ms,
    target: ({ targetLatencyP95Ms }) => ({ label: "target", color: "--warn", of: () => targetLatencyP95Ms }),
  },
  { title: "Time to first token", drawn: percentiles("ttft"), format: ms },
  { title: "Tokens a second", drawn: [{ field: "tokensPerSecond", label: "tokens/s", color: "--run-3" }], format: rate },
  {
    title: "In the engines",
    drawn: [
      { field: "running", label: "running", color: "--run-2" },
      { field: "waiting", label: "waiting", color: "--run-1" },
    ],
    format: String,
    ceiling: 1,
  },
  { title: "KV cache", drawn: [{ field: "kvCacheUsage", label: "fullest", color: "--run-4" }], format: percent, ceiling: 1 },
];

export const REPLICAS: readonly Drawn[] = [{ field: "replicasReady", label: "ready", color: "--run-3", stepped: true }];
