import { Link } from "@tanstack/react-router";
import { RotateCcw } from "lucide-react";
import { useState } from "react";
import { told } from "@/lib/useAction";
import { Button } from "@/ui/Button";
import { Copyable } from "@/ui/Copy";
import { Confirm } from "@/ui/Dialog";
import { Panel } from "@/ui/Panel";
import { Status } from "@/ui/Status";
import { type Column, Table } from "@/ui/Table";
import { Ago } from "@/ui/Time";
import { toast } from "@/ui/Toast";
import { useDeploymentActions } from "./actions";
import type { Deployment, Version } from "./queries";
import { returnTo } from "./versions";

interface Props {
  deployment: Deployment;
  versions: readonly Version[] | undefined;
  onDone: () => void;
}

/** What it serves and has served; an earlier one can take its place again. */
export default function Versions({ deployment, versions, onDone }: Props) {
  const [back, setBack] = useState<Version | null>(null);
  const { update } = useDeploymentActions(deployment.id);
  const can = deployment.viewerCan.includes("update");
  const serving = (number: number) =>
    deployment.replicas.filter((one) => one.version === number && one.status === "running").length;
  const columns: Column<Version>[] = [
    { id: "number", header: "Version", width: "5rem", cell: (one) => <span className="font-medium">v{one.number}</span> },
    {
      id: "status",
      header: "Status",
      cell: (one) =>
        one.status === "PENDING" ? <Status status="PROVISIONING" label="Taking over" /> : <Status status={one.status} />,
    },
    { id: "model", header: "Model", cell: (one) => <ModelOf version={one} /> },
    { id: "replicas", header: "Answers on", numeric: true, from: "sm", cell: (one) => serving(one.number) || "–" },
    { id: "asked", header: "Asked for", numeric: true, from: "md", cell: (one) => <Ago at={one.createdAt} /> },
    { id: "served", header: "Served", numeric: true, from: "md", cell: (one) => <Ago at={one.servingAt} /> },
    { id: "until", header: "Until", numeric: true, from: "lg", cell: (one) => <Ago at={one.endedAt} /> },
    {
      id: "back",
      header: <span className="sr-only">Actions</span>,
      numeric: true,
      cell: (one) =>
        can && one.number !== deployment.version && returnTo(one) !== null ? (
          <Button size="sm" icon={<RotateCcw aria-hidden className="size-3.5" />} onClick={() => setBack(one)}>
            <span className="max-sm:sr-only">Roll back</span>
          </Button>
        ) : null,
    },
  ];
  const rollBack = async () => {
    const to = back && returnTo(back);
    if (!back || !to) return;
    const refused = await update(to);
    if (refused) return void toast(told(refused), { mood: "bad" });
    toast(`The model of version ${back.number} takes over.`);
    onDone();
  };
  const failed = versions?.filter((one) => one.error !== null) ?? [];
  return (
    <div className="flex flex-col gap-3">
      <Panel flush>
        <Table label="Versions, the newest first" columns={columns} rows={versions} rowKey={(one) => String(one.number)} />
      </Panel>
      {failed.map((one) => (
        <Panel key={one.number} title={`Why version ${one.number} failed`}>
          <p className="whitespace-pre-wrap break-words font-mono text-bad text-xs">{one.error}</p>
        </Panel>
      ))}
      <Confirm
        open={back !== null}
        onOpenChange={(open) => !open && setBack(null)}
        title={`Roll back to version ${back?.number}?`}
        action="Roll back"
        onConfirm={rollBack}
      >
        Its model becomes a new version. Replicas of it take over one by one as they get ready, and no request fails; what serves
        now is kept in this list.
      </Confirm>
    </div>
  );
}

function ModelOf({ version }: { version: Version }) {
  const { checkpoint } = version;
  if (checkpoint?.job)
    return (
      <Link to="/jobs/$id" params={{ id: checkpoint.job.id }} className="text-accent hover:underline">
        {checkpoint.job.outputName} · step {checkpoint.step}
      </Link>
    );
  return (
    <Copyable text={version.model} {...(version.revision ? { shown: `${version.model}@${version.revision.slice(0, 7)}` } : {})} />
  );
}
