import { Scale } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useQuery } from "urql";
import { Controls, matching, rangeInUrl, rangeOf, smoothingOf, useDetail, WhenSeen } from "@/features/job/overview";
import { sentence } from "@/lib/errors";
import { graphql } from "@/lib/graphql";
import { useTitle } from "@/lib/page";
import { runColor } from "@/lib/runs";
import { useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { ChartGroup } from "@/ui/chart";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Kbd } from "@/ui/Kbd";
import { Page, Panel } from "@/ui/Panel";
import { SearchInput } from "@/ui/SearchInput";
import { Chooser } from "./Chooser";
import { Finals } from "./Finals";
import { RunChart } from "./RunChart";
import { Runs } from "./Runs";
import { Settings } from "./Settings";
import { compareSnippets } from "./snippets";
import { useRuns } from "./useRuns";
import { COMPARE, FIRST, names, ordered } from "./view";

const COMPARED = graphql(`query ComparedJobs($ids: [ID!]!) {
  compareJobs(ids: $ids) {
    jobs { id outputName status }
    settings { name same values }
  }
}`);
const ASK_MS = 5000;

export default function ComparePage() {
  useTitle("Compare");
  const [view, setView] = useUrlState(COMPARE);
  const [choosing, setChoosing] = useState(false);
  const { ids } = view;
  const [{ data, error }, ask] = useQuery({ query: COMPARED, variables: { ids: [...ids] }, pause: ids.length === 0 });
  const stores = useRuns(ids);
  const compared = ids.length > 0 ? data?.compareJobs : undefined;
  const active = compared?.jobs.some((job) => ["QUEUED", "PROVISIONING", "RUNNING"].includes(job.status)) ?? false;
  useEffect(() => {
    if (!active) return;
    const timer = setInterval(() => ask({ requestPolicy: "network-only" }), ASK_MS);
    return () => clearInterval(timer);
  }, [active, ask]);

  const called = names(compared?.jobs ?? []);
  const status = new Map(compared?.jobs.map((job) => [job.id, job.status]));
  const runs = ids.map((id) => ({ id, name: called[id] ?? id, color: runColor(id, ids), status: status.get(id) }));
  const range = useMemo(() => rangeOf({ from: view.from, to: view.to }), [view.from, view.to]);
  const shown = ids.flatMap((id) => {
    const store = stores.get(id);
    return store ? [{ id, store, loaded: store.loaded }] : [];
  });
  useDetail(shown, range, view.x);
  const keys = ordered(shown.flatMap(({ store }) => store.keys));
  const visible = runs.filter((run) => !view.hidden.includes(run.id));
  // Charts are built anew where this changes, and only there.
  const drawing = visible.map((run) => `${run.id}|${run.name}|${run.color}|${stores.has(run.id)}`).join("\n");
  // biome-ignore lint/correctness/useExhaustiveDependencies: `drawing` says when they are others
  const drawnRuns = useMemo(
    () =>
      visible.flatMap((run) => {
        const store = stores.get(run.id);
        return store ? [{ id: run.id, name: run.name, color: run.color, store }] : [];
      }),
    [drawing],
  );
  const toggled = (list: readonly string[], id: string) => (list.includes(id) ? list.filter((one) => one !== id) : [...list, id]);
  const choose = (next: readonly string[]) => setView({ ids: next, hidden: view.hidden.filter((id) => next.includes(id)) });
  const first = keys.filter((key) => FIRST.includes(key));
  const chart = { runs: drawnRuns, smoothing: smoothingOf(view), log: view.log, axis: view.x };

  if (ids.length === 0)
    return (
      <Page title="Compare">
        <Panel>
          <Empty
            icon={<Scale />}
            title="Which runs?"
            action={
              <Button tone="solid" onClick={() => setChoosing(true)}>
                Choose runs
              </Button>
            }
          >
            Two or more runs side by side: what was set differently, and how each metric went. In the list of jobs, mark rows with{" "}
            <Kbd keys="x" />, then compare.
          </Empty>
        </Panel>
        {choosing && <Chooser ids={ids} onChoose={choose} onClose={() => setChoosing(false)} />}
      </Page>
    );
  return (
    <Page title="Compare" actions={<CopyAs title="This comparison" snippets={() => compareSnippets(ids, first)} />}>
      <Runs
        runs={runs}
        hidden={view.hidden}
        onToggle={(id) => setView({ hidden: toggled(view.hidden, id) })}
        onRemove={(id) => choose(ids.filter((one) => one !== id))}
        onAdd={() => setChoosing(true)}
      />
      {error && <ErrorNote onRetry={() => ask({ requestPolicy: "network-only" })}>{sentence(error)}</ErrorNote>}
      <Controls view={view} setView={setView} />
      <ChartGroup range={range} onRange={(next) => setView(rangeInUrl(next))}>
        <Panel title="Metrics">
          <div className="grid gap-x-5 gap-y-3 lg:grid-cols-2 2xl:grid-cols-3">
            {(first.length > 0 ? first : FIRST.slice(0, 4)).map((key) => (
              <WhenSeen key={key} className="h-62">
                <RunChart metric={key} {...chart} />
              </WhenSeen>
            ))}
          </div>
        </Panel>
        <div className="grid gap-3 2xl:grid-cols-2">
          <Settings runs={runs} settings={compared?.settings ?? []} all={view.same} onAll={(same) => setView({ same })} />
          <Finals runs={runs} keys={first} value={(id, key) => stores.get(id)?.recent(key) ?? null} />
        </div>
        <Panel
          title={`All metrics ${keys.length > 0 ? `(${keys.length})` : ""}`}
          actions={
            <>
              {view.all && (
                <SearchInput
                  label="Find a metric"
                  small
                  className="w-52"
                  value={view.find}
                  onChange={(text) => setView({ find: text })}
                />
              )}
              <Button size="sm" aria-expanded={view.all} onClick={() => setView({ all: !view.all })}>
                {view.all ? "Hide" : "Show"}
              </Button>
            </>
          }
          flush={!view.all}
        >
          {view.all && (
            <div className="grid gap-x-5 gap-y-3 sm:grid-cols-2 lg:grid-cols-3 2xl:grid-cols-4">
              {matching(keys, view.find).map((key) => (
                <WhenSeen key={key} className="h-46">
                  <RunChart metric={key} {...chart} height={136} />
                </WhenSeen>
              ))}
            </div>
          )}
        </Panel>
      </ChartGroup>
      {choosing && <Chooser ids={ids} onChoose={choose} onClose={() => setChoosing(false)} />}
    </Page>
  );
}
