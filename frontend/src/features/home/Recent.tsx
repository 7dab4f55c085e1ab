import { Link, useNavigate } from "@tanstack/react-router";
import { measure, usd } from "@/lib/format";
import { traitsOf } from "@/lib/methods";
import { Panel } from "@/ui/Panel";
import { Status } from "@/ui/Status";
import { type Column, Table } from "@/ui/Table";
import { Ago, Elapsed } from "@/ui/Time";
import type { Home } from "./queries";

type Job = Home["recent"]["nodes"][number];

const COLUMNS: Column<Job>[] = [
  {
    id: "name",
    header: "Job",
    cell: (job) => (
      <Link to="/jobs/$id" params={{ id: job.id }} className="font-medium hover:underline">
        {job.outputName}
      </Link>
    ),
  },
  { id: "status", header: "Status", cell: (job) => <Status status={job.status} /> },
  { id: "model", header: "Model", from: "md", cell: (job) => <span className="text-ink-2">{job.baseModel}</span> },
  {
    id: "score",
    header: "Score",
    numeric: true,
    cell: (job) => {
      const { key, label } = traitsOf(job.method).lead;
      return <span title={label}>{measure(job.latestMetrics.find((one) => one.key === key)?.value)}</span>;
    },
  },
  { id: "took", header: "Took", numeric: true, from: "lg", cell: (job) => <Elapsed from={job.startedAt} to={job.completedAt} /> },
  { id: "cost", header: "Cost", numeric: true, from: "sm", cell: (job) => usd(job.cost.total.amount) },
  {
    id: "ended",
    header: "Ended",
    numeric: true,
    from: "sm",
    cell: (job) => (
      <span className="text-ink-3">
        <Ago at={job.completedAt ?? job.createdAt} />
      </span>
    ),
  },
];

/** The last jobs that ended. */
export function Recent({ home }: { home: Home | undefined }) {
  const navigate = useNavigate();
  return (
    <Panel
      title="Recent jobs"
      flush
      actions={
        <Link to="/jobs" className="text-ink-3 text-xs hover:text-ink hover:underline">
          All jobs
        </Link>
      }
    >
      <Table
        label="Recent jobs"
        columns={COLUMNS}
        rows={home?.recent.nodes}
        rowKey={(job) => job.id}
        onOpen={(job) => void navigate({ to: "/jobs/$id", params: { id: job.id } })}
        empty={<p className="px-3 py-6 text-ink-3 text-sm">No job has ended yet.</p>}
      />
    </Panel>
  );
}
