import { ArrowLeft, MessagesSquare } from "lucide-react";
import { lazy, Suspense, useCallback, useMemo, useRef } from "react";
import { useShortcuts } from "@/lib/shortcuts";
import { choice, flag, integer, text, useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import type { Group } from "./documents";
import { Export } from "./Export";
import { PICKS, type Pick } from "./follow";
import { GroupList } from "./GroupList";
import { GroupView } from "./GroupView";
import { FILTERS, type Filter, filterInput, marker } from "./groups";
import { Scrubber } from "./Scrubber";
import { rolloutSnippets } from "./snippets";
import { between, moved } from "./steps";
import { Toolbar } from "./Toolbar";
import { useGroups } from "./useGroups";
import { usePlay } from "./usePlay";
import { useRun } from "./useRun";

const FollowView = lazy(() => import("./FollowView"));

/** `step` null is the newest, whichever it is; `row` follows one prompt; `c` is the completion that is open. */
const URL = {
  step: integer(),
  g: integer(0),
  c: integer(),
  filter: choice(FILTERS, "all"),
  q: text(""),
  scope: choice(["step", "run"], "step"),
  row: integer(),
  pick: choice(PICKS, "best"),
  ws: flag(),
};
export interface View {
  step: number | null;
  g: number | null;
  c: number | null;
  filter: Filter;
  q: string;
  scope: "step" | "run";
  row: number | null;
  pick: Pick;
  ws: boolean;
}

/** What the model wrote while it trained: by step, by group, or one prompt through the whole run. */
export default function Rollouts({ jobId }: { jobId: string }) {
  const [view, setView] = useUrlState(URL);
  const plain = view.filter === "all" && !view.q && view.scope === "step";
  const live = useRun(jobId, view.step === null && plain && view.row === null);
  const { run, steps } = live;
  const step = view.step ?? steps?.last ?? 0;
  const held = plain ? live.fresh.get(step) : undefined;
  const found = useGroups(
    steps && !held && view.row === null
      ? {
          jobId,
          step: view.scope === "run" ? null : step,
          row: null,
          filter: filterInput(view.filter, view.q),
          order: view.scope === "run" ? "NEWEST_FIRST" : "OLDEST_FIRST",
        }
      : null,
  );
  const groups = held ?? found.groups;
  const chosen = Math.min(Math.max(view.g ?? 0, 0), Math.max((groups?.length ?? 1) - 1, 0));
  const group = groups?.[chosen];
  const reading = useMemo(() => ({ whitespace: view.ws, pattern: marker(view.q) }), [view.ws, view.q]);
  const play = usePlay(run);

  // The newest step when the reader left it: what is beyond came since.
  const left = useRef<number | null>(null);
  if (steps && (view.step === null || left.current === null)) left.current = steps.last;
  const missed = steps && left.current !== null ? between(steps, left.current) : 0;

  const go = useCallback((part: Partial<View>) => setView(part), [setView]);
  const move = (by: number) => {
    if (!steps || view.row !== null) return;
    const to = moved(steps, step, by);
    if (to !== step) go({ step: to, scope: "step", c: null });
  };
  const choose = (index: number) => {
    if (groups?.length) go({ g: Math.min(Math.max(index, 0), groups.length - 1), c: null });
  };
  const follow = () => {
    if (view.row !== null) go({ row: null });
    else if (group && group.datasetRow !== null) setView({ row: group.datasetRow, step: group.step }, { push: true });
  };
  const backTo = (of: Group) =>
    setView({ row: null, step: of.step, scope: "step", filter: "all", q: "", c: null }, { push: true });
  useShortcuts([
    { keys: "ArrowLeft", label: "Step before", group: "Rollouts", run: () => move(-1) },
    { keys: "ArrowRight", label: "Next step", group: "Rollouts", run: () => move(1) },
    { keys: "j", label: "Next group", group: "Rollouts", run: () => choose(chosen + 1) },
    { keys: "k", label: "Group before", group: "Rollouts", run: () => choose(chosen - 1) },
    { keys: "f", label: "Follow this prompt through the steps", group: "Rollouts", run: follow },
    { keys: "l", label: "Follow the newest step", group: "Rollouts", run: () => go({ step: null, row: null, c: null }) },
    {
      keys: "Escape",
      label: "Close the completion, or leave the prompt",
      group: "Rollouts",
      run: () => go(view.c !== null ? { c: null } : { row: null }),
    },
  ]);

  if (live.error && !run) return <ErrorNote onRetry={live.retry}>{live.error}</ErrorNote>;
  if (!run) return <Waiting />;
  if (!steps)
    return (
      <>
        <h2 className="sr-only">Rollouts</h2>
        <Empty icon={<MessagesSquare />} title="No rollouts yet">
          {run.status === "RUNNING" || run.status === "QUEUED" || run.status === "PROVISIONING"
            ? "What the model writes appears here with the first step."
            : "The job ended before its first step, or trains without a reward."}
        </Empty>
      </>
    );
  const ended = live.state === "ended" || !["RUNNING", "QUEUED", "PROVISIONING"].includes(run.status);
  const at = { step: view.scope === "run" ? null : step, row: view.row, filter: view.filter, pattern: view.q };
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <h2 className="sr-only">Rollouts</h2>
      <Scrubber steps={steps} step={step} onStep={(to) => go({ step: to, scope: "step", c: null })} />
      {view.row === null ? (
        <Toolbar view={view} step={step} live={!ended} missed={missed} onView={go} onMove={move}>
          <Export
            jobId={jobId}
            groups={groups ?? []}
            name={`${run.outputName || jobId}-rollouts${view.scope === "run" ? "" : `-step-${step}`}`}
          />
          <CopyAs title="Read these rollouts" snippets={() => rolloutSnippets(jobId, at)} />
        </Toolbar>
      ) : (
        <div className="flex flex-wrap items-center gap-2">
          <Button size="sm" icon={<ArrowLeft aria-hidden className="size-3.5" />} onClick={() => go({ row: null })}>
            Back to step {step}
          </Button>
          <span className="font-medium text-sm">Row {view.row} through the steps</span>
          <span className="flex-1" />
          <CopyAs
            title="Read this prompt's rollouts"
            snippets={() => rolloutSnippets(jobId, { ...at, step: null, filter: "all", pattern: "" })}
          />
        </div>
      )}
      {view.row !== null ? (
        <Suspense fallback={<Skeleton className="h-96" />}>
          <FollowView
            jobId={jobId}
            row={view.row}
            which={view.pick}
            reading={reading}
            step={step}
            onWhich={(pick) => go({ pick })}
            onStep={backTo}
          />
        </Suspense>
      ) : found.error && !held ? (
        <ErrorNote>{found.error}</ErrorNote>
      ) : !groups ? (
        <Skeleton className="h-96" />
      ) : !group ? (
        <Nothing
          view={view}
          onAll={() => go({ scope: "run", g: 0 })}
          hasMore={found.hasMore}
          fetching={found.fetching}
          onMore={found.more}
        />
      ) : (
        <div className="grid items-start gap-3 lg:grid-cols-[17rem_minmax(0,1fr)]">
          <div className="overflow-hidden rounded-md border border-line bg-surface lg:sticky lg:top-3">
            <GroupList
              groups={groups}
              chosen={chosen}
              onChoose={choose}
              across={view.scope === "run"}
              old={!held && found.old}
              hasMore={!held && found.hasMore}
              fetching={found.fetching}
              onMore={found.more}
            />
          </div>
          <GroupView
            group={group}
            reading={reading}
            open={view.c === null ? null : Math.min(view.c, group.completions.length - 1)}
            onOpen={(c) => go({ c })}
            onFollow={follow}
            onPlay={run.environments === null ? (completions) => void play(group, completions) : undefined}
          />
        </div>
      )}
    </div>
  );
}

function Waiting() {
  return (
    <div className="flex flex-col gap-3" aria-busy>
      <Skeleton className="h-[4.625rem]" />
      <Skeleton className="h-7" />
      <div className="grid gap-3 lg:grid-cols-[17rem_minmax(0,1fr)]">
        <Skeleton className="h-96" />
        <Skeleton className="h-96" />
      </div>
    </div>
  );
}

interface NothingProps {
  view: View;
  onAll: () => void;
  hasMore: boolean;
  fetching: boolean;
  onMore: () => void;
}

function Nothing({ view, onAll, hasMore, fetching, onMore }: NothingProps) {
  const here = view.scope === "step";
  return (
    <Empty
      title={here ? "No such groups at this step" : "No such groups so far"}
      action={
        here ? (
          <Button onClick={onAll}>Look in all steps</Button>
        ) : (
          hasMore && (
            <Button busy={fetching} onClick={onMore}>
              Look further
            </Button>
          )
        )
      }
    >
      {here
        ? "Others of its groups may be, or those of other steps."
        : hasMore
          ? "There are older steps to look at."
          : "No step has any."}
    </Empty>
  );
}
