import { Link, useParams } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";
import { sentence } from "@/lib/errors";
import { usd } from "@/lib/format";
import { useTitle } from "@/lib/page";
import { choice, useUrlState } from "@/lib/url";
import { buttonClass } from "@/ui/Button";
import type { Range } from "@/ui/chart";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Page } from "@/ui/Panel";
import { Badge, Status } from "@/ui/Status";
import { Tabs } from "@/ui/Tabs";
import { useNow } from "@/ui/Time";
import { Trail } from "@/ui/Trail";
import { DeploymentActions } from "./DeploymentActions";
import { changesIn } from "./events";
import { type Deployment, type DeploymentEvent, type Detail, isActive } from "./queries";
import { RANGES, type RangeName, spanOf } from "./samples";
import { engineNote, standing } from "./standing";
import { readiness } from "./timeline";
import { useDeployment } from "./useDeployment";
import { useSamples } from "./useSamples";

const LogViewer = lazy(() => import("@/features/logs/LogViewer"));
const Overview = lazy(() => import("./Overview"));
const Decisions = lazy(() => import("./Decisions"));
const RequestLog = lazy(() => import("./RequestLog"));
const Versions = lazy(() => import("./Versions"));
const UsePanel = lazy(() => import("./UsePanel"));
const EventList = lazy(() => import("./EventList"));

const TABS = ["overview", "scaling", "requests", "versions", "use", "logs", "events"] as const;
const VIEW = { tab: choice(TABS, "overview"), range: choice(RANGES, "1h") };
type Tab = (typeof TABS)[number];
const LABELS: Record<Tab, string> = {
  overview: "Overview",
  scaling: "Scaling",
  requests: "Requests",
  versions: "Versions",
  use: "Use it",
  logs: "Logs",
  events: "Events",
};
/** Charts need not move with every second. */
const STEP_MS = 5000;

export default function DeploymentPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const { deployment, detail, events, error, change, again } = useDeployment(id);
  useTitle(deployment ? `${deployment.name} · deployment` : "Deployment");
  const above = (
    <Trail id={id}>
      <Link to="/deployments">Deployments</Link>
    </Trail>
  );
  if (deployment === null) {
    return (
      <Page title="No such deployment" above={above}>
        <Empty
          title="There is no deployment with this id"
          action={
            <Link to="/deployments" className={buttonClass()}>
              All deployments
            </Link>
          }
        >
          It was deleted, or belongs to another account.
        </Empty>
      </Page>
    );
  }
  if (!deployment) {
    return (
      <Page title={<Skeleton className="h-6 w-40" />} above={above}>
        {error ? <ErrorNote onRetry={again}>{sentence(error)}</ErrorNote> : <Skeleton className="h-96" />}
      </Page>
    );
  }
  return (
    <Page
      title={deployment.name}
      above={above}
      beside={<Beside deployment={deployment} />}
      actions={<DeploymentActions deployment={deployment} onChange={change} onDone={again} />}
    >
      {deployment.error && <ErrorNote>{deployment.error}</ErrorNote>}
      <Sections deployment={deployment} detail={detail} events={events} onDone={again} />
    </Page>
  );
}

/** Where it stands, which version, on how many replicas, at what price. */
function Beside({ deployment }: { deployment: Deployment }) {
  const { status, said } = standing(deployment);
  const { ready, of } = readiness(deployment);
  const note = engineNote(deployment);
  const active = isActive(deployment.status);
  return (
    <>
      <Status status={status} />
      <Badge title={`Version ${deployment.version} of what it serves`}>v{deployment.version}</Badge>
      {active && deployment.upstreamUrl === null && (
        <span className="whitespace-nowrap text-ink-2 text-xs tabular-nums">
          {ready} of {of} ready
        </span>
      )}
      {active && deployment.upstreamUrl === null && (
        <span className="whitespace-nowrap text-ink-2 text-xs tabular-nums">{usd(deployment.hourlyCost.amount)} an hour</span>
      )}
      {said && <span className="text-ink-3 text-xs">{said}</span>}
      {note && <span className="text-ink-3 text-xs">{note}</span>}
    </>
  );
}

interface SectionsProps {
  deployment: Deployment;
  detail: Detail | undefined;
  events: readonly DeploymentEvent[];
  onDone: () => void;
}

function Sections({ deployment, detail, events, onDone }: SectionsProps) {
  const [{ tab, range }, setView] = useUrlState(VIEW);
  const samples = useSamples(deployment, range);
  const now = Math.floor(useNow(isActive(deployment.status)).getTime() / STEP_MS) * STEP_MS + STEP_MS;
  const { createdAt, stoppedAt } = deployment;
  const span: Range = useMemo(() => spanOf(range, { createdAt, stoppedAt }, now), [range, createdAt, stoppedAt, now]);
  const changes = useMemo(() => changesIn(events), [events]);
  return (
    <Tabs
      label="Deployment"
      tabs={TABS.map((one) => ({ id: one, label: LABELS[one] }))}
      value={tab}
      onChange={(to) => setView({ tab: to })}
    >
      <Suspense fallback={<Skeleton className="h-96" />}>
        {tab === "overview" && (
          <Overview
            deployment={deployment}
            detail={detail}
            samples={samples}
            span={span}
            now={now}
            range={range}
            changes={changes}
            onRange={(to: RangeName) => setView({ range: to })}
            onDecisions={() => setView({ tab: "scaling" })}
          />
        )}
        {tab === "scaling" && <Decisions deployment={deployment} decisions={detail?.decisions} load={samples.load(now)} />}
        {tab === "requests" && <RequestLog deployment={deployment} />}
        {tab === "versions" && <Versions deployment={deployment} versions={detail?.versions} onDone={onDone} />}
        {tab === "use" && <UsePanel deployment={deployment} />}
        {tab === "logs" && <LogViewer of="deployment" id={deployment.id} />}
        {tab === "events" && <EventList events={events} />}
      </Suspense>
    </Tabs>
  );
}
