import { Link, useParams } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { words } from "@/lib/format";
import { traitsOf } from "@/lib/methods";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { choice, useUrlState } from "@/lib/url";
import { buttonClass } from "@/ui/Button";
import { Empty, ErrorNote, Skeleton, Together } from "@/ui/Empty";
import { Page } from "@/ui/Panel";
import { Badge, Status } from "@/ui/Status";
import { Tabs } from "@/ui/Tabs";
import { Trail } from "@/ui/Trail";
import { Failure } from "./Failure";
import { JobActions } from "./JobActions";
import { JobHeader, Waiting } from "./JobHeader";
import { hasEnded } from "./queries";
import { RunDot } from "./RunDot";
import { type LiveJob, useJob } from "./useJob";

const Overview = lazy(() => import("./overview/Overview"));
const Rollouts = lazy(() => import("./rollouts/Rollouts"));
const ClipsView = lazy(() => import("./clips/ClipsView"));
const LogViewer = lazy(() => import("@/features/logs/LogViewer"));
const Events = lazy(() => import("./Events"));
const Checkpoints = lazy(() => import("./Checkpoints"));
const Config = lazy(() => import("./Config"));
const Cost = lazy(() => import("./Cost"));

const TABS = ["overview", "rollouts", "logs", "events", "checkpoints", "config", "cost"] as const;
type Tab = (typeof TABS)[number];
const VIEW = { tab: choice(TABS, "overview") };

export default function JobPage() {
  const { id } = useParams({ strict: false });
  return id ? <JobOf key={id} id={id} /> : null;
}

function JobOf({ id }: { id: string }) {
  const live = useJob(id);
  const { job, error } = live;
  useTitle(job ? `${words(job.status)} · ${job.outputName}` : job === null ? "No such job" : "Job");
  if (job === null) return <NoJob id={id} />;
  return (
    <Page
      above={<JobTrail id={id} />}
      title={
        job ? (
          <span className="flex items-center gap-2.5">
            <RunDot id={id} className="size-2.5" />
            <span className="min-w-0 break-words">{job.outputName}</span>
          </span>
        ) : (
          <Skeleton className="h-6 w-52" />
        )
      }
      beside={
        job && (
          <span className="inline-flex items-center gap-2" role="status">
            <Status status={job.status} />
            {job.phase && !hasEnded(job.status) && <Badge mood="live">{words(job.phase)}</Badge>}
          </span>
        )
      }
      actions={job && <JobActions job={job} refetch={live.refetch} expect={live.expect} />}
    >
      {error && <ErrorNote onRetry={live.refetch}>{error}</ErrorNote>}
      {job ? (
        <>
          <Failure job={job} />
          <Waiting job={job} />
          <JobHeader job={job} postedAt={live.postedAt} events={live.events} />
        </>
      ) : (
        !error && <Skeleton className="h-40 sm:h-21" />
      )}
      {/* How high a job's state is shows only with it: a failure and a wait stand above the tabs. */}
      <Together ready={job !== undefined || error !== undefined} size="h-80">
        <JobTabs id={id} live={live} />
      </Together>
    </Page>
  );
}

const JobTrail = ({ id }: { id: string }) => (
  <Trail id={id}>
    <Link to="/jobs">Jobs</Link>
  </Trail>
);

function JobTabs({ id, live }: { id: string; live: LiveJob }) {
  const [{ tab: named }, setView] = useUrlState(VIEW);
  const { job } = live;
  const makes = job && traitsOf(job.method).makes;
  // What writes nothing while it trains has nothing to show of it.
  const tabs = TABS.filter((one) => one !== "rollouts" || makes !== null);
  const tab = tabs.includes(named) ? named : "overview";
  const show = (to: Tab) => setView({ tab: to });
  const step = (by: number) => {
    const to = tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length];
    if (to) show(to);
  };
  useShortcuts([
    { keys: "[", label: "Tab before", run: () => step(-1) },
    { keys: "]", label: "Next tab", run: () => step(1) },
    ...tabs.map((one, index) => ({ keys: String(index + 1), label: words(one), run: () => show(one) })),
  ]);
  const count = job?.checkpoints.length;
  return (
    <Tabs
      label="About the job"
      tabs={tabs.map((one) => ({
        id: one,
        label:
          one === "checkpoints" ? (
            <>
              Checkpoints{" "}
              <span className="inline-block min-w-[2ch] text-left text-ink-3 text-xs tabular-nums">{count || ""}</span>
            </>
          ) : (
            words(one)
          ),
      }))}
      value={tab}
      onChange={show}
    >
      <Suspense fallback={<Skeleton className="h-80" />}>
        {tab === "overview" && <Overview jobId={id} />}
        {tab === "rollouts" && makes === "text" && <Rollouts jobId={id} />}
        {tab === "rollouts" && makes === "clips" && <ClipsView jobId={id} />}
        {tab === "logs" && <LogViewer of="job" id={id} />}
        {job ? <OfJob tab={tab} live={live} /> : !["overview", "logs"].includes(tab) && <Skeleton className="h-80" />}
      </Suspense>
    </Tabs>
  );
}

/** The tabs that are made of the job itself. */
function OfJob({ tab, live }: { tab: Tab; live: LiveJob }) {
  const { job, events, postedAt } = live;
  if (!job) return null;
  switch (tab) {
    case "events":
      return <Events events={events} live={!hasEnded(job.status)} />;
    case "checkpoints":
      return <Checkpoints job={job} />;
    case "config":
      return <Config job={job} />;
    case "cost":
      return <Cost job={job} postedAt={postedAt} events={events} />;
    default:
      return null;
  }
}

function NoJob({ id }: { id: string }) {
  return (
    <Page title="No such job" above={<JobTrail id={id} />}>
      <Empty
        title="There is no job with this id"
        action={
          <Link to="/jobs" className={buttonClass("solid")}>
            All jobs
          </Link>
        }
      >
        It was deleted, or belongs to another account. What deleted jobs cost still stands under Costs.
      </Empty>
    </Page>
  );
}
