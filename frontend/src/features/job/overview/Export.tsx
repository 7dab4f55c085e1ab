import { Download } from "lucide-react";
import { useState } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { graphql } from "@/lib/graphql";
import { Button } from "@/ui/Button";
import { Menu } from "@/ui/Menu";
import { toast } from "@/ui/Toast";

const EXPORT = graphql(
  `query MetricsExport($id: ID!, $format: ExportFormat!) { job(id: $id) { metricsExportUrl(format: $format) } }`,
);

/** All metrics as one file, every value exact. The address works for a while only, so it is asked for when it is used. */
export function Export({ jobId }: { jobId: string }) {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const save = async (format: "CSV" | "PARQUET") => {
    setBusy(true);
    const { data, error } = await client.query(EXPORT, { id: jobId, format }, { requestPolicy: "network-only" });
    setBusy(false);
    if (data?.job) location.assign(data.job.metricsExportUrl);
    else toast(error ? sentence(error) : "The job is gone.", { mood: "bad" });
  };
  return (
    <Menu
      trigger={
        <Button size="sm" tone="ghost" busy={busy} icon={<Download aria-hidden className="size-3.5" />}>
          Export
        </Button>
      }
      items={[
        { label: "CSV", onSelect: () => void save("CSV") },
        { label: "Parquet", onSelect: () => void save("PARQUET") },
      ]}
    />
  );
}
