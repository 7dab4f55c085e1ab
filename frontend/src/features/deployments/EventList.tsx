import { words } from "@/lib/format";
import { Panel } from "@/ui/Panel";
import { type Column, Table } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import type { DeploymentEvent } from "./queries";

const said = (metadata: DeploymentEvent["metadata"]): string =>
  metadata && typeof metadata === "object" && !Array.isArray(metadata)
    ? Object.entries(metadata)
        .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
        .join(" · ")
    : "";

const COLUMNS: Column<DeploymentEvent>[] = [
  { id: "at", header: "When", width: "9rem", cell: (one) => <Ago at={one.at} /> },
  { id: "type", header: "What", cell: (one) => words(one.type) },
  { id: "attempt", header: "Attempt", numeric: true, width: "6rem", from: "sm", cell: (one) => one.attempt },
  { id: "more", header: "More", from: "sm", cell: (one) => <span className="text-ink-2">{said(one.metadata)}</span> },
];

/** What happened to it, the newest first. */
export default function EventList({ events }: { events: readonly DeploymentEvent[] }) {
  return (
    <Panel flush>
      <Table label="Events" columns={COLUMNS} rows={events.toReversed()} rowKey={(one) => one.cursor} />
    </Panel>
  );
}
