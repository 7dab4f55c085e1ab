import { Link, useParams } from "@tanstack/react-router";
import { MessageSquare } from "lucide-react";
import { lazy, Suspense } from "react";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { choice, useUrlState } from "@/lib/url";
import { buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Page } from "@/ui/Panel";
import { Status } from "@/ui/Status";
import { Tabs } from "@/ui/Tabs";
import { Trail } from "@/ui/Trail";
import { DeploymentMenu } from "./DeploymentMenu";
import { EventList } from "./EventList";
import { looking } from "./snippets";
import { useDeployment } from "./useDeployment";

const LogViewer = lazy(() => import("@/features/logs/LogViewer"));
const Overview = lazy(() => import("./Overview"));
const RequestLog = lazy(() => import("./RequestLog"));
const UsePanel = lazy(() => import("./UsePanel"));

const TABS = ["overview", "use", "requests", "logs", "events"] as const;
const VIEW = { tab: choice(TABS, "overview") };
const LABELS = { overview: "Overview", use: "Use it", requests: "Requests", logs: "Logs", events: "Events" };

/** What it is doing, where its status alone does not say it. */
const PHASES: Record<string, string> = {
  QUEUED: "Waits for free hardware",
  PROVISIONING: "Its first replica starts",
  UNHEALTHY: "No replica answers; they are being replaced",
};

export default function DeploymentPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const [{ tab }, setView] = useUrlState(VIEW);
  const { deployment, stats, checkpoint, events, error, change, again } = useDeployment(id);
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
      beside={
        <>
          <Status status={deployment.status} />
          {PHASES[deployment.status] && <span className="text-ink-3 text-xs">{PHASES[deployment.status]}</span>}
        </>
      }
      actions={
        <>
          <CopyAs title="Look at this deployment" snippets={() => looking(id)} />
          {deployment.viewerCan.includes("chat") && (
            <Link to="/chat" search={{ models: deployment.name } as never} className={buttonClass("plain")}>
              <MessageSquare aria-hidden className="size-3.5" />
              Chat
            </Link>
          )}
          <DeploymentMenu deployment={deployment} onChange={change} />
        </>
      }
    >
      {deployment.error && <ErrorNote>{deployment.error}</ErrorNote>}
      <Tabs
        label="Deployment"
        tabs={TABS.map((one) => ({ id: one, label: LABELS[one] }))}
        value={tab}
        onChange={(to) => setView({ tab: to })}
      >
        <Suspense fallback={<Skeleton className="h-96" />}>
          {tab === "overview" && <Overview deployment={deployment} stats={stats} checkpoint={checkpoint} />}
          {tab === "use" && <UsePanel deployment={deployment} />}
          {tab === "requests" && <RequestLog deployment={deployment} />}
          {tab === "logs" && <LogViewer of="deployment" id={id} />}
          {tab === "events" && <EventList events={events} />}
        </Suspense>
      </Tabs>
    </Page>
  );
}
