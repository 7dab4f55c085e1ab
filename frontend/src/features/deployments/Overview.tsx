import { Link } from "@tanstack/react-router";
import { useMemo, useReducer } from "react";
import { useQuery } from "urql";
import { count, dateTime, duration, timeOfDay, usd } from "@/lib/format";
import { useLive } from "@/lib/live";
import { Copyable } from "@/ui/Copy";
import { Chart, ChartGroup } from "@/ui/chart";
import { Facts, Panel, Stat } from "@/ui/Panel";
import { ms, percent, rate } from "./numbers";
import { type Deployment, isActive, OfferQuery, StatsStream } from "./queries";
import { ReplicaTimeline } from "./ReplicaTimeline";
import { type Drawn, type Sample, Samples } from "./samples";
import type { useDeployment } from "./useDeployment";

interface ChartOf {
  title: string;
  drawn: readonly Drawn[];
  format: (value: number) => string;
  ceiling?: number;
}

const CHARTS: readonly ChartOf[] = [
  { title: "Requests a second", drawn: [{ field: "requestsPerSecond", label: "requests/s", color: "--run-2" }], format: rate },
  {
    title: "Latency",
    drawn: [
      { field: "latencyP50Ms", label: "p50", color: "--run-2", sparse: true },
      { field: "latencyP95Ms", label: "p95", color: "--run-1", sparse: true },
    ],
    format: ms,
  },
  {
    title: "Time to first token",
    drawn: [
      { field: "ttftP50Ms", label: "p50", color: "--run-2", sparse: true },
      { field: "ttftP95Ms", label: "p95", color: "--run-1", sparse: true },
    ],
    format: ms,
  },
  { title: "Tokens a second", drawn: [{ field: "tokensPerSecond", label: "tokens/s", color: "--run-3" }], format: rate },
  {
    title: "In the engine",
    drawn: [
      { field: "running", label: "running", color: "--run-2" },
      { field: "waiting", label: "waiting", color: "--run-1" },
    ],
    format: String,
    ceiling: 1,
  },
  { title: "KV cache", drawn: [{ field: "kvCacheUsage", label: "in use", color: "--run-4" }], format: percent, ceiling: 1 },
];
const TAIL = 2000;
/** An axis has room for hours and minutes. */
const minute = (at: number): string => timeOfDay(new Date(at)).slice(0, 5);

interface OverviewProps {
  deployment: Deployment;
  stats: ReturnType<typeof useDeployment>["stats"];
  checkpoint: { id: string; step: number } | null | undefined;
}

/** How it does: its load, its replicas, what it is made of and costs. */
export default function Overview({ deployment, stats, checkpoint }: OverviewProps) {
  const { id } = deployment;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another deployment begins with none
  const samples = useMemo(() => new Samples(), [id]);
  const sources = useMemo(() => CHARTS.map((one) => samples.source(one.drawn)), [samples]);
  const [, redraw] = useReducer((times: number) => times + 1, 0);
  useLive(id, {
    document: StatsStream,
    variables: { id, tail: TAIL },
    frame: ({ deploymentStats }) => deploymentStats as { __typename?: string; cursor?: string; samples?: Sample[] },
    onFrames: (frames) => {
      samples.append(frames.flatMap((frame) => frame.samples ?? []));
      redraw();
    },
  });
  const hardware = deployment.hardware ?? deployment.hardwareRequested;
  const [{ data: offers }] = useQuery({ query: OfferQuery, variables: { type: hardware.type, count: hardware.count } });
  const hour = offers?.hardwareOffers[0]?.pricePerHour.amount;
  const active = isActive(deployment.status);
  const now = active ? samples.last : undefined;
  return (
    <div className="flex flex-col gap-3">
      <div className="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-6">
        <Stat
          label="Requests a second"
          value={rate(now?.requestsPerSecond)}
          note={stats ? `${count(stats.requestCount)} in all` : ""}
        />
        <Stat label="Latency p95" value={ms(now?.latencyP95Ms)} note={stats ? `mean ${ms(stats.latencyMeanMs)}` : ""} />
        <Stat label="First token p95" value={ms(now?.ttftP95Ms)} note="of streamed answers" />
        <Stat
          label="Tokens a second"
          value={rate(now?.tokensPerSecond)}
          note={stats ? `${count(stats.completionTokens)} in all` : ""}
        />
        <Stat label="Errors" value={percent(stats?.errorRate)} note="of all requests" />
        <Stat label="Cost" value={usd(deployment.totalCost.amount)} note={active && hour ? `${usd(hour)} an hour` : "in all"} />
      </div>
      <ChartGroup>
        <div className="grid gap-3 md:grid-cols-2 xl:grid-cols-3">
          {CHARTS.map((one, index) => (
            <Panel key={one.title}>
              <Chart
                title={one.title}
                source={sources[index]}
                format={one.format}
                formatStep={minute}
                unit="time"
                floor={0}
                ceiling={one.ceiling}
                height={150}
                empty={active ? "Nothing was asked yet." : "Nothing was asked."}
              />
            </Panel>
          ))}
        </div>
      </ChartGroup>
      <div className="grid items-start gap-3 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Panel title="Replicas">
          <ReplicaTimeline deployment={deployment} />
        </Panel>
        <Panel title="About">
          <Facts
            items={[
              [
                "Model",
                deployment.job ? (
                  <Link key="job" to="/jobs/$id" params={{ id: deployment.job.id }} className="text-accent hover:underline">
                    {deployment.job.outputName}
                  </Link>
                ) : (
                  <Copyable key="model" text={deployment.model} />
                ),
              ],
              Boolean(deployment.job) && ["Base", deployment.job?.baseModel],
              Boolean(checkpoint) && ["Checkpoint", `step ${checkpoint?.step}`],
              deployment.revision !== null && ["Commit", <Copyable key="commit" text={deployment.revision} />],
              ["Asked for", `${deployment.hardwareRequested.count} × ${deployment.hardwareRequested.type}`],
              ["Runs on", deployment.hardware ? `${deployment.hardware.count} × ${deployment.hardware.type}` : "–"],
              ["Created", dateTime(deployment.createdAt)],
              ["Serving since", deployment.servingSince ? dateTime(deployment.servingSince) : "–"],
              deployment.stoppedAt !== null && ["Ended", dateTime(deployment.stoppedAt)],
              ["Served for", duration(stats?.uptimeSeconds)],
            ]}
          />
        </Panel>
      </div>
    </div>
  );
}
