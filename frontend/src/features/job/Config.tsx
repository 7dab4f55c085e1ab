import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useQuery } from "urql";
import { gigabytes, MemoryBar } from "@/features/memory";
import { dateTime, methodName, usd, words } from "@/lib/format";
import { graphql, type Json as Value } from "@/lib/graphql";
import { choice, useUrlState } from "@/lib/url";
import { CodeBlock } from "@/ui/Copy";
import { CopyAs } from "@/ui/CopyAs";
import { Together } from "@/ui/Empty";
import { Json } from "@/ui/Json";
import { Facts, Panel } from "@/ui/Panel";
import { Badge } from "@/ui/Status";
import { type Column, Table } from "@/ui/Table";
import { Tabs } from "@/ui/Tabs";
import { withCode } from "@/ui/withCode";
import { hardwareText } from "./eventText";
import type { Job } from "./queries";
import { createJob, jobFile, restBody } from "./snippets";

const MethodsQuery = graphql(`
  query HyperparametersOfMethods {
    methods {
      method
      hyperparameters {
        name
        description
        default
      }
    }
  }
`);

const VIEW = { as: choice(["table", "toml", "json"], "table") };
const SHAPES = [
  { id: "table", label: "Table" },
  { id: "toml", label: "Job file" },
  { id: "json", label: "JSON" },
] as const;

interface Row {
  name: string;
  value: Value;
  defaulted: boolean;
  description: string | undefined;
  standard: Value | undefined;
}

const shown = (value: Value | undefined): string =>
  value === null || value === undefined ? "off" : typeof value === "object" ? JSON.stringify(value) : String(value);

const COLUMNS: Column<Row>[] = [
  {
    id: "name",
    header: "Hyperparameter",
    cell: (row) => <span className={row.defaulted ? "font-mono text-ink-3 text-xs" : "font-mono text-xs"}>{row.name}</span>,
  },
  {
    id: "value",
    header: "Value",
    numeric: true,
    cell: (row) => <span className={row.defaulted ? "text-ink-3" : "font-medium"}>{shown(row.value)}</span>,
  },
  {
    id: "from",
    header: "Default",
    width: "9rem",
    cell: (row) =>
      row.defaulted ? (
        <Badge>used</Badge>
      ) : row.standard !== undefined ? (
        <span className="text-ink-3 text-xs">{shown(row.standard) === shown(row.value) ? "the same" : shown(row.standard)}</span>
      ) : null,
  },
  {
    id: "about",
    header: "What it does",
    from: "md",
    cell: (row) => <span className="whitespace-normal text-ink-2 text-xs">{withCode(row.description ?? "")}</span>,
  },
];

/** What a job was given; what it was not given stands behind, and is marked. */
export default function Config({ job }: { job: Job }) {
  const [{ as }, setView] = useUrlState(VIEW);
  const [{ data, error }] = useQuery({ query: MethodsQuery, requestPolicy: "cache-first" });
  const rows = useMemo<Row[]>(() => {
    const all = job.hyperparameters;
    if (typeof all !== "object" || all === null || Array.isArray(all)) return [];
    const known = data?.methods.find((one) => one.method === job.method)?.hyperparameters;
    return Object.entries(all)
      .map(([name, value]) => {
        const about = known?.find((one) => one.name === name);
        return {
          name,
          value,
          defaulted: job.hyperparametersDefaulted.includes(name),
          description: about?.description,
          standard: about ? (about.default ?? null) : undefined,
        };
      })
      .sort((a, b) => Number(a.defaulted) - Number(b.defaulted));
  }, [job, data]);

  return (
    // What each of them does makes its row higher.
    <Together ready={data !== undefined || error !== undefined} size="h-96">
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_22rem]">
        <Panel title="Configuration" actions={<CopyAs title="Create it again" snippets={() => createJob(job)} />}>
          <Tabs label="Shape" tabs={SHAPES} value={as} onChange={(to) => setView({ as: to })}>
            {as === "table" && <Table label="Hyperparameters" columns={COLUMNS} rows={rows} rowKey={(row) => row.name} />}
            {as === "toml" && (
              <div className="flex flex-col gap-2">
                <p className="text-ink-2 text-xs">
                  Save it as <code className="font-mono">job.toml</code>;{" "}
                  <code className="font-mono">burnish jobs create -f job.toml</code> makes the job again.
                </p>
                <CodeBlock code={jobFile(job)} label="job.toml" />
              </div>
            )}
            {as === "json" && <Json value={restBody(job)} label="The job as JSON" />}
          </Tabs>
        </Panel>
        <div className="flex min-w-0 flex-col gap-4">
          <Panel title="What it runs on and for">
            <Facts items={facts(job)} />
          </Panel>
          <Memory job={job} />
        </div>
      </div>
    </Together>
  );
}

/** What was expected beside what was measured; what is not known is said. */
function Memory({ job }: { job: Job }) {
  const { memoryEstimate: estimate, peakMemoryBytes: measured } = job;
  if (!estimate && measured === null) return null;
  return (
    <Panel title="Memory">
      {estimate ? (
        <MemoryBar estimate={estimate} measured={measured} />
      ) : (
        <p className="text-sm">
          <span className="font-medium tabular-nums">{gigabytes(measured ?? 0)}</span> measured at the peak. There was no
          estimate: the size of its base model was not known before.
        </p>
      )}
    </Panel>
  );
}

const LINK = "underline decoration-line-strong underline-offset-2 hover:decoration-current";

/** An environment each, with the splits that were asked for. */
function environmentFacts(environments: Value): [string, string][] {
  if (typeof environments !== "object" || environments === null || Array.isArray(environments)) return [];
  return Object.entries(environments).map(([id, one]) => {
    const splits = typeof one === "object" && one !== null && !Array.isArray(one) ? one.splits : undefined;
    return ["Environment", Array.isArray(splits) && splits.length > 0 ? `${id}, ${splits.join(", ")}` : id];
  });
}

function facts(job: Job): Parameters<typeof Facts>[0]["items"] {
  const { checkpointDestination: to } = job;
  const asked = job.hardwareRequested;
  return [
    ["Method", methodName(job.method)],
    ["Base model", job.baseModel],
    job.baseRevision !== null && [
      "Revision",
      <code key="revision" className="break-all font-mono text-xs">
        {job.baseRevision}
      </code>,
    ],
    [
      "Dataset",
      <Link key="dataset" to="/datasets/$id" params={{ id: job.dataset.id }} className={LINK}>
        {job.dataset.name}
      </Link>,
    ],
    job.rewardFunction !== null && [
      "Reward function",
      <Link key="reward" to="/rewards/$id" params={{ id: job.rewardFunction.id }} className={LINK}>
        {job.rewardFunction.name}
      </Link>,
    ],
    ["Asked for", `${hardwareText(asked.type, asked.count)}${asked.provider ? `, ${asked.provider}` : ""}`],
    [
      "Runs on",
      job.hardware
        ? `${hardwareText(job.hardware.type, job.hardware.count)}${job.hardware.provider ? `, ${job.hardware.provider}` : ""}`
        : "not placed yet",
    ],
    [
      "Model goes to",
      to.type === "VERI"
        ? "this platform"
        : `${to.uri ?? to.repo ?? ""}${to.type === "HF" ? (to.private === false ? ", public" : ", private") : ""}`,
    ],
    to.weights !== null && ["Weights", words(to.weights)],
    to.archive === true && ["Delivered as", "one .tar.gz"],
    ...environmentFacts(job.environments),
    job.destinationUrl !== null && [
      "Delivered to",
      <span key="delivered" className="break-all">
        {job.destinationUrl}
      </span>,
    ],
    ["Cap", job.maxCost ? usd(job.maxCost.amount) : "none"],
    job.droppedPrompts !== null && ["Prompts left out", job.droppedPrompts.toLocaleString("en-US")],
    job.requiresHeartbeat && [
      "Heartbeat",
      job.heartbeatAt ? `the last at ${dateTime(job.heartbeatAt)}` : "asked for; none came, so its clock does not run",
    ],
    ["Created", dateTime(job.createdAt)],
    job.startedAt !== null && ["Started", dateTime(job.startedAt)],
    job.completedAt !== null && ["Ended", dateTime(job.completedAt)],
  ];
}
