import { useNavigate } from "@tanstack/react-router";
import { ClipboardCheck, Plus } from "lucide-react";
import { useRef } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Page, Panel } from "@/ui/Panel";
import { SearchInput } from "@/ui/SearchInput";
import { Table } from "@/ui/Table";
import { EVAL_COLUMNS } from "./columns";
import { EvalsQuery, type Listed, readRun } from "./documents";
import { hasEnded } from "./figures";
import { NewEval } from "./NewEval";
import { LIST } from "./snippets";
import { usePages, useWhile } from "./usePages";
import { LIST_VIEW } from "./view";

const PAGE = 50;

export default function EvalsPage() {
  useTitle("Evals");
  const navigate = useNavigate();
  const client = useClient();
  const [view, setView] = useUrlState(LIST_VIEW);
  const find = useRef<HTMLInputElement>(null);
  const begin = () => setView({ new: true }, { push: true });
  const evals = usePages<Listed, true>(view.q, async (after) => {
    const variables = { first: PAGE, after, search: view.q || null };
    const { data, error } = await client.query(EvalsQuery, variables, { requestPolicy: "network-only" }).toPromise();
    if (!data) return error ? sentence(error) : "The server said nothing.";
    const { nodes, pageInfo } = data.evals;
    return { head: true, rows: nodes, next: pageInfo.hasNextPage ? pageInfo.endCursor : null };
  });
  const moves = evals.rows?.some((one) => one.runs.nodes.some((run) => !hasEnded(readRun(run).status))) ?? false;
  useWhile(moves, evals.again);
  useShortcuts([
    { keys: "/", label: "Search evals", run: () => find.current?.focus() },
    { keys: "c", label: "New eval", run: begin },
  ]);
  return (
    <Page
      title="Evals"
      actions={
        <>
          <CopyAs title="List evals" snippets={LIST} />
          <Button tone="solid" icon={<Plus aria-hidden className="size-3.5" />} onClick={begin}>
            New eval
          </Button>
        </>
      }
    >
      <SearchInput
        label="Search evals"
        placeholder="Name or id"
        className="w-full sm:w-64"
        keys="/"
        value={view.q}
        onChange={(q) => setView({ q })}
        ref={find}
      />
      {evals.error && <ErrorNote onRetry={evals.again}>{evals.error}</ErrorNote>}
      <Panel flush>
        <Table
          label="Evals"
          columns={EVAL_COLUMNS}
          rows={evals.error && !evals.rows ? [] : evals.rows}
          rowKey={(one) => one.id}
          onOpen={(one) => void navigate({ to: "/evals/$id", params: { id: one.id } })}
          empty={
            view.q ? (
              <Empty title="No eval is like that" action={<Button onClick={() => setView({ q: "" })}>Show all</Button>} />
            ) : (
              <Empty
                icon={<ClipboardCheck aria-hidden />}
                title="No evals yet"
                action={
                  <Button tone="solid" onClick={begin}>
                    New eval
                  </Button>
                }
              >
                An eval asks a model every row of a dataset and scores the answers. Run it before and after training, and see item
                by item what has changed.
              </Empty>
            )
          }
        />
      </Panel>
      {evals.hasMore && (
        <Button className="self-center" busy={evals.busy} onClick={evals.more}>
          Show more
        </Button>
      )}
      {view.new && (
        <NewEval
          onClose={() => setView({ new: false })}
          onDone={(id) => void navigate({ to: "/evals/$id", params: { id }, search: { start: true } })}
        />
      )}
    </Page>
  );
}
