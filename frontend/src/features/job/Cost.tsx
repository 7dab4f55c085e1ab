import { useEffect } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { dateTime, usd } from "@/lib/format";
import { graphql, type ResultOf } from "@/lib/graphql";
import { CopyAs } from "@/ui/CopyAs";
import { ErrorNote, Note } from "@/ui/Empty";
import { Panel, Stat } from "@/ui/Panel";
import { Progress } from "@/ui/Progress";
import { type Column, Table } from "@/ui/Table";
import { LiveCost, useHourly } from "./money";
import { hasEnded, type Job, type JobEvent } from "./queries";
import { jobCost } from "./snippets";

const PostingsQuery = graphql(`
  query PostingsOfJob($id: ID!, $range: TimeRange!) {
    transactions(first: 100, resourceId: $id) {
      nodes {
        id
        description
        createdAt
        amount {
          amount
        }
      }
      pageInfo {
        hasNextPage
      }
    }
    costs(range: $range, groupBy: [RESOURCE, GPU_TYPE, PROVIDER]) {
      groups {
        resourceId
        gpuType
        provider
        hours
        cost {
          amount
        }
      }
    }
  }
`);

type Posting = ResultOf<typeof PostingsQuery>["transactions"]["nodes"][number];

const COLUMNS: Column<Posting>[] = [
  { id: "at", header: "Posted", cell: (row) => dateTime(row.createdAt) },
  { id: "what", header: "For", from: "sm", cell: (row) => <span className="text-ink-2">{row.description}</span> },
  { id: "amount", header: "Amount", numeric: true, cell: (row) => usd(row.amount.amount) },
];

/** What a job has cost, at what rate, and every posting of it. */
export default function Cost({ job, postedAt, events }: { job: Job; postedAt: string | undefined; events: readonly JobEvent[] }) {
  const [{ data, error }, again] = useQuery({
    query: PostingsQuery,
    variables: { id: job.id, range: { from: job.createdAt } },
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new posting is the reason to ask again
  useEffect(() => {
    if (data) again({ requestPolicy: "network-only" });
  }, [postedAt, job.status]);
  const hourly = useHourly(job);
  const used = data?.costs.groups.filter((one) => one.resourceId === job.id) ?? [];
  const hours = used.reduce((sum, one) => sum + Number(one.hours), 0);
  const total = Number(job.cost.total.amount);
  const cap = job.maxCost ? Number(job.maxCost.amount) : undefined;
  const rate = hasEnded(job.status) && hours > 0 ? total / hours : hourly;
  return (
    <div className="flex flex-col gap-4">
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        <Stat
          label={hasEnded(job.status) ? "It cost" : "It costs so far"}
          value={<LiveCost job={job} postedAt={postedAt} events={events} />}
          note={hasEnded(job.status) ? "to the second" : `${usd(total)} posted`}
        />
        <Stat label="An hour" value={usd(rate)} note={hasEnded(job.status) ? "what was charged" : "at the rate of now"} />
        <Stat
          label="Hours billed"
          value={hours ? Number(hours.toPrecision(3)) : "–"}
          note={used.map((one) => one.gpuType).join(", ")}
        />
        <Stat
          label="Cap"
          value={cap === undefined ? "none" : usd(cap)}
          note={
            cap === undefined ? (
              "credit and budget bound it"
            ) : (
              <Progress fraction={total / cap} label="Of its cap" className="mt-1.5" />
            )
          }
        />
      </div>
      {job.error?.attribution === "platform" && (
        <Note mood="good">It failed by a fault of the platform: nothing was charged.</Note>
      )}
      {error && <ErrorNote onRetry={() => again({ requestPolicy: "network-only" })}>{sentence(error)}</ErrorNote>}
      <Panel flush title="Postings" actions={<CopyAs title="What it costs" snippets={() => jobCost(job.id)} />}>
        <Table
          label="Postings"
          columns={COLUMNS}
          rows={data?.transactions.nodes}
          rowKey={(row) => row.id}
          expectedRows={3}
          empty={
            <p className="px-3 py-8 text-center text-ink-3 text-sm">
              Nothing was posted yet. Running work is posted each minute.
            </p>
          }
        />
        {data?.transactions.pageInfo.hasNextPage && (
          <p className="border-line border-t px-3 py-2 text-ink-3 text-xs">The newest 100. Costs has them all.</p>
        )}
      </Panel>
    </div>
  );
}
