import { Link, useNavigate } from "@tanstack/react-router";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { buttonClass } from "@/ui/Button";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { Status } from "@/ui/Status";
import { Table } from "@/ui/Table";
import { Ago, Elapsed } from "@/ui/Time";
import { DatasetJobsQuery } from "./documents";

/** The jobs that learned on a dataset, newest first. */
export function JobsOfDataset({ datasetId }: { datasetId: string }) {
  const navigate = useNavigate();
  const [{ data, error }, retry] = useQuery({ query: DatasetJobsQuery, variables: { id: datasetId, first: 100 } });
  const jobs = data?.dataset?.jobs;
  if (error) return <ErrorNote onRetry={() => retry({ requestPolicy: "network-only" })}>{sentence(error)}</ErrorNote>;
  return (
    <Panel flush>
      <Table
        label="Jobs that learned on it"
        rows={jobs?.nodes}
        rowKey={(job) => job.id}
        onOpen={(job) => void navigate({ to: "/jobs/$id", params: { id: job.id } })}
        columns={[
          {
            id: "name",
            header: "Job",
            cell: (job) => (
              <Link to="/jobs/$id" params={{ id: job.id }} className="font-medium hover:underline" tabIndex={-1}>
                {job.outputName}
              </Link>
            ),
          },
          { id: "status", header: "Status", cell: (job) => <Status status={job.status} /> },
          { id: "model", header: "Base model", from: "sm", cell: (job) => job.baseModel },
          {
            id: "took",
            header: "Took",
            from: "md",
            numeric: true,
            cell: (job) => <Elapsed from={job.createdAt} to={job.completedAt} />,
          },
          { id: "created", header: "Created", from: "sm", cell: (job) => <Ago at={job.createdAt} /> },
        ]}
        empty={
          <Empty
            title="No job has learned on it yet"
            action={
              <Link to="/jobs/new" search={{ dataset: datasetId }} className={buttonClass("solid")}>
                Train on it
              </Link>
            }
          />
        }
      />
      {jobs?.pageInfo.hasNextPage && (
        <p className="border-line border-t px-3 py-2 text-ink-3 text-xs">The newest 100 are shown.</p>
      )}
    </Panel>
  );
}
