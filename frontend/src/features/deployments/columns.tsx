import { usd } from "@/lib/format";
import { Sparkline } from "@/ui/chart/Sparkline";
import { Badge, Status } from "@/ui/Status";
import type { Column } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import type { Sample } from "./loadQueries";
import { ms, rate } from "./numbers";
import { type Deployment, isActive } from "./queries";
import { standing } from "./standing";
import { readiness } from "./timeline";

function HardwareCell({ one }: { one: Deployment }) {
  const { type, count } = one.hardware ?? one.hardwareRequested;
  return (
    <span className={one.hardware ? "text-ink-2" : "text-ink-3"} title={one.hardware ? undefined : "What was asked for"}>
      {count > 1 ? `${count} × ` : ""}
      {type}
    </span>
  );
}

function ReplicasCell({ one }: { one: Deployment }) {
  if (!isActive(one.status) || one.upstreamUrl !== null) return "–";
  const { ready, of } = readiness(one);
  return (
    <span title={`${ready} of ${of} ready; ${one.minReplicas} to ${one.maxReplicas} allowed`}>
      {ready} / {of}
    </span>
  );
}

/** Requests a second, now and over the last samples. */
function RateCell({ samples }: { samples: readonly Sample[] }) {
  const now = samples.at(-1)?.requestsPerSecond;
  return (
    <span className="inline-flex items-center justify-end gap-2">
      {samples.length > 1 && (
        <span className="max-lg:hidden">
          <Sparkline
            label={`The last ${samples.length} samples of requests a second`}
            values={samples.map((one) => one.requestsPerSecond)}
            color="--live"
            width={56}
            height={18}
            floor={0}
          />
        </span>
      )}
      <span className="min-w-9">{rate(now)}</span>
    </span>
  );
}

/** What a list says of each deployment; `load` gives the newest samples of one. */
export const columnsOf = (load: (id: string) => readonly Sample[]): Column<Deployment>[] => [
  {
    id: "name",
    header: "Name",
    cell: (one) => (
      <span className="inline-flex items-center gap-2">
        <span className="truncate font-medium">{one.name}</span>
        {one.version > 1 && <Badge title={`Version ${one.version}`}>v{one.version}</Badge>}
      </span>
    ),
  },
  { id: "status", header: "Status", width: "8rem", cell: (one) => <Status status={standing(one).status} /> },
  {
    id: "model",
    header: "Model",
    from: "sm",
    cell: (one) => <span className="text-ink-2">{one.job?.outputName ?? one.model}</span>,
  },
  { id: "hardware", header: "Hardware", from: "xl", cell: (one) => <HardwareCell one={one} /> },
  { id: "replicas", header: "Replicas", numeric: true, from: "md", cell: (one) => <ReplicasCell one={one} /> },
  { id: "rate", header: "Req/s", numeric: true, from: "md", cell: (one) => <RateCell samples={load(one.id)} /> },
  { id: "p95", header: "p95", numeric: true, from: "lg", cell: (one) => ms(load(one.id).at(-1)?.latencyP95Ms) },
  {
    id: "price",
    header: "An hour",
    numeric: true,
    from: "lg",
    cell: (one) => (isActive(one.status) ? usd(one.hourlyCost.amount) : "–"),
  },
  { id: "cost", header: "Cost", numeric: true, from: "sm", cell: (one) => usd(one.totalCost.amount) },
  {
    id: "since",
    header: "Since",
    numeric: true,
    from: "sm",
    cell: (one) => <Ago at={one.stoppedAt ?? one.servingSince ?? one.createdAt} />,
  },
];
