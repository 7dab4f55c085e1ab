import { duration, measure } from "@/lib/format";
import { Status } from "@/ui/Status";
import { type Column, Table } from "@/ui/Table";
import { Ago, Elapsed } from "@/ui/Time";
import type { Replica } from "./timeline";

const seconds = (from: string, to: string): string => duration((Date.parse(to) - Date.parse(from)) / 1000);

/** How the parity check went: the greatest difference of a log-probability, and what is accepted. */
function Parity({ of }: { of: Replica["parity"] }) {
  if (!of) return <span className="text-ink-3">–</span>;
  const said = of.templateMatches ? "" : "another chat template";
  return (
    <span title={`${of.prompts} prompts beside the training side; a difference of ${measure(of.tolerance)} is accepted`}>
      {of.maxDifference === null ? said || "no difference" : `Δ ${measure(of.maxDifference)}${said ? `, ${said}` : ""}`}
    </span>
  );
}

const COLUMNS: Column<Replica>[] = [
  { id: "id", header: "Replica", cell: (one) => <span className="font-mono text-xs">{one.id.slice(-8)}</span> },
  { id: "status", header: "Status", cell: (one) => <Status status={one.status === "running" ? "ready" : one.status} /> },
  { id: "version", header: "Version", numeric: true, cell: (one) => `v${one.version}` },
  {
    id: "host",
    header: "Host",
    from: "lg",
    cell: (one) => <span className="font-mono text-xs">{one.hostId.slice(-8) || "–"}</span>,
  },
  { id: "started", header: "Started", numeric: true, from: "sm", cell: (one) => <Ago at={one.createdAt} /> },
  {
    id: "ready",
    header: "Ready after",
    numeric: true,
    from: "sm",
    cell: (one) => (one.readyAt ? seconds(one.createdAt, one.readyAt) : "–"),
  },
  { id: "lived", header: "Lived", numeric: true, from: "md", cell: (one) => <Elapsed from={one.createdAt} to={one.endedAt} /> },
  { id: "parity", header: "Parity", from: "xl", cell: (one) => <Parity of={one.parity} /> },
  {
    id: "why",
    header: "Why it ended",
    from: "md",
    cell: (one) => (
      <span className={one.failure ? "text-bad" : "text-ink-2"} title={one.failure ?? one.stopReason ?? undefined}>
        {one.failure ?? one.stopReason ?? "–"}
      </span>
    ),
  },
];

/** Every replica there was, the newest first. */
export function ReplicaTable({ replicas }: { replicas: readonly Replica[] }) {
  return (
    <div className="max-h-96 overflow-y-auto rounded-md border border-line">
      <Table
        label="Replicas"
        columns={COLUMNS}
        rows={replicas}
        rowKey={(one) => one.id}
        empty={<p className="p-3 text-ink-3 text-sm">None yet.</p>}
      />
    </div>
  );
}
