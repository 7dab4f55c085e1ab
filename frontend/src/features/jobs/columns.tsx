import { Link } from "@tanstack/react-router";
import { hardwareText } from "@/features/job/eventText";
import { hasEnded } from "@/features/job/queries";
import { RunDot } from "@/features/job/RunDot";
import { dateTime, duration, measure, methodName, usd, words } from "@/lib/format";
import { traitsOf } from "@/lib/methods";
import { runColor } from "@/lib/runs";
import { Sparkline } from "@/ui/chart/Sparkline";
import { Progress } from "@/ui/Progress";
import { Status } from "@/ui/Status";
import type { Column } from "@/ui/Table";
import { Ago, Elapsed } from "@/ui/Time";
import type { JobRow } from "./queries";

/** How far it is: a bar while it goes on, the bare steps once it is over. */
function Steps({ row }: { row: JobRow }) {
  const { step, totalSteps, fraction, etaSeconds } = row.progress;
  const moves = row.status === "RUNNING";
  const steps = totalSteps
    ? `${step.toLocaleString("en-US")} / ${totalSteps.toLocaleString("en-US")}`
    : step
      ? String(step)
      : "–";
  if (!moves) return <span className="text-ink-2 text-xs tabular-nums">{steps}</span>;
  return (
    <div className="flex w-36 flex-col gap-1" title={etaSeconds === null ? undefined : `About ${duration(etaSeconds)} left`}>
      <Progress fraction={fraction} label={`Progress of ${row.outputName}`} />
      <span className="flex justify-between gap-2 text-2xs text-ink-3 leading-none tabular-nums">
        <span>{steps}</span>
        {etaSeconds !== null && <span>{duration(etaSeconds).split(" ").slice(0, 2).join(" ")}</span>}
      </span>
    </div>
  );
}

/** The metric that says best how a run of its method does. */
function Score({ row }: { row: JobRow }) {
  const { key, label } = traitsOf(row.method).lead;
  const latest = row.latestMetrics.find((one) => one.key === key)?.value;
  const series = row.metrics.find((one) => one.key === key);
  if (latest === undefined) return <span className="text-ink-3">–</span>;
  return (
    <span className="flex items-center justify-end gap-2.5">
      {series && series.values.length > 1 && (
        <span className="max-sm:hidden">
          <Sparkline
            label={`${label} from ${measure(series.values[0])} to ${measure(series.values.at(-1))}`}
            steps={series.steps}
            values={series.values}
            color={runColor(row.id)}
            width={72}
            height={18}
          />
        </span>
      )}
      <span className="flex min-w-12 flex-col leading-tight">
        {measure(latest)}
        {key !== "reward" && <span className="text-2xs text-ink-3">{label.toLowerCase()}</span>}
      </span>
    </span>
  );
}

export function jobColumns(select: (row: JobRow) => React.ReactNode, menu: (row: JobRow) => React.ReactNode): Column<JobRow>[] {
  return [
    { id: "select", header: <span className="sr-only">Selected</span>, cell: select, width: "2.25rem" },
    {
      id: "name",
      header: "Name",
      cell: (row) => (
        <span className="flex min-w-0 items-center gap-2">
          <RunDot id={row.id} />
          <Link
            to="/jobs/$id"
            params={{ id: row.id }}
            className="truncate font-medium hover:underline focus-visible:-outline-offset-2"
            title={row.outputName}
          >
            {row.outputName}
          </Link>
        </span>
      ),
    },
    {
      id: "status",
      header: "Status",
      width: "8rem",
      cell: (row) => (
        <span className="flex items-center gap-2" title={row.error?.message}>
          <Status status={row.status} />
          {row.phase && !hasEnded(row.status) && (
            <span className="w-20 text-2xs text-ink-3 max-lg:hidden">{words(row.phase)}</span>
          )}
        </span>
      ),
    },
    { id: "progress", header: "Steps", from: "md", width: "11rem", cell: (row) => <Steps row={row} /> },
    { id: "reward", header: "Score", numeric: true, from: "sm", width: "11rem", cell: (row) => <Score row={row} /> },
    {
      id: "method",
      header: "Method",
      from: "lg",
      width: "8rem",
      cell: (row) => <span className="text-ink-2">{methodName(row.method)}</span>,
    },
    {
      id: "model",
      header: "Base model",
      from: "lg",
      cell: (row) => (
        <span className="text-ink-2" title={row.baseModel}>
          {row.baseModel}
        </span>
      ),
    },
    {
      id: "hardware",
      header: "Hardware",
      from: "lg",
      width: "8rem",
      cell: (row) => {
        const on = row.hardware ?? row.hardwareRequested;
        return (
          <span
            className={row.hardware ? "text-ink-2" : "text-ink-3"}
            title={row.hardware ? undefined : "Asked for; not placed yet"}
          >
            {hardwareText(on.type, on.count)}
          </span>
        );
      },
    },
    {
      id: "cost",
      header: "Cost",
      numeric: true,
      from: "md",
      width: "6.5rem",
      cell: (row) => usd(row.cost.total.amount),
    },
    {
      id: "elapsed",
      header: "Took",
      numeric: true,
      from: "xl",
      width: "7rem",
      cell: (row) =>
        row.startedAt ? (
          <Elapsed from={row.startedAt} to={row.completedAt} />
        ) : (
          <span className="text-ink-3">{row.completedAt ? "–" : "waits"}</span>
        ),
    },
    {
      id: "created",
      header: "Created",
      numeric: true,
      from: "sm",
      width: "7rem",
      cell: (row) => (
        <span className="text-ink-2" title={dateTime(row.createdAt)}>
          <Ago at={row.createdAt} />
        </span>
      ),
    },
    { id: "menu", header: <span className="sr-only">Actions</span>, width: "2.75rem", cell: menu },
  ];
}
