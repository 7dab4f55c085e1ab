import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Play, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { measure } from "@/lib/format";
import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { integer, useUrlState } from "@/lib/url";
import { Button, buttonClass } from "@/ui/Button";
import { CodeEditor } from "@/ui/CodeEditor";
import { Copyable, CopyButton } from "@/ui/Copy";
import { CopyAs } from "@/ui/CopyAs";
import { Empty, ErrorNote, Skeleton } from "@/ui/Empty";
import { Facts, Page, Panel } from "@/ui/Panel";
import { Status } from "@/ui/Status";
import { Table } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import { Trail } from "@/ui/Trail";
import { DeleteRewardDialog } from "./DeleteRewardDialog";
import { FORMAT_CALLS, FORMAT_NAMES, RewardQuery } from "./documents";
import { uploadSnippets } from "./snippets";
import { Trial } from "./Trial";

/** `line` is where a job failed. */
const URL = { line: integer() };

/** One reward function: its source, what its test found, and the jobs that learned from it. */
export default function RewardPage() {
  const { id } = useParams({ from: "/frame/rewards/$id" });
  const navigate = useNavigate();
  const [deleting, setDeleting] = useState(false);
  const [{ data, error }, again] = useQuery({ query: RewardQuery, variables: { id } });
  const reward = data?.rewardFunction;
  useTitle(reward?.name ?? "Reward");
  const play = () => void navigate({ to: "/rewards/playground", search: { id } as never });
  useShortcuts([{ keys: "p", label: "Open in the playground", run: play }]);
  const [{ line }] = useUrlState(URL);
  const issues = useMemo(
    () => [
      ...(reward?.trial?.warnings.map((one) => ({ ...one, mood: "warn" as const })) ?? []),
      ...(line === null ? [] : [{ line, message: "A job failed here.", mood: "bad" as const }]),
    ],
    [reward, line],
  );
  // What is about the whole file is said beside it.
  const marked = useMemo(() => issues.filter((one) => one.line !== null), [issues]);

  const above = (
    <Trail id={id}>
      <Link to="/rewards">Rewards</Link>
    </Trail>
  );
  if (data && !reward)
    return (
      <Page title="No such reward function" above={above}>
        <Empty
          title="There is no reward function with this id"
          action={
            <Link to="/rewards" className={buttonClass()}>
              All rewards
            </Link>
          }
        >
          It may have been deleted. Jobs that ran with it keep what they ran.
        </Empty>
      </Page>
    );
  return (
    <Page
      title={reward?.name ?? <Skeleton className="h-5 w-40" />}
      above={above}
      actions={
        reward && (
          <>
            <CopyAs title="Upload this reward function" snippets={() => uploadSnippets(reward)} />
            <Button tone="danger" icon={<Trash2 aria-hidden className="size-3.5" />} onClick={() => setDeleting(true)}>
              Delete
            </Button>
            <Link to="/rewards/playground" search={{ id } as never} className={buttonClass("solid")}>
              <Play aria-hidden className="size-3.5" />
              Open in playground
            </Link>
          </>
        )
      }
    >
      {error && <ErrorNote onRetry={() => again({ requestPolicy: "network-only" })}>{sentence(error)}</ErrorNote>}
      {!reward && !error && <Skeleton className="h-[32rem]" />}
      {reward && (
        <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,2fr)_minmax(18rem,1fr)]">
          <Panel
            title={<span className="font-mono text-xs">{reward.fileName}</span>}
            actions={<CopyButton text={reward.source} label="Copy the source" />}
            flush
          >
            <CodeEditor
              label={`Source of ${reward.name}`}
              className="min-h-40 rounded-t-none border-0"
              value={reward.source}
              issues={marked}
              at={line}
            />
          </Panel>
          <div className="flex min-w-0 flex-col gap-4">
            <Panel title="About">
              <Facts
                items={[
                  ["Format", FORMAT_NAMES[reward.format]],
                  [
                    "Called as",
                    <code key="call" className="break-words font-mono text-2xs">
                      {FORMAT_CALLS[reward.format]}
                    </code>,
                  ],
                  [
                    "Weights",
                    reward.weights.length
                      ? reward.weights.map((one) => `${one.name} ×${measure(one.weight)}`).join(", ")
                      : "every component counts once",
                  ],
                  ["SHA-256", <Copyable key="sha" text={reward.sha256} shown={reward.sha256.slice(0, 12)} />],
                  ["Created", <Ago key="at" at={reward.createdAt} />],
                ]}
              />
            </Panel>
            {reward.trial && (
              <Panel title="Test at upload">
                <Trial trial={reward.trial} />
              </Panel>
            )}
            <Panel title="Jobs that used it" flush>
              <Table
                label="Jobs that used it"
                rows={reward.jobs.nodes}
                rowKey={(job) => job.id}
                onOpen={(job) => void navigate({ to: "/jobs/$id", params: { id: job.id } })}
                empty={
                  <Empty
                    title="No job yet"
                    action={
                      <Link to="/jobs/new" search={{ reward: id } as never} className={buttonClass("plain", "sm")}>
                        Train with it
                      </Link>
                    }
                  />
                }
                columns={[
                  {
                    id: "name",
                    header: "Job",
                    cell: (job) => (
                      <Link to="/jobs/$id" params={{ id: job.id }} className="font-medium hover:underline">
                        {job.outputName || job.id}
                      </Link>
                    ),
                  },
                  { id: "status", header: "Status", cell: (job) => <Status status={job.status} /> },
                  {
                    id: "created",
                    header: "Created",
                    numeric: true,
                    cell: (job) => (
                      <span className="text-ink-2">
                        <Ago at={job.createdAt} />
                      </span>
                    ),
                  },
                ]}
              />
              {reward.jobs.pageInfo.hasNextPage && (
                <p className="border-line border-t px-3 py-2 text-ink-3 text-xs">The newest 50 are shown.</p>
              )}
            </Panel>
          </div>
        </div>
      )}
      {reward && deleting && (
        <DeleteRewardDialog
          reward={reward}
          onClose={() => setDeleting(false)}
          onDeleted={() => void navigate({ to: "/rewards" })}
        />
      )}
    </Page>
  );
}
