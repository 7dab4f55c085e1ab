import { Link, useParams } from "@tanstack/react-router";
import { Ban } from "lucide-react";
import { useState } from "react";
import { sentence } from "@/lib/errors";
import { count, counted, duration, usd } from "@/lib/format";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { told } from "@/lib/useAction";
import { Button, buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Confirm } from "@/ui/Dialog";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Facts, Page, Panel } from "@/ui/Panel";
import { Status } from "@/ui/Status";
import { Elapsed } from "@/ui/Time";
import { toast } from "@/ui/Toast";
import { Trail } from "@/ui/Trail";
import { useEvalActions } from "./actions";
import type { Run } from "./documents";
import { paramsText } from "./EvalFacts";
import { doneText, hasEnded, nameOf } from "./figures";
import { Items } from "./Items";
import { RunBar } from "./RunBar";
import { Scores } from "./Scores";
import { showingRun } from "./snippets";
import { useRun } from "./useRun";

export default function EvalRunPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const { run, eval: of, error, again } = useRun(id);
  const { cancel } = useEvalActions();
  const [cancelling, setCancelling] = useState(false);
  useTitle(run ? `${nameOf(run)} · eval run` : "Eval run");
  const mayCancel = run?.viewerCan.includes("cancel") ?? false;
  useShortcuts(mayCancel ? [{ keys: "x", label: "Cancel the run", group: "Run", run: () => setCancelling(true) }] : []);
  const above = (
    <Trail id={id}>
      {of ? (
        <Link to="/evals/$id" params={{ id: of.id }}>
          {of.name}
        </Link>
      ) : (
        <Link to="/evals">Evals</Link>
      )}
    </Trail>
  );
  if (run === null)
    return (
      <Page title="No such run" above={above}>
        <Empty
          title="There is no run with this id"
          action={
            <Link to="/evals" className={buttonClass()}>
              All evals
            </Link>
          }
        >
          Its eval was deleted, or it belongs to another account.
        </Empty>
      </Page>
    );
  if (!run || !of)
    return (
      <Page title={<Skeleton className="h-6 w-40" />} above={above}>
        {error ? (
          <ErrorNote onRetry={again}>{sentence(error)}</ErrorNote>
        ) : (
          <>
            <Skeleton className="h-44" />
            <Skeleton className="h-96" />
          </>
        )}
      </Page>
    );
  return (
    <Page
      title={nameOf(run)}
      above={above}
      beside={<Status status={run.status} />}
      actions={
        <>
          <CopyAs title="Show this run" snippets={() => showingRun(of.id, id)} />
          {mayCancel && (
            <Button tone="danger" icon={<Ban aria-hidden className="size-3.5" />} onClick={() => setCancelling(true)}>
              Cancel
            </Button>
          )}
        </>
      }
    >
      {run.error !== null && <ErrorNote>{run.error}</ErrorNote>}
      {!hasEnded(run.status) && <Headway run={run} />}
      {run.results && <Scores results={run.results} />}
      <RunFacts run={run} />
      <Items run={run} evalId={of.id} />
      <Confirm
        open={cancelling}
        onOpenChange={setCancelling}
        title="Cancel this run?"
        action="Cancel the run"
        onConfirm={async () => {
          const refused = await cancel(id);
          if (refused) toast(told(refused), { mood: "bad" });
          again();
        }}
      >
        {run.progress.processed > 0 ? `The ${counted(run.progress.processed, "item")} scored so far stay. ` : ""}
        What was not answered will not be asked, and the run has no score.
        {run.ownsDeployment && " The deployment that was made for it is stopped."}
      </Confirm>
    </Page>
  );
}

/** How far it is. */
function Headway({ run }: { run: Run }) {
  const { etaSeconds } = run.progress;
  return (
    <Panel>
      <div className="flex flex-col gap-2">
        <div className="flex flex-wrap items-baseline justify-between gap-x-4 text-sm tabular-nums">
          <span className="font-medium">{doneText(run)}</span>
          <span className="text-ink-3">
            {etaSeconds !== null ? (
              `${duration(etaSeconds)} left`
            ) : run.startedAt ? (
              <>
                for <Elapsed from={run.startedAt} />
              </>
            ) : (
              "waiting to be taken up"
            )}
          </span>
        </div>
        <RunBar run={run} label="Items that are done" />
      </div>
    </Panel>
  );
}

function RunFacts({ run }: { run: Run }) {
  const { deployment } = run;
  return (
    <Panel title="How it ran">
      <div className="grid items-start gap-x-8 gap-y-1.5 lg:grid-cols-2">
        <Facts
          items={[
            ["Model", run.model],
            deployment !== null && [
              "Deployment",
              <span key="d">
                <Link to="/deployments/$id" params={{ id: deployment.id }} className="underline">
                  {deployment.name}
                </Link>
                {run.ownsDeployment && <span className="text-ink-3"> · made for this run</span>}
              </span>,
            ],
            ["Rows", run.rows === null ? "all" : `the first ${count(run.rows)}`],
            ["Answers of each row", count(run.samples)],
            ["Sampling", paramsText(run.generationParams)],
          ]}
        />
        <Facts
          items={[
            ["Tokens", `${count(run.promptTokens)} in, ${count(run.completionTokens)} out`],
            [
              "Cost",
              <span key="c" title="Its requests' share of their replicas' time. It is told, not charged: the deployments are.">
                {usd(run.cost.amount)}
              </span>,
            ],
            ["Took", <Elapsed key="t" from={run.startedAt} to={run.completedAt} />],
            run.attempt > 1 && ["Taken up", `${run.attempt} times; it went on from where it was`],
          ]}
        />
      </div>
    </Panel>
  );
}
