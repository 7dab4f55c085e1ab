import { useEffect, useRef } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { count, duration } from "@/lib/format";
import { useShortcuts } from "@/lib/shortcuts";
import { useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Select } from "@/ui/Field";
import { Panel } from "@/ui/Panel";
import { type Column, Table } from "@/ui/Table";
import { type Item, ItemsQuery, type Run } from "./documents";
import { askedText, hasEnded, scoreText } from "./figures";
import { ItemDialog } from "./ItemDialog";
import { items as snippets } from "./snippets";
import { usePages } from "./usePages";
import { RUN_VIEW, SHOWN } from "./view";

const PAGE = 100;
const LABELS: Record<(typeof SHOWN)[number], string> = { all: "Every item", failed: "Failed" };

/** What was answered, item by item. */
export function Items({ run, evalId }: { run: Run; evalId: string }) {
  const client = useClient();
  const [view, setView] = useUrlState(RUN_VIEW);
  const items = usePages<Item, true>(view.show, async (after) => {
    const variables = { id: run.id, filter: view.show === "failed" ? ("FAILED" as const) : ("ALL" as const), first: PAGE, after };
    const { data, error } = await client.query(ItemsQuery, variables, { requestPolicy: "network-only" }).toPromise();
    if (!data) return error ? sentence(error) : "The server said nothing.";
    const { nodes, pageInfo } = data.evalItems;
    return { head: true, rows: nodes, next: pageInfo.hasNextPage ? pageInfo.endCursor : null };
  });
  const { processed } = run.progress;
  const { again } = items;
  const seen = useRef(processed);
  useEffect(() => {
    if (seen.current === processed) return;
    seen.current = processed;
    again();
  }, [processed, again]);
  useShortcuts([
    { keys: "e", label: "Failed items alone", group: "Run", run: () => setView({ show: "failed" }) },
    { keys: "a", label: "Every item", group: "Run", run: () => setView({ show: "all" }) },
  ]);
  const open = items.rows?.find((one) => one.itemIndex === view.item && one.sample === (view.sample ?? 0));
  return (
    <>
      <Panel
        flush
        title="Items"
        actions={
          <>
            <Select
              aria-label="Which items"
              className="!h-7 !w-auto text-xs"
              value={view.show}
              onChange={(event) => setView({ show: SHOWN.find((one) => one === event.target.value) ?? "all" })}
            >
              {SHOWN.map((one) => (
                <option key={one} value={one}>
                  {LABELS[one]}
                </option>
              ))}
            </Select>
            <CopyAs compact title="Items" snippets={() => snippets(evalId, run.id)} />
          </>
        }
      >
        {items.error && (
          <ErrorNote className="m-3" onRetry={again}>
            {items.error}
          </ErrorNote>
        )}
        <Table
          label="Items and their scores"
          columns={run.samples > 1 ? COLUMNS : COLUMNS.filter((one) => one.id !== "sample")}
          rows={items.error && !items.rows ? [] : items.rows}
          rowKey={(one) => `${one.itemIndex}.${one.sample}`}
          onOpen={(one) => setView({ item: one.itemIndex, sample: one.sample })}
          selected={(one) => one === open}
          expectedRows={8}
          empty={
            <Empty
              title={
                view.show === "failed"
                  ? "No item has failed"
                  : hasEnded(run.status)
                    ? "No item was scored"
                    : "No item is scored yet"
              }
              action={view.show === "failed" && <Button onClick={() => setView({ show: "all" })}>Show all</Button>}
            />
          }
        />
        {items.hasMore && (
          <div className="border-line border-t p-2 text-center">
            <Button size="sm" tone="ghost" busy={items.busy} onClick={items.more}>
              Show more
            </Button>
          </div>
        )}
      </Panel>
      {open && <ItemDialog item={open} samples={run.samples} onClose={() => setView({ item: null, sample: null })} />}
    </>
  );
}

const COLUMNS: Column<Item>[] = [
  {
    id: "row",
    header: "Row",
    numeric: true,
    width: "4rem",
    cell: (one) => <span className="text-ink-3">{count(one.itemIndex + 1)}</span>,
  },
  {
    id: "sample",
    header: "Answer",
    numeric: true,
    width: "4.5rem",
    from: "sm",
    cell: (one) => <span className="text-ink-3">{count(one.sample + 1)}</span>,
  },
  { id: "input", header: "Input", from: "sm", cell: (one) => <span className="text-ink-2">{askedText(one.input)}</span> },
  {
    id: "output",
    header: "Output",
    cell: (one) =>
      one.output === null ? <span className="text-bad">{one.error ?? "no answer"}</span> : <span>{one.output || "(empty)"}</span>,
  },
  { id: "label", header: "Label", from: "md", cell: (one) => <span className="text-ink-2">{one.label ?? "–"}</span> },
  { id: "score", header: "Score", numeric: true, width: "5rem", cell: (one) => scoreText(one.score) },
  {
    id: "latency",
    header: "Latency",
    numeric: true,
    from: "lg",
    width: "5.5rem",
    cell: (one) => (one.latencyMs === null ? "–" : duration(one.latencyMs / 1000)),
  },
];
