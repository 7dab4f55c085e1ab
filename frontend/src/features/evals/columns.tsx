import { Link } from "@tanstack/react-router";
import { count, dateTime, duration, usd } from "@/lib/format";
import { Badge, Status } from "@/ui/Status";
import type { Column } from "@/ui/Table";
import { Ago, Elapsed } from "@/ui/Time";
import type { Listed, Run } from "./documents";
import { doneText, hasEnded, intervalText, nameOf, type rangeOf, scorerName, scoreText } from "./figures";
import { Interval } from "./Interval";
import { RunBar } from "./RunBar";

const lastOf = (one: Listed) => one.runs.nodes[0];

/** What a list says of each eval. */
export const EVAL_COLUMNS: Column<Listed>[] = [
  {
    id: "name",
    header: "Eval",
    cell: (one) => (
      <span className="flex min-w-0 flex-col leading-tight max-sm:max-w-36">
        <Link
          to="/evals/$id"
          params={{ id: one.id }}
          title={one.name}
          className="truncate font-medium hover:underline focus-visible:-outline-offset-2"
        >
          {one.name}
        </Link>
        <span className="truncate font-mono text-2xs text-ink-3">{one.id.slice(-8)}</span>
      </span>
    ),
  },
  { id: "dataset", header: "Dataset", from: "md", cell: (one) => <span className="text-ink-2">{one.dataset.name}</span> },
  {
    id: "scorers",
    header: "Scorers",
    from: "lg",
    cell: (one) => (
      <span className="flex gap-1">
        {one.scorers.map((scorer, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: they have no other identity, and their order stays
          <Badge key={index}>{scorerName(scorer)}</Badge>
        ))}
      </span>
    ),
  },
  {
    id: "model",
    header: "Last run",
    from: "sm",
    cell: (one) => {
      const run = lastOf(one);
      return run ? <span className="text-ink-2">{nameOf(run)}</span> : <span className="text-ink-3">never run</span>;
    },
  },
  {
    id: "status",
    header: "Status",
    width: "8rem",
    cell: (one) => {
      const run = lastOf(one);
      return run ? <Status status={run.status} /> : <span className="text-ink-3">–</span>;
    },
  },
  { id: "score", header: "Score", numeric: true, width: "6rem", cell: (one) => scoreText(lastOf(one)?.results?.score.mean) },
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

function Progressing({ run }: { run: Run }) {
  const { etaSeconds } = run.progress;
  return (
    <div className="flex w-40 flex-col gap-1">
      <RunBar run={run} label={`Items of ${run.id}`} />
      <span className="flex justify-between gap-2 text-2xs text-ink-3 leading-none tabular-nums">
        <span>{doneText(run)}</span>
        {!hasEnded(run.status) && etaSeconds !== null && <span>{duration(etaSeconds)} left</span>}
      </span>
    </div>
  );
}

/** What an eval says of each of its runs; `range` is that of all scores, so that they can be held against each other. */
export function runColumns(
  marked: readonly string[],
  mark: (id: string) => void,
  range: ReturnType<typeof rangeOf>,
): Column<Run>[] {
  return [
    {
      id: "mark",
      header: <span className="sr-only">Compare</span>,
      width: "2.5rem",
      cell: (run) => (
        <input
          type="checkbox"
          aria-label={`Compare ${nameOf(run)}, ${run.id.slice(-8)}`}
          className="size-4 align-middle accent-accent"
          disabled={run.results === null}
          checked={marked.includes(run.id)}
          onChange={() => mark(run.id)}
        />
      ),
    },
    {
      id: "model",
      header: "Model",
      cell: (run) => (
        <span className="flex min-w-0 flex-col leading-tight max-sm:max-w-32">
          <Link
            to="/evals/runs/$id"
            params={{ id: run.id }}
            title={nameOf(run)}
            className="truncate font-medium hover:underline focus-visible:-outline-offset-2"
          >
            {nameOf(run)}
          </Link>
          <span className="truncate font-mono text-2xs text-ink-3">{run.id.slice(-8)}</span>
        </span>
      ),
    },
    { id: "status", header: "Status", width: "8rem", cell: (run) => <Status status={run.status} /> },
    { id: "items", header: "Items", from: "lg", width: "11rem", cell: (run) => <Progressing run={run} /> },
    {
      id: "score",
      header: (
        <>
          Score<span className="max-sm:sr-only">, 95 % interval</span>
        </>
      ),
      numeric: true,
      cell: (run) => (
        <span title={run.error ?? undefined}>
          <span className="sm:hidden">{scoreText(run.results?.score.mean)}</span>
          <span className="max-sm:hidden">{run.results ? intervalText(run.results.score) : "–"}</span>
        </span>
      ),
    },
    {
      id: "drawn",
      header: <span className="sr-only">Score, drawn</span>,
      from: "md",
      width: "10rem",
      cell: (run) => run.results && <Interval figures={run.results.score} range={range} />,
    },
    {
      id: "pass",
      header: "pass@1",
      numeric: true,
      from: "sm",
      width: "5rem",
      cell: (run) => scoreText(run.results?.score.passAtK.find((one) => one.k === 1)?.value),
    },
    { id: "tokens", header: "Tokens out", numeric: true, from: "xl", cell: (run) => count(run.completionTokens) },
    { id: "cost", header: "Cost", numeric: true, from: "lg", cell: (run) => usd(run.cost.amount) },
    {
      id: "took",
      header: "Took",
      numeric: true,
      from: "xl",
      cell: (run) => <Elapsed from={run.startedAt} to={run.completedAt} />,
    },
    {
      id: "created",
      header: "Created",
      numeric: true,
      from: "sm",
      width: "7rem",
      cell: (run) => (
        <span className="text-ink-2">
          <Ago at={run.createdAt} />
        </span>
      ),
    },
  ];
}
