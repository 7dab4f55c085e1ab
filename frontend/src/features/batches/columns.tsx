import { Link } from "@tanstack/react-router";
import { count, dateTime, duration, usd } from "@/lib/format";
import { Status } from "@/ui/Status";
import type { Column } from "@/ui/Table";
import { Ago, Elapsed } from "@/ui/Time";
import { Bar } from "./Bar";
import type { Batch } from "./documents";
import { doneOf, hasEnded, nameOf, percent, rateText, sharesOf } from "./figures";

function Lines({ one }: { one: Batch }) {
  const { total, failed } = sharesOf(one.counts);
  if (total === 0) return <span className="text-ink-3">{one.problemCount ? `${count(one.problemCount)} wrong` : "–"}</span>;
  const done = doneOf(one);
  const { perSecond, etaSeconds } = one.progress;
  return (
    <div className="flex w-44 flex-col gap-1">
      <Bar counts={one.counts} label={`Lines of ${one.id}`} />
      <span className="flex justify-between gap-2 text-2xs text-ink-3 leading-none tabular-nums">
        <span>
          {count(done)} / {count(total)}
        </span>
        <span>
          {hasEnded(one.status)
            ? failed > 0 && <span className="text-bad">{count(failed)} failed</span>
            : one.status === "IN_PROGRESS" && (etaSeconds !== null ? `${duration(etaSeconds)} left` : rateText(perSecond))}
        </span>
      </span>
    </div>
  );
}

/** What a list says of each batch. */
export const COLUMNS: Column<Batch>[] = [
  {
    id: "name",
    header: "Batch",
    cell: (one) => (
      <span className="flex min-w-0 flex-col leading-tight max-sm:max-w-40">
        <Link
          to="/batches/$id"
          params={{ id: one.id }}
          title={nameOf(one)}
          className="truncate font-medium hover:underline focus-visible:-outline-offset-2"
        >
          {nameOf(one)}
        </Link>
        <span className="truncate text-2xs text-ink-3">
          <span className="font-mono">{one.id.slice(-8)}</span>
          {one.endpoint === "COMPLETIONS" && " · completions"}
          {one.counts.total > 0 && <span className="sm:hidden"> · {percent(doneOf(one), one.counts.total)}</span>}
        </span>
      </span>
    ),
  },
  { id: "status", header: "Status", width: "8rem", cell: (one) => <Status status={one.status} /> },
  { id: "lines", header: "Lines", from: "md", width: "12.5rem", cell: (one) => <Lines one={one} /> },
  {
    id: "done",
    header: "Done",
    numeric: true,
    from: "sm",
    width: "4.5rem",
    cell: (one) => (one.counts.total ? percent(doneOf(one), one.counts.total) : "–"),
  },
  {
    id: "model",
    header: "Model",
    from: "lg",
    cell: (one) => <span className="text-ink-2">{one.model ?? (one.counts.total ? "several" : "–")}</span>,
  },
  {
    id: "tokens",
    header: "Tokens out",
    numeric: true,
    from: "xl",
    cell: (one) => count(one.usage.completionTokens),
  },
  { id: "cost", header: "Cost", numeric: true, from: "lg", cell: (one) => usd(one.cost.amount) },
  {
    id: "took",
    header: "Took",
    numeric: true,
    from: "xl",
    cell: (one) => <Elapsed from={one.createdAt} to={one.endedAt} />,
  },
  {
    id: "created",
    header: "Created",
    numeric: true,
    from: "sm",
    width: "7rem",
    cell: (one) => (
      <span className="text-ink-2" title={dateTime(one.createdAt)}>
        <Ago at={one.createdAt} />
      </span>
    ),
  },
];
