import { ChartLine } from "lucide-react";
import { useCallback, useEffect, useMemo } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { graphql } from "@/lib/graphql";
import { traitsOf } from "@/lib/methods";
import { runColor } from "@/lib/runs";
import { useUrlState } from "@/lib/url";
import { CopyAs } from "@/ui/CopyAs";
import { ChartGroup } from "@/ui/chart";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { AllMetrics, single } from "./AllMetrics";
import { scaleOf, stepsOf } from "./axis";
import { Controls } from "./Controls";
import { useDetail } from "./detail";
import { Enlarged } from "./Enlarged";
import { Export } from "./Export";
import { useMetrics, useVersion } from "./follow";
import { LimitSettings } from "./LimitSettings";
import { SectionPanel } from "./SectionPanel";
import { Strip } from "./Strip";
import { chartOf, sectionsOf } from "./sections";
import { metricSnippets } from "./snippets";
import { rangeInUrl, rangeOf, smoothingOf, VIEW } from "./view";

const JOB = graphql(`query JobOverview($id: ID!) {
  job(id: $id) {
    id status method
    progress { step totalSteps secondsPerStep etaSeconds }
    rewardFunction { id weights { name weight } }
  }
}`);
const ASK_MS = 5000;
const SHOW_MS = 500;
/** What copied requests ask for, by the metric that leads. */
const KEYS: Record<string, readonly string[]> = {
  reward: ["reward", "frac_reward_zero_std", "kl", "entropy", "completions/mean_length", "step_time"],
  loss: ["loss", "eval_loss", "mean_token_accuracy", "grad_norm", "learning_rate", "step_time"],
  "rewards/margins": ["rewards/margins", "rewards/accuracies", "rewards/chosen", "rewards/rejected", "loss", "eval_loss"],
};

export default function Overview({ jobId }: { jobId: string }) {
  const [view, setView] = useUrlState(VIEW);
  const { store, error, state, reload } = useMetrics(jobId);
  useVersion(store, SHOW_MS);
  const [{ data, error: unknown }, ask] = useQuery({ query: JOB, variables: { id: jobId } });
  const job = data?.job ?? undefined;
  const active = job !== undefined && ["QUEUED", "PROVISIONING", "RUNNING"].includes(job.status);

  useEffect(() => {
    if (!active) return;
    const timer = setInterval(() => ask({ requestPolicy: "network-only" }), ASK_MS);
    return () => clearInterval(timer);
  }, [active, ask]);
  // The stream knows of the end first.
  useEffect(() => {
    if (state === "ended") ask({ requestPolicy: "network-only" });
  }, [state, ask]);

  const range = useMemo(() => rangeOf({ from: view.from, to: view.to }), [view.from, view.to]);
  const steps = range ? stepsOf(scaleOf(store, view.x), range) : null;
  useDetail([{ id: jobId, store, loaded: store.loaded }], range, view.x);

  const color = runColor(jobId);
  const keys = store.keys.join("\n");
  const given = job?.rewardFunction?.weights;
  const weights = useMemo(() => Object.fromEntries((given ?? []).map((one) => [one.name, one.weight])), [given]);
  const look = useMemo(
    () => ({ smoothing: smoothingOf({ smooth: view.smooth }), log: view.log, axis: view.x }),
    [view.smooth, view.log, view.x],
  );
  const method = job?.method ?? "GRPO";
  const list = useMemo(() => keys.split("\n").filter(Boolean), [keys]);
  const enlarged = useMemo(() => {
    if (view.chart.startsWith("metric:")) return single(view.chart.slice("metric:".length), color);
    return chartOf(method, new Set(list), color, weights, view.chart);
  }, [view.chart, list, color, weights, method]);
  const expand = useCallback((id: string) => setView({ chart: id }, { push: true }), [setView]);
  // Its method says what there is to show.
  const ready = store.loaded && (job !== undefined || unknown !== undefined);
  const sections = useMemo(() => sectionsOf(method, new Set(list)), [method, list]);
  const wanted = KEYS[traitsOf(method).lead.key] ?? [];
  const shown = wanted.filter((key) => list.includes(key));

  return (
    <div className="flex flex-col gap-3">
      <Strip job={job} store={store} color={color} />
      {error && <ErrorNote onRetry={reload}>{sentence(error)}</ErrorNote>}
      <Controls view={view} setView={setView}>
        <LimitSettings />
        <Export jobId={jobId} />
        <CopyAs title="Metrics of this run" snippets={() => metricSnippets(jobId, shown.length > 0 ? shown : wanted, steps)} />
      </Controls>
      <ChartGroup range={range} onRange={(next) => setView(rangeInUrl(next))}>
        {/* Nothing below the fold moves when the history comes: how much there is to show is known only then. */}
        {!ready && !error && <Skeleton className="h-dvh" />}
        {store.loaded && list.length === 0 && job && !active && (
          <Panel>
            <Empty icon={<ChartLine />} title="It ended before its first step">
              There is nothing to draw. Its log and its events tell how far it came.
            </Empty>
          </Panel>
        )}
        {ready && (list.length > 0 || !job || active) && (
          <>
            {sections.map((section) => (
              <SectionPanel
                key={section.id}
                section={section}
                store={store}
                keys={keys}
                color={color}
                weights={weights}
                totalSteps={job?.progress.totalSteps ?? null}
                look={look}
                onExpand={expand}
              />
            ))}
            <AllMetrics
              store={store}
              keys={list}
              color={color}
              look={look}
              open={view.all}
              find={view.find}
              setView={setView}
              onExpand={expand}
            />
          </>
        )}
        {enlarged && <Enlarged store={store} spec={enlarged} look={look} onClose={() => setView({ chart: "" })} />}
      </ChartGroup>
    </div>
  );
}
