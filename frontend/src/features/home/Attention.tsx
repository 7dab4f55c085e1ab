import { Link } from "@tanstack/react-router";
import { CircleX, TriangleAlert } from "lucide-react";
import { words } from "@/lib/format";
import { Panel } from "@/ui/Panel";
import { Ago } from "@/ui/Time";
import type { Home } from "./queries";

/** How long a failure asks for attention. */
const DAYS = 7;

/** What went wrong lately and why; nothing where all is well. */
export function Attention({ home }: { home: Home | undefined }) {
  const since = Date.now() - DAYS * 86_400_000;
  const recent = <One,>(all: readonly One[] | undefined, at: (one: One) => string) =>
    (all ?? []).filter((one) => Date.parse(at(one)) > since);
  const jobs = recent(home?.failedJobs.nodes, (job) => job.completedAt ?? job.createdAt);
  const deployments = recent(home?.failedDeployments.nodes, (one) => one.updatedAt);
  const warnings = home?.viewer.account.warnings ?? [];
  const amount = jobs.length + deployments.length + warnings.length;
  if (amount === 0) return null;
  return (
    <Panel
      title={
        <span className="flex items-center gap-2">
          Needs attention <span className="font-normal text-ink-3 tabular-nums">{amount}</span>
        </span>
      }
      flush
    >
      <ul className="divide-y divide-line">
        {warnings.map((one) => (
          <li key={one.code} className="flex gap-2.5 px-3 py-2.5">
            <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
            <div className="min-w-0 text-sm">
              <Link to="/costs" className="font-medium hover:underline">
                {words(one.code)}
              </Link>
              <p className="text-ink-2 text-xs">{one.message}</p>
            </div>
          </li>
        ))}
        {deployments.map((one) => (
          <li key={one.id} className="flex gap-2.5 px-3 py-2.5">
            <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
            <div className="min-w-0 flex-1 text-sm">
              <Link to="/deployments/$id" params={{ id: one.id }} className="font-medium hover:underline">
                {one.name}
              </Link>
              <p className="break-words text-ink-2 text-xs">
                {words(one.status)}
                {one.error ? `: ${one.error}` : ""}
              </p>
            </div>
            <span className="text-ink-3 text-xs">
              <Ago at={one.updatedAt} />
            </span>
          </li>
        ))}
        {jobs.map((job) => (
          <li key={job.id} className="flex gap-2.5 px-3 py-2.5">
            <CircleX aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
            <div className="min-w-0 flex-1 text-sm">
              <Link to="/jobs/$id" params={{ id: job.id }} className="font-medium hover:underline">
                {job.outputName}
              </Link>
              <p className="line-clamp-3 break-words text-ink-2 text-xs">
                {job.error?.message ?? "It failed without saying why."}
              </p>
              {job.error?.userCodeLine && job.rewardFunction && (
                <Link
                  to="/rewards/$id"
                  params={{ id: job.rewardFunction.id }}
                  search={{ line: job.error.userCodeLine }}
                  className="text-accent text-xs hover:underline"
                >
                  Line {job.error.userCodeLine} of its reward
                </Link>
              )}
            </div>
            <span className="text-ink-3 text-xs">
              <Ago at={job.completedAt ?? job.createdAt} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
