import { ArrowDown, ArrowUp, Minus } from "lucide-react";
import { Note } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { type Column, Table } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import { ms, rate } from "./numbers";
import type { Deployment } from "./queries";
import { type Decision, evidence, type Load, ruleText, wanted } from "./scaling";
import { wantedOf } from "./timeline";

/** From how many to how many: an arrow, two numbers, and a word for those who see neither. */
export function Change({ from, to }: Pick<Decision, "from" | "to">) {
  const Icon = to > from ? ArrowUp : to < from ? ArrowDown : Minus;
  return (
    <span className="inline-flex items-center gap-1 whitespace-nowrap font-medium tabular-nums">
      <Icon aria-hidden className={`size-3.5 ${to > from ? "text-live" : "text-ink-3"}`} />
      <span className="sr-only">{to > from ? "Up, " : to < from ? "Down, " : ""}</span>
      {from} → {to}
    </span>
  );
}

/** `2→3: p95 6.1 s > 5 s` beside the change that says the first part already. */
export const reasonOf = ({ reason, from, to }: Pick<Decision, "reason" | "from" | "to">): string => {
  const begun = reason.replace(new RegExp(`^${from}\\s*(→|->)\\s*${to}\\s*:\\s*`), "");
  return begun.charAt(0).toUpperCase() + begun.slice(1);
};

const dash = (value: number | null | undefined) => value ?? "–";

const COLUMNS: Column<Decision>[] = [
  { id: "at", header: "When", width: "7rem", cell: (one) => <Ago at={one.at} /> },
  { id: "change", header: "Replicas", width: "6rem", cell: (one) => <Change from={one.from} to={one.to} /> },
  {
    id: "reason",
    header: "Why",
    cell: (one) => (
      <span title={`${one.reason}\n${evidence(one)}`} className="block whitespace-normal break-words py-1">
        {reasonOf(one)}
      </span>
    ),
  },
  { id: "rps", header: "Requests/s", numeric: true, from: "md", cell: (one) => rate(one.rps) },
  { id: "p95", header: "p95", numeric: true, from: "md", cell: (one) => ms(one.p95Ms) },
  { id: "of", header: "Answers", numeric: true, from: "lg", cell: (one) => dash(one.requests) },
  { id: "byRps", header: "By rate", numeric: true, from: "lg", cell: (one) => dash(one.byRps) },
  { id: "byLatency", header: "By latency", numeric: true, from: "lg", cell: (one) => dash(one.byLatency) },
];

/** Every change of how many replicas there are, with what it was decided on; `most` of them. */
export function DecisionLog({
  deployment,
  decisions,
  most,
}: {
  deployment: Deployment;
  decisions: readonly Decision[] | undefined;
  most?: number;
}) {
  return (
    <Table
      label="Scaling decisions, the newest first"
      columns={most ? COLUMNS.slice(0, 3) : COLUMNS}
      rows={most ? decisions?.slice(0, most) : decisions}
      rowKey={(one) => one.at}
      expectedRows={3}
      empty={
        <div className="px-3 py-4 text-sm">
          <p className="font-medium">Nothing has been decided yet.</p>
          <p className="text-ink-2">
            {most ? ruleText(deployment) : "Each change of how many there are is kept here, with its reason."}
          </p>
        </div>
      }
    />
  );
}

/** The rule, what it would want at this load, and all that it has decided. */
export default function Decisions({
  deployment,
  decisions,
  load,
}: {
  deployment: Deployment;
  decisions: readonly Decision[] | undefined;
  load: Load;
}) {
  const now = wanted(deployment, load);
  return (
    <div className="flex flex-col gap-3">
      <Panel title="The rule">
        <p className="max-w-3xl text-ink-2 text-sm">{ruleText(deployment)}</p>
        <dl className="mt-3 grid grid-cols-2 gap-x-4 gap-y-2 text-sm sm:grid-cols-3 lg:grid-cols-6">
          <Fact name="Replicas">{`${deployment.minReplicas} to ${deployment.maxReplicas}`}</Fact>
          <Fact name="Wanted now">{deployment.pausedAt ? "none, paused" : wantedOf(deployment)}</Fact>
          <Fact name="Load now">{`${rate(load.rps)} requests/s`}</Fact>
          <Fact name="p95 now">{ms(load.p95Ms)}</Fact>
          <Fact name="By rate">{now.byRps}</Fact>
          <Fact name="By latency">{now.byLatency ?? "no say"}</Fact>
        </dl>
        {deployment.pausedAt !== null && (
          <Note className="mt-3">It is paused: the rule decides nothing until it is resumed.</Note>
        )}
      </Panel>
      <Panel title="Decisions" flush>
        <DecisionLog deployment={deployment} decisions={decisions} />
      </Panel>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt className="text-ink-3 text-xs">{name}</dt>
      <dd className="font-medium tabular-nums">{children}</dd>
    </div>
  );
}
