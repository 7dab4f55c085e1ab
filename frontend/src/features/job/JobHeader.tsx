import { Link } from "@tanstack/react-router";
import { Hourglass } from "lucide-react";
import type { ReactNode } from "react";
import { gigabytes } from "@/features/memory";
import { count, duration, methodName, usd, words } from "@/lib/format";
import { cx } from "@/ui/cx";
import { Progress } from "@/ui/Progress";
import { Ago, Elapsed } from "@/ui/Time";
import { hardwareText } from "./eventText";
import { LiveCost } from "./money";
import { hasEnded, type Job, type JobEvent } from "./queries";

interface Props {
  job: Job;
  postedAt: string | undefined;
  events: readonly JobEvent[];
}

function Fact({ name, children, wide }: { name: string; children: ReactNode; wide?: boolean }) {
  return (
    <div className={wide ? "min-w-0 max-w-72" : "min-w-0"}>
      <dt className="text-2xs text-ink-3">{name}</dt>
      <dd className="truncate text-sm tabular-nums">{children}</dd>
    </div>
  );
}

const LINK = "text-ink underline decoration-line-strong underline-offset-2 hover:decoration-current";

/** Where a job stands: how far it is while it goes on, and what it is made of. */
export function JobHeader({ job, postedAt, events }: Props) {
  const on = job.hardware ?? job.hardwareRequested;
  const { step, totalSteps, fraction, etaSeconds, secondsPerStep } = job.progress;
  const ended = hasEnded(job.status);
  const stepsText = totalSteps ? `${count(step)} / ${count(totalSteps)}` : count(step);
  return (
    <section aria-label="Where it stands" className="rounded-lg border border-line bg-surface px-3 py-2.5 shadow-card">
      <div className={cx("mb-2 flex items-center gap-3", ended && "hidden")}>
        <Progress
          fraction={ended || job.status === "RUNNING" ? (fraction ?? (ended ? 0 : null)) : 0}
          label="Steps done"
          className="min-w-16 flex-1"
        />
        <span className="whitespace-nowrap text-ink-2 text-xs tabular-nums">{stepsText} steps</span>
        <span className="w-24 whitespace-nowrap text-right text-ink-3 text-xs tabular-nums max-sm:hidden">
          {etaSeconds !== null
            ? `${duration(etaSeconds)} left`
            : secondsPerStep !== null
              ? `${duration(secondsPerStep)} a step`
              : ""}
        </span>
      </div>
      <dl className="grid grid-cols-2 gap-x-6 gap-y-2 sm:flex sm:flex-wrap">
        <Fact name="Method">{methodName(job.method)}</Fact>
        <Fact name="Base model" wide>
          <span title={job.baseRevision ? `${job.baseModel} at ${job.baseRevision}` : job.baseModel}>
            {job.baseModel}
            {job.baseRevision && <span className="ml-1 font-mono text-2xs text-ink-3">{job.baseRevision.slice(0, 7)}</span>}
          </span>
        </Fact>
        <Fact name={job.hardware ? "Hardware" : "Hardware asked for"}>
          {hardwareText(on.type, on.count)}
          {on.provider && <span className="ml-1 text-ink-3 text-xs">{on.provider}</span>}
        </Fact>
        {ended && <Fact name="Steps">{stepsText}</Fact>}
        <Fact name={ended ? "Took" : "Running for"}>
          <Elapsed from={job.startedAt} to={job.completedAt} />
        </Fact>
        <Fact name="Cost">
          <LiveCost job={job} postedAt={postedAt} events={events} />
          {job.maxCost && <span className="text-ink-3 text-xs"> of {usd(job.maxCost.amount)}</span>}
        </Fact>
        {job.peakMemoryBytes !== null && (
          <Fact name="Peak memory">
            {gigabytes(job.peakMemoryBytes)}
            {job.memoryEstimate && (
              <span className="text-ink-3 text-xs"> of {gigabytes(job.memoryEstimate.totalBytes)} estimated</span>
            )}
          </Fact>
        )}
        {job.bestStep !== null && <Fact name="Best step">{count(job.bestStep)}</Fact>}
        {job.attempt > 1 && <Fact name="Attempt">{job.attempt}</Fact>}
        <Fact name="Dataset" wide>
          <Link to="/datasets/$id" params={{ id: job.dataset.id }} className={LINK}>
            {job.dataset.name}
          </Link>
        </Fact>
        {job.rewardFunction && (
          <Fact name="Reward function" wide>
            <Link to="/rewards/$id" params={{ id: job.rewardFunction.id }} className={LINK}>
              {job.rewardFunction.name}
            </Link>
          </Fact>
        )}
        {job.resumedFrom && (
          <Fact name="Went on from" wide>
            <Link to="/jobs/$id" params={{ id: job.resumedFrom.job.id }} className={LINK}>
              {job.resumedFrom.job.outputName}
            </Link>
            <span className="text-ink-3 text-xs"> step {job.resumedFrom.step}</span>
          </Fact>
        )}
        {job.deployments.length > 0 && (
          <Fact name={job.deployments.length > 1 ? "Deployments" : "Deployment"} wide>
            {job.deployments.slice(0, 2).map((one, index) => (
              <span key={one.id}>
                {index > 0 && ", "}
                <Link to="/deployments/$id" params={{ id: one.id }} className={LINK} title={words(one.status)}>
                  {one.name}
                </Link>
              </span>
            ))}
            {job.deployments.length > 2 && ` and ${job.deployments.length - 2} more`}
          </Fact>
        )}
        <Fact name="Created">
          <Ago at={job.createdAt} />
        </Fact>
      </dl>
    </section>
  );
}

/** A job that waits says for what. */
export function Waiting({ job }: { job: Job }) {
  if (job.status !== "QUEUED") return null;
  const { type, count } = job.hardwareRequested;
  return (
    <div className="flex items-center gap-2 rounded-md bg-idle-soft px-3 py-2 text-ink-2 text-sm" role="status">
      <Hourglass aria-hidden className="size-4 shrink-0" />
      <span>
        It waits until {hardwareText(type, count)} {job.hardwareRequested.provider ? `of ${job.hardwareRequested.provider} ` : ""}
        is free. Waiting costs nothing. So far: <Elapsed from={job.createdAt} />
      </span>
    </div>
  );
}
