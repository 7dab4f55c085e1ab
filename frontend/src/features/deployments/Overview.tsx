import { Link } from "@tanstack/react-router";
import { count, dateTime, duration, usd } from "@/lib/format";
import { Copyable } from "@/ui/Copy";
import { ChartGroup, type Range } from "@/ui/chart";
import { cx } from "@/ui/cx";
import { Facts, Panel, Stat } from "@/ui/Panel";
import { DecisionLog } from "./Decisions";
import { LoadCharts, ReplicaChart } from "./LoadCharts";
import { ms, percent, rate } from "./numbers";
import { type Deployment, type Detail, isActive } from "./queries";
import { ReplicaTimeline } from "./ReplicaTimeline";
import { RANGES, type RangeName, type Samples } from "./samples";
import type { PhaseChange } from "./timeline";

interface OverviewProps {
  deployment: Deployment;
  detail: Detail | undefined;
  samples: Samples;
  span: Range;
  now: number;
  range: RangeName;
  changes: readonly PhaseChange[];
  onRange: (range: RangeName) => void;
  onDecisions: () => void;
}

/** How it does: its load, its replicas, what it is made of and costs. */
export default function Overview({
  deployment,
  detail,
  samples,
  span,
  now,
  range,
  changes,
  onRange,
  onDecisions,
}: OverviewProps) {
  const active = isActive(deployment.status);
  const last = active ? samples.last : undefined;
  const stats = detail?.stats;
  const decisions = detail?.decisions ?? [];
  return (
    <div className="flex flex-col gap-3">
      <div className="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-6">
        <Stat
          label="Requests a second"
          value={rate(last?.requestsPerSecond)}
          note={stats ? `${count(stats.requestCount)} in all` : ""}
        />
        <Stat label="Latency p95" value={ms(last?.latencyP95Ms)} note={`target ${ms(deployment.targetLatencyP95Ms)}`} />
        <Stat label="First token p95" value={ms(last?.ttftP95Ms)} note="of streamed answers" />
        <Stat
          label="Tokens a second"
          value={rate(last?.tokensPerSecond)}
          note={stats ? `${count(stats.completionTokens)} in all` : ""}
        />
        <Stat label="Errors" value={percent(stats?.errorRate)} note="of all requests" />
        <Stat
          label="Cost"
          value={usd(deployment.totalCost.amount)}
          note={active ? `${usd(deployment.hourlyCost.amount)} an hour now` : "in all"}
        />
      </div>
      <RangePicker range={range} onRange={onRange} />
      <ChartGroup>
        <Panel title="Replicas">
          <ReplicaTimeline replicas={deployment.replicas} span={span} now={now} changes={changes} />
          {deployment.upstreamUrl === null && (
            <div className="mt-3 border-line border-t pt-2">
              <ReplicaChart deployment={deployment} samples={samples} span={span} decisions={decisions} />
            </div>
          )}
        </Panel>
        <LoadCharts deployment={deployment} samples={samples} span={span} />
      </ChartGroup>
      <div className="grid items-start gap-3 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Panel
          flush
          title="Latest decisions"
          actions={
            decisions.length > 0 && (
              <button type="button" className="rounded-sm text-accent text-xs hover:underline" onClick={onDecisions}>
                All of them
              </button>
            )
          }
        >
          <DecisionLog deployment={deployment} decisions={detail?.decisions} most={6} />
        </Panel>
        <Panel title="About">
          <About deployment={deployment} detail={detail} />
        </Panel>
      </div>
    </div>
  );
}

const LABELS: Record<RangeName, string> = { "15m": "15 min", "1h": "1 h", "6h": "6 h", "24h": "24 h", all: "All" };

/** How much of the past the timeline and all charts show. */
function RangePicker({ range, onRange }: { range: RangeName; onRange: (range: RangeName) => void }) {
  return (
    <fieldset className="flex items-center gap-1 self-end rounded-md border border-line bg-surface p-0.5 shadow-card">
      <legend className="sr-only">Time shown</legend>
      {RANGES.map((one) => (
        <label
          key={one}
          className={cx(
            "relative flex h-6 cursor-pointer items-center rounded-sm px-2 font-medium text-xs has-focus-visible:outline-2 has-focus-visible:outline-accent",
            one === range ? "bg-hover text-ink" : "text-ink-3 hover:text-ink",
          )}
        >
          <input type="radio" name="range" className="sr-only" checked={one === range} onChange={() => onRange(one)} />
          {LABELS[one]}
        </label>
      ))}
    </fieldset>
  );
}

const hardwareText = ({ type, count }: { type: string; count: number }) => (count > 1 ? `${count} × ${type}` : type);

function About({ deployment, detail }: { deployment: Deployment; detail: Detail | undefined }) {
  const { job, upstreamUrl } = deployment;
  const checkpoint = detail?.checkpoint;
  return (
    <Facts
      items={[
        [
          "Model",
          job ? (
            <Link key="job" to="/jobs/$id" params={{ id: job.id }} className="text-accent hover:underline">
              {job.outputName}
            </Link>
          ) : (
            <Copyable key="model" text={deployment.model} />
          ),
        ],
        Boolean(job) && ["Base", job?.baseModel],
        Boolean(checkpoint) && ["Checkpoint", `step ${checkpoint?.step}`],
        deployment.revision !== null && ["Commit", <Copyable key="commit" text={deployment.revision} />],
        upstreamUrl !== null && ["Answered by", <Copyable key="url" text={upstreamUrl} />],
        deployment.engine !== null && ["Engine", deployment.engine],
        upstreamUrl === null && ["Asked for", hardwareText(deployment.hardwareRequested)],
        upstreamUrl === null && ["Runs on", deployment.hardware ? hardwareText(deployment.hardware) : "–"],
        detail?.maxBatchSize != null && ["Batch", `${detail.maxBatchSize} requests at once`],
        Boolean(detail?.extraArgs.length) && [
          "Extra args",
          <span key="args" className="break-all font-mono text-xs">
            {detail?.extraArgs.join(" ")}
          </span>,
        ],
        ["Created", dateTime(deployment.createdAt)],
        ["Serving since", deployment.servingSince ? dateTime(deployment.servingSince) : "–"],
        deployment.stoppedAt !== null && ["Ended", dateTime(deployment.stoppedAt)],
        ["Served for", duration(detail?.stats.uptimeSeconds)],
      ]}
    />
  );
}
