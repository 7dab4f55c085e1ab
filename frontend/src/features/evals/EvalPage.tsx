import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Play, Scale, Trash2 } from "lucide-react";
import { useState } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { counted } from "@/lib/format";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { useUrlState } from "@/lib/url";
import { told } from "@/lib/useAction";
import { Button, buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Confirm } from "@/ui/Dialog";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Page, Panel } from "@/ui/Panel";
import { Table } from "@/ui/Table";
import { toast } from "@/ui/Toast";
import { Trail } from "@/ui/Trail";
import { useEvalActions } from "./actions";
import { runColumns } from "./columns";
import { type Eval, EvalQuery, type Run, readRun } from "./documents";
import { EvalFacts } from "./EvalFacts";
import { hasEnded, rangeOf } from "./figures";
import { StartRun } from "./StartRun";
import { showing } from "./snippets";
import { usePages, useWhile } from "./usePages";
import { EVAL_VIEW } from "./view";

// Each run comes with its figures: more of them cost more than one question may.
const PAGE = 25;
const ICON = "size-3.5";

export default function EvalPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const navigate = useNavigate();
  const client = useClient();
  const { remove } = useEvalActions();
  const [view, setView] = useUrlState(EVAL_VIEW);
  const [deleting, setDeleting] = useState(false);
  const runs = usePages<Run, Eval>(id, async (after) => {
    const { data, error } = await client
      .query(EvalQuery, { id, first: PAGE, after }, { requestPolicy: "network-only" })
      .toPromise();
    if (!data) return error ? sentence(error) : "The server said nothing.";
    if (!data.eval) return null;
    const { nodes, pageInfo } = data.eval.runs;
    return { head: data.eval, rows: nodes.map(readRun), next: pageInfo.hasNextPage ? pageInfo.endCursor : null };
  });
  const one = runs.head;
  useTitle(one ? `${one.name} · eval` : "Eval");
  useWhile(runs.rows?.some((run) => !hasEnded(run.status)) ?? false, runs.again);

  const { marked } = view;
  const mark = (run: string) =>
    setView({ marked: marked.includes(run) ? marked.filter((each) => each !== run) : [...marked.slice(-1), run] });
  // The older of the two is what the other is held against.
  const [b = "", a = ""] = (runs.rows ?? []).map((run) => run.id).filter((run) => marked.includes(run));
  const compare = () => a && b && void navigate({ to: "/evals/compare", search: { a, b } });
  const begin = () => setView({ start: true }, { push: true });
  const can = (action: string) => one?.viewerCan.includes(action) ?? false;
  useShortcuts([
    ...(can("run") ? [{ keys: "s", label: "Start a run", group: "Eval", run: begin }] : []),
    ...(a && b ? [{ keys: "c", label: "Compare the two runs", group: "Eval", run: compare }] : []),
  ]);
  const above = (
    <Trail id={id}>
      <Link to="/evals">Evals</Link>
    </Trail>
  );
  if (runs.isMissing) return <NoEval above={above} />;
  if (!one)
    return (
      <Page title={<Skeleton className="h-6 w-40" />} above={above}>
        {runs.error ? (
          <ErrorNote onRetry={runs.again}>{runs.error}</ErrorNote>
        ) : (
          <>
            <Skeleton className="h-32" />
            <Skeleton className="h-72" />
          </>
        )}
      </Page>
    );
  const range = rangeOf((runs.rows ?? []).flatMap((run) => (run.results ? [run.results.score] : [])));
  return (
    <Page
      title={one.name}
      above={above}
      actions={
        <>
          <CopyAs title="Show this eval" snippets={() => showing(id)} />
          {can("delete") && (
            <Button tone="danger" icon={<Trash2 aria-hidden className={ICON} />} onClick={() => setDeleting(true)}>
              Delete
            </Button>
          )}
          {can("run") && (
            <Button tone="solid" icon={<Play aria-hidden className={ICON} />} onClick={begin}>
              Start a run
            </Button>
          )}
        </>
      }
    >
      {runs.error && <ErrorNote onRetry={runs.again}>{runs.error}</ErrorNote>}
      <EvalFacts eval={one} />
      <Panel
        flush
        title="Runs"
        actions={
          (runs.rows?.length ?? 0) > 1 && (
            <Button size="sm" icon={<Scale aria-hidden className={ICON} />} disabled={!(a && b)} onClick={compare}>
              {a && b ? "Compare the two" : "Choose two to compare"}
            </Button>
          )
        }
      >
        <Table
          label="Runs"
          columns={runColumns(marked, mark, range)}
          rows={runs.rows}
          rowKey={(run) => run.id}
          onOpen={(run) => void navigate({ to: "/evals/runs/$id", params: { id: run.id } })}
          onRowKey={(run, key) => {
            if (key !== "x" || run.results === null) return false;
            mark(run.id);
            return true;
          }}
          selected={(run) => marked.includes(run.id)}
          empty={
            <Empty
              icon={<Play aria-hidden />}
              title="No runs yet"
              action={
                can("run") && (
                  <Button tone="solid" onClick={begin}>
                    Start a run
                  </Button>
                )
              }
            >
              Choose a deployment, a trained model or a base model to answer {one.dataset.name}.
            </Empty>
          }
        />
      </Panel>
      {runs.hasMore && (
        <Button className="self-center" busy={runs.busy} onClick={runs.more}>
          Show more
        </Button>
      )}
      {view.start && can("run") && (
        <StartRun
          eval={one}
          onClose={() => setView({ start: false })}
          onDone={(run) => void navigate({ to: "/evals/runs/$id", params: { id: run } })}
        />
      )}
      <Confirm
        open={deleting}
        onOpenChange={setDeleting}
        title={`Delete ${one.name}?`}
        action="Delete the eval"
        onConfirm={async () => {
          const refused = await remove(id);
          if (refused) toast(told(refused), { mood: "bad" });
          else void navigate({ to: "/evals" });
        }}
      >
        {runs.rows && runs.rows.length > 0
          ? `With it go ${runs.hasMore ? "all its runs" : counted(runs.rows.length, "run")} and every answer and score of theirs. `
          : "It was never run. "}
        The dataset and its models stay.
      </Confirm>
    </Page>
  );
}

function NoEval({ above }: { above: React.ReactNode }) {
  return (
    <Page title="No such eval" above={above}>
      <Empty
        title="There is no eval with this id"
        action={
          <Link to="/evals" className={buttonClass()}>
            All evals
          </Link>
        }
      >
        It was deleted, or belongs to another account.
      </Empty>
    </Page>
  );
}
