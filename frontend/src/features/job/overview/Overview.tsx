import { ChartLine } from "lucide-react";
import { useCallback, useEffect, useMemo } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { graphql } from "@/lib/graphql";
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
import { chartsOf, SECTIONS } from "./sections";
import { metricSnippets } from "./snippets";
import { rangeInUrl, rangeOf, smoothingOf, VIEW } from "./view";

const JOB = graphql(`query JobOverview($id: ID!) {
  job(id: $id) {
    id status
    progress { step totalSteps secondsPerStep etaSeconds }
    rewardFunction { id weights { name weight } }
  }
}`);
const ASK_MS = 5000;
const SHOW_MS = 500;
const KEYS = ["reward", "frac_reward_zero_std", "kl", "entropy", "completions/mean_length", "step_time"];

export default function Overview({ jobId }: { jobId: string }) {
  const [view, setView] = useUrlState(VIEW);
  const { store, error, state, reload } = useMetrics(jobId);
  useVersion(store, SHOW_MS);
  const [{ data }, ask] = useQuery({ query: JOB, variables: { id: jobId } });
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
  const list = useMemo(() => keys.split("\n").filter(Boolean), [keys]);
  const enlarged = useMemo(() => {
    if (view.chart.startsWith("metric:")) return single(view.chart.slice("metric:".length), color);
    const known = new Set(list);
    return SECTIONS.flatMap((section) => chartsOf(section, known, color, weights)).find((spec) => spec.id === view.chart);
  }, [view.chart, list, color, weights]);
  const expand = useCallback((id: string) => setView({ chart: id }, { push: true }), [setView]);
  const shown = KEYS.filter((key) => list.includes(key));

  return (
    <div className="flex flex-col gap-3">
      <Strip job={job} store={store} color={color} />
      {error && <ErrorNote onRetry={reload}>{sentence(error)}</ErrorNote>}
      <Controls view={view} setView={setView}>
        <LimitSettings />
        <Export jobId={jobId} />
        <CopyAs title="Metrics of this run" snippets={() => metricSnippets(jobId, shown.length > 0 ? shown : KEYS, steps)} />
      </Controls>
      <ChartGroup range={range} onRange={(next) => setView(rangeInUrl(next))}>
        {/* Nothing below the fold moves when the history comes: how much there is to show is known only then. */}
        {!store.loaded && !error && <Skeleton className="h-dvh" />}
        {store.loaded && list.length === 0 && job && !active && (
          <Panel>
            <Empty icon={<ChartLine />} title="It ended before its first step">
              There is nothing to draw. Its log and its events tell how far it came.
            </Empty>
          </Panel>
        )}
        {store.loaded && (list.length > 0 || !job || active) && (
          <>
            {SECTIONS.map((section) => (
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
