import { useMemo, useRef } from "react";
import { count, duration } from "@/lib/format";
import { useShortcuts } from "@/lib/shortcuts";
import { useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Select } from "@/ui/Field";
import { Panel } from "@/ui/Panel";
import { Badge, Status } from "@/ui/Status";
import { type Column, Table } from "@/ui/Table";
import { causeText, type Group } from "./causes";
import type { Batch, Outcome } from "./documents";
import { hasEnded } from "./figures";
import { OutcomeDialog } from "./OutcomeDialog";
import { outcomes as snippets } from "./snippets";
import { useOutcomes } from "./useOutcomes";
import { SHOWN, VIEW } from "./view";

const LABELS: Record<(typeof SHOWN)[number], string> = { all: "Every line", answered: "Answered", failed: "Failed" };

interface Props {
  batch: Batch;
  groups: readonly Group[] | undefined;
  names: ReadonlyMap<string, string>;
}

/** What became of the lines, one by one. */
export function Outcomes({ batch, groups, names }: Props) {
  const [view, setView] = useUrlState(VIEW);
  const { counts } = batch;
  const done = counts.completed + counts.failed;
  const { rows, hasMore, error, busy, more, again } = useOutcomes(batch.id, view, done);
  const place = useRef<HTMLDivElement>(null);
  useShortcuts([
    { keys: "e", label: "Failed lines alone", group: "Batch", run: () => setView({ show: "failed", code: "", deployment: "" }) },
    { keys: "a", label: "Every line", group: "Batch", run: () => setView({ show: "all", code: "", deployment: "" }) },
  ]);
  const filtered = view.show !== "all" || view.code !== "" || view.deployment !== "";
  const chosen = groups?.find((one) => one.code === view.code && view.code !== "");
  const all = view.show === "failed" ? counts.failed : view.show === "answered" ? counts.completed : done;
  const matching = chosen
    ? (chosen.of.find((one) => one.deploymentId === view.deployment)?.count ?? chosen.count)
    : view.code || view.deployment
      ? null
      : all;
  const open = rows?.find((one) => one.line === view.line);
  const columns = useMemo(() => columnsOf(names), [names]);
  return (
    <div ref={place}>
      <Panel
        flush
        title={
          <span className="flex items-baseline gap-2">
            Lines
            <span role="status" className="font-normal text-ink-3 text-xs tabular-nums">
              {rows && matching !== null && `${count(Math.min(rows.length, matching))} of ${count(matching)} shown`}
            </span>
          </span>
        }
        actions={
          <>
            {chosen && (
              <Badge mood="bad">
                {chosen.text}
                {view.deployment && ` · ${names.get(view.deployment) ?? view.deployment.slice(-8)}`}
              </Badge>
            )}
            {filtered && (
              <Button size="sm" tone="ghost" onClick={() => setView({ show: "all", code: "", deployment: "" })}>
                Show all
              </Button>
            )}
            <Select
              aria-label="Which lines"
              className="!h-7 !w-auto text-xs"
              value={view.show}
              onChange={(event) =>
                setView({ show: SHOWN.find((one) => one === event.target.value) ?? "all", code: "", deployment: "" })
              }
            >
              {SHOWN.map((one) => (
                <option key={one} value={one}>
                  {LABELS[one]}
                </option>
              ))}
            </Select>
            <CopyAs compact title="Outcomes" snippets={() => snippets(batch.id, view)} />
          </>
        }
      >
        {error && (
          <ErrorNote className="m-3" onRetry={again}>
            {error}
          </ErrorNote>
        )}
        <Table
          label="Lines and what became of them"
          columns={columns}
          rows={error && !rows ? [] : rows}
          rowKey={(one) => String(one.line)}
          onOpen={(one) => setView({ line: one.line })}
          selected={(one) => one.line === view.line}
          expectedRows={8}
          empty={
            <Empty
              title={
                filtered ? "No line is like that" : hasEnded(batch.status) ? "No line has an outcome" : "No line is done yet"
              }
            />
          }
        />
        {hasMore && (
          <div className="border-line border-t p-2 text-center">
            <Button size="sm" tone="ghost" busy={busy} onClick={more}>
              Show more
            </Button>
          </div>
        )}
      </Panel>
      {open && <OutcomeDialog outcome={open} names={names} onClose={() => setView({ line: null })} />}
    </div>
  );
}

const ms = (value: number | null): string => (value === null ? "–" : duration(value / 1000));

const columnsOf = (names: ReadonlyMap<string, string>): Column<Outcome>[] => [
  {
    id: "line",
    header: "Line",
    numeric: true,
    width: "4.5rem",
    cell: (one) => <span className="text-ink-3">{count(one.line)}</span>,
  },
  {
    id: "custom_id",
    header: "custom_id",
    cell: (one) => (
      <span className="font-mono text-xs" title={one.customId}>
        {one.customId}
      </span>
    ),
  },
  {
    id: "status",
    header: "Status",
    width: "8rem",
    cell: (one) => (
      <span className="inline-flex items-center gap-2 align-middle">
        <Status status={one.ok ? "COMPLETED" : "FAILED"} label={one.ok ? "Answered" : "Failed"} />
        {one.statusCode !== null && <span className="text-ink-3 text-xs tabular-nums max-sm:hidden">{one.statusCode}</span>}
      </span>
    ),
  },
  {
    id: "why",
    header: "Why",
    from: "md",
    cell: (one) =>
      one.ok ? (
        <span className="text-ink-3">–</span>
      ) : (
        <span className="text-ink-2" title={one.message ?? undefined}>
          {one.message ?? causeText(one.code, one.statusCode)}
        </span>
      ),
  },
  {
    id: "deployment",
    header: "Deployment",
    from: "lg",
    cell: ({ deploymentId }) => (
      <span className="text-ink-2">
        {deploymentId === null ? "–" : (names.get(deploymentId) ?? `…${deploymentId.slice(-8)}`)}
      </span>
    ),
  },
  { id: "in", header: "In", numeric: true, from: "sm", width: "4.5rem", cell: (one) => count(one.promptTokens) },
  { id: "out", header: "Out", numeric: true, from: "sm", width: "4.5rem", cell: (one) => count(one.completionTokens) },
  { id: "latency", header: "Latency", numeric: true, from: "sm", width: "5.5rem", cell: (one) => ms(one.latencyMs) },
  {
    id: "attempts",
    header: "Tries",
    numeric: true,
    from: "xl",
    width: "4rem",
    cell: (one) => <span className={one.attempts > 1 ? "text-warn" : "text-ink-3"}>{count(one.attempts)}</span>,
  },
];
