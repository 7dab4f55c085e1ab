import { Link, useNavigate } from "@tanstack/react-router";
import { ChartLine, Plus, SearchX } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { CancelJobs, DeleteJobs } from "@/features/job/Confirmations";
import { hasEnded } from "@/features/job/queries";
import { listJobs } from "@/features/job/snippets";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { list, useUrlState } from "@/lib/url";
import { Button, buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Page, Panel } from "@/ui/Panel";
import { Table } from "@/ui/Table";
import { jobColumns } from "./columns";
import { Filters } from "./Filters";
import { CODECS, NO_FILTER, toFilter } from "./filters";
import type { JobRow } from "./queries";
import { RowMenu } from "./RowMenu";
import { MOST_COMPARED, SelectionBar } from "./SelectionBar";
import { useJobs } from "./useJobs";

const VIEW = { ...CODECS, marked: list() };

export default function JobsPage() {
  useTitle("Jobs");
  const navigate = useNavigate();
  const [view, setView] = useUrlState(VIEW);
  const filter = useMemo(() => toFilter(view), [view]);
  const { page, error, loadingMore, loadMore, refresh, expect } = useJobs(filter);
  const [asking, setAsking] = useState<{ what: "cancel" | "delete"; rows: readonly JobRow[] } | null>(null);
  const search = useRef<HTMLInputElement>(null);

  const { marked } = view;
  const toggle = useCallback(
    (id: string) => setView({ marked: marked.includes(id) ? marked.filter((one) => one !== id) : [...marked, id] }),
    [marked, setView],
  );
  const compare = () => {
    if (marked.length >= 2 && marked.length <= MOST_COMPARED)
      void navigate({ to: "/compare", search: { ids: marked.join(",") } });
  };
  useShortcuts([
    { keys: "/", label: "Search jobs", run: () => search.current?.focus() },
    { keys: "c", label: "Compare the selected jobs", run: compare },
    { keys: "Escape", label: "Clear the selection", run: () => marked.length && setView({ marked: [] }) },
  ]);

  const columns = useMemo(
    () =>
      jobColumns(
        (row) => (
          <input
            type="checkbox"
            aria-label={`Select ${row.outputName}`}
            checked={marked.includes(row.id)}
            onChange={() => toggle(row.id)}
            className="block size-3.5 accent-accent"
          />
        ),
        (row) => (
          <RowMenu
            row={row}
            onCancel={() => setAsking({ what: "cancel", rows: [row] })}
            onDelete={() => setAsking({ what: "delete", rows: [row] })}
          />
        ),
      ),
    [marked, toggle],
  );
  const rows = page?.rows;
  const cancellable = rows?.filter((row) => marked.includes(row.id) && row.viewerCan.includes("cancel")) ?? [];
  const filtered = Object.keys(filter).length > 0;
  const live = rows?.filter((row) => !hasEnded(row.status)).length ?? 0;

  return (
    <Page
      title="Jobs"
      beside={live > 0 && <span className="text-ink-3 text-xs tabular-nums">{live} under way</span>}
      actions={
        <>
          <CopyAs title="List jobs" snippets={() => listJobs(filter, filter)} />
          <Link to="/jobs/new" className={buttonClass("solid")}>
            <Plus aria-hidden className="size-3.5" />
            New job
          </Link>
        </>
      }
    >
      <Filters view={view} onChange={setView} searchRef={search} />
      {error && <ErrorNote onRetry={refresh}>{error}</ErrorNote>}
      <Panel flush>
        <Table
          label="Training jobs"
          columns={columns}
          rows={rows}
          rowKey={(row) => row.id}
          selected={(row) => marked.includes(row.id)}
          onOpen={(row) => void navigate({ to: "/jobs/$id", params: { id: row.id } })}
          onRowKey={(row, key) => {
            if (key !== "x") return false;
            toggle(row.id);
            return true;
          }}
          expectedRows={8}
          empty={filtered ? <NoMatch onClear={() => setView(NO_FILTER)} /> : <NoJobs />}
        />
        {page?.hasNextPage && <More loading={loadingMore} onMore={loadMore} />}
      </Panel>
      {/* Room for the bar, so that it hides no row. */}
      {marked.length > 0 && <div className="h-14" />}
      <SelectionBar
        ids={marked}
        cancellable={cancellable.length}
        onCancel={() => setAsking({ what: "cancel", rows: cancellable })}
        onClear={() => setView({ marked: [] })}
      />
      {asking?.what === "cancel" && (
        <CancelJobs
          jobs={asking.rows}
          onClose={() => setAsking(null)}
          onStart={() =>
            expect(new Map(asking.rows.map((row) => [row.id, { ...row, status: "CANCELLED", phase: null, viewerCan: [] }])))
          }
          onDone={(refused) => {
            // Those that go on are shown as they were, also those beyond the page that is read again.
            expect(new Map(asking.rows.filter((row) => refused.has(row.id)).map((row) => [row.id, row])));
            refresh();
          }}
        />
      )}
      {asking?.what === "delete" && (
        <DeleteJobs
          jobs={asking.rows}
          onClose={() => setAsking(null)}
          onDone={(refused) => {
            const gone = asking.rows.filter((row) => !refused.has(row.id));
            expect(new Map(gone.map((row) => [row.id, null])));
            setView({ marked: marked.filter((id) => !gone.some((row) => row.id === id)) });
            refresh();
          }}
        />
      )}
    </Page>
  );
}

/** The next rows come when the end comes near; the button is for who walks by keyboard. */
function More({ loading, onMore }: { loading: boolean; onMore: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const latest = useRef(onMore);
  latest.current = onMore;
  useEffect(() => {
    if (!place.current || typeof IntersectionObserver === "undefined") return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && latest.current(), { rootMargin: "300px" });
    observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={place} className="flex h-12 items-center justify-center border-line border-t">
      <Button size="sm" tone="ghost" busy={loading} onClick={onMore}>
        Load more
      </Button>
    </div>
  );
}

function NoMatch({ onClear }: { onClear: () => void }) {
  return (
    <Empty
      icon={<SearchX aria-hidden />}
      title="No job is like that"
      action={<Button onClick={onClear}>Clear the filters</Button>}
    >
      None of the account's jobs meets all that is asked.
    </Empty>
  );
}

function NoJobs() {
  return (
    <Empty
      icon={<ChartLine aria-hidden />}
      title="No jobs yet"
      action={
        <>
          <Link to="/jobs/new" className={buttonClass("solid")}>
            Create a sample run
          </Link>
          <Link to="/datasets" className={buttonClass()}>
            Upload your own data
          </Link>
        </>
      }
    >
      A job takes prompts and a reward function, and trains a model to earn more of it. The sample teaches a tiny model to add, in
      about five seconds on one core: take the sample as the dataset and as the reward function.
    </Empty>
  );
}
