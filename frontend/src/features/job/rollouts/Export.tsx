import { Download } from "lucide-react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { Button } from "@/ui/Button";
import { Menu } from "@/ui/Menu";
import { toast } from "@/ui/Toast";
import { ExportQuery, type Group } from "./documents";
import { toJsonl } from "./groups";

function save(name: string, href: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

/** Rollouts as rows, one for each completion: what is shown from here, all of the job from the server. */
export function Export({ jobId, groups, name }: { jobId: string; groups: readonly Group[]; name: string }) {
  const client = useClient();
  const shown = () => {
    const url = URL.createObjectURL(new Blob([toJsonl(groups)], { type: "application/jsonl" }));
    save(`${name}.jsonl`, url);
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  const whole = (format: "JSONL" | "PARQUET") => async () => {
    const { data, error } = await client.query(ExportQuery, { jobId, format }, { requestPolicy: "network-only" }).toPromise();
    const url = data?.job?.rolloutsExportUrl;
    if (url) save("", url);
    else toast(error ? sentence(error) : "There is nothing to export.", { mood: "bad" });
  };
  return (
    <Menu
      trigger={
        <Button size="sm" tone="ghost" icon={<Download aria-hidden className="size-3.5" />}>
          Export
        </Button>
      }
      items={[
        {
          label: groups.length === 1 ? "The group shown, as JSONL" : `The ${groups.length} groups shown, as JSONL`,
          disabled: groups.length === 0,
          onSelect: shown,
        },
        { label: "The whole job, as JSONL", onSelect: () => void whole("JSONL")() },
        { label: "The whole job, as Parquet", onSelect: () => void whole("PARQUET")() },
      ]}
    />
  );
}
