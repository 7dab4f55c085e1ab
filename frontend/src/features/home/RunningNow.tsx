import { Link } from "@tanstack/react-router";
import { MessageSquare, Plus } from "lucide-react";
import { useRef, useState } from "react";
import { count, counted, duration, measure, usd, words } from "@/lib/format";
import { useLive } from "@/lib/live";
import { traitsOf } from "@/lib/methods";
import { runColor } from "@/lib/runs";
import { buttonClass } from "@/ui/Button";
import { Sparkline } from "@/ui/chart/Sparkline";
import { Skeleton } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { Progress } from "@/ui/Progress";
import { Status } from "@/ui/Status";
import { Elapsed } from "@/ui/Time";
import { LoadSubscription, type Running } from "./queries";

const LINE =
  "relative grid items-center gap-x-4 gap-y-1.5 px-3 py-3 hover:bg-hover sm:grid-cols-[minmax(0,1fr)_minmax(0,1.1fr)_7rem]";
// The whole line opens what its name leads to; what else can be pressed lies above it.
const NAME = "truncate font-medium text-sm after:absolute after:inset-0 focus-visible:after:outline-2";

/** Jobs and deployments that are under way, with what they do at this moment. */
export function RunningNow({ running }: { running: Running | undefined }) {
  const nothing = running && running.jobs.nodes.length + running.deployments.nodes.length === 0;
  return (
    <Panel title="Running now" flush>
      {!running && (
        <div className="flex flex-col gap-3 p-3">
          <Skeleton className="h-12" />
          <Skeleton className="h-12" />
        </div>
      )}
      {nothing && (
        <div className="flex flex-wrap items-center justify-between gap-3 px-3 py-5 text-ink-3 text-sm">
          Nothing runs, and nothing is billed.
          <Link to="/jobs/new" className={buttonClass("plain", "sm")}>
            <Plus aria-hidden className="size-3.5" />
            Start a job
          </Link>
        </div>
      )}
      {running && !nothing && (
        <ul className="divide-y divide-line">
          {running.jobs.nodes.map((job) => (
            <JobLine key={job.id} job={job} />
          ))}
          {running.deployments.nodes.map((deployment) => (
            <DeploymentLine key={deployment.id} deployment={deployment} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function JobLine({ job }: { job: Running["jobs"]["nodes"][number] }) {
  const { step, totalSteps, fraction, etaSeconds } = job.progress;
  const { key, label } = traitsOf(job.method).lead;
  const values = job.metrics.find((one) => one.key === key)?.values ?? [];
  const now = values.at(-1);
  return (
    <li className={LINE}>
      <div className="min-w-0">
        <div className="flex min-w-0 items-center gap-2">
          <Link to="/jobs/$id" params={{ id: job.id }} className={NAME}>
            {job.outputName}
          </Link>
          <Status status={job.status} />
        </div>
        <p className="truncate text-ink-3 text-xs">
          {job.baseModel} · {usd(job.cost.total.amount)} · <Elapsed from={job.startedAt ?? job.createdAt} />
        </p>
      </div>
      <div className="min-w-0">
        <Progress fraction={job.status === "RUNNING" ? fraction : null} label={`Progress of ${job.outputName}`} />
        <p className="mt-1 flex justify-between gap-2 text-ink-3 text-xs tabular-nums">
          <span className="truncate">
            {job.phase ? words(job.phase) : words(job.status)}
            {totalSteps ? ` · step ${count(step)} of ${count(totalSteps)}` : ""}
          </span>
          {etaSeconds !== null && <span className="whitespace-nowrap">{duration(etaSeconds)} left</span>}
        </p>
      </div>
      <div className="flex items-center justify-end gap-2 max-sm:hidden">
        <Sparkline
          values={values}
          label={now === undefined ? `No ${label.toLowerCase()} yet` : `${label} so far, now ${measure(now)}`}
          color={runColor(job.id)}
          width={56}
          height={24}
        />
        <span className="w-12 text-right font-medium text-xs tabular-nums" title={`${label} of the last step`}>
          {measure(now)}
        </span>
      </div>
    </li>
  );
}

function DeploymentLine({ deployment }: { deployment: Running["deployments"]["nodes"][number] }) {
  const load = useLoad(deployment.status === "SERVING" ? deployment.id : null);
  const now = load.at(-1);
  return (
    <li className={LINE}>
      <div className="min-w-0">
        <div className="flex min-w-0 items-center gap-2">
          <Link to="/deployments/$id" params={{ id: deployment.id }} className={NAME}>
            {deployment.name}
          </Link>
          <Status status={deployment.status} />
        </div>
        <p className="truncate text-ink-3 text-xs">
          {deployment.job?.outputName ?? deployment.model} · {usd(deployment.totalCost.amount)} ·{" "}
          <Elapsed from={deployment.servingSince ?? deployment.createdAt} />
        </p>
      </div>
      <div className="flex min-w-0 items-center justify-between gap-2 text-ink-3 text-xs tabular-nums">
        <span className="truncate">{counted(Number(deployment.stats.requestCount), "request")} answered</span>
        {deployment.status === "SERVING" && (
          <Link
            to="/chat"
            search={{ models: deployment.name }}
            className={`relative z-10 ${buttonClass("ghost", "sm")}`}
            aria-label={`Chat with ${deployment.name}`}
          >
            <MessageSquare aria-hidden className="size-3.5" />
            Chat
          </Link>
        )}
      </div>
      <div className="flex items-center justify-end gap-2 max-sm:hidden">
        <Sparkline
          values={load}
          label={now === undefined ? "No requests measured yet" : `Requests a second, now ${measure(now)}`}
          color="--live"
          width={56}
          height={24}
        />
        <span className="w-12 text-right font-medium text-xs tabular-nums" title="Requests a second">
          {now === undefined ? "–" : `${measure(now)}/s`}
        </span>
      </div>
    </li>
  );
}

const SAMPLES = 60;

/** The last requests a second of a deployment, live. */
function useLoad(id: string | null): readonly number[] {
  const [values, setValues] = useState<readonly number[]>([]);
  const all = useRef<number[]>([]);
  useLive(id, {
    document: LoadSubscription,
    variables: { id: id ?? "" },
    frame: (result) => result.deploymentStats,
    onFrames(frames) {
      for (const frame of frames)
        if (frame.__typename === "StatsBatch") all.current.push(...frame.samples.map((one) => one.requestsPerSecond));
      all.current = all.current.slice(-SAMPLES);
      setValues(all.current);
    },
  });
  return values;
}
