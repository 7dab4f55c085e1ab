import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useQuery } from "urql";
import { save } from "@/lib/csv";
import { Button, buttonClass } from "@/ui/Button";
import { Select } from "@/ui/Field";
import { DeploymentsQuery } from "../documents";
import { sampleFile, sampleLines } from "./sample";

const READY = ["SERVING", "UNHEALTHY", "PROVISIONING", "QUEUED"];

/** Eight questions to a deployment, to try it with or to write one's own after. */
export function SampleChoice({ onFile }: { onFile: (file: File) => void }) {
  const [{ data }] = useQuery({ query: DeploymentsQuery });
  const [wanted, setWanted] = useState("");
  const active = data?.deployments.nodes
    .filter((one) => READY.includes(one.status))
    .toSorted((a, b) => READY.indexOf(a.status) - READY.indexOf(b.status));
  if (!active) return <div className="h-8" />;
  const model = wanted || active[0]?.name;
  if (!model)
    return (
      <p className="flex flex-wrap items-center justify-between gap-2 text-ink-2 text-sm">
        Lines ask a deployment by its name, and none is there yet.
        <Link to="/deployments" search={{ new: true }} className={buttonClass("plain", "sm")}>
          Deploy a model
        </Link>
      </p>
    );
  return (
    <div className="flex flex-wrap items-center gap-2 text-ink-2 text-sm">
      <span>Or begin with eight questions to</span>
      <Select
        aria-label="Deployment that the sample asks"
        className="!h-7 !w-auto max-w-48 text-xs"
        value={model}
        onChange={(event) => setWanted(event.target.value)}
      >
        {active.map((one) => (
          <option key={one.id} value={one.name}>
            {one.name}
          </option>
        ))}
      </Select>
      <Button size="sm" onClick={() => onFile(sampleFile(model))}>
        Try with the sample
      </Button>
      <Button size="sm" tone="ghost" onClick={() => save("sample-requests.jsonl", sampleLines(model), "application/jsonl")}>
        Download it
      </Button>
    </div>
  );
}
