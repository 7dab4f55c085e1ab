import { Link } from "@tanstack/react-router";
import { dateTime, duration } from "@/lib/format";
import { Copyable } from "@/ui/Copy";
import { Facts, Panel } from "@/ui/Panel";
import { Badge } from "@/ui/Status";
import type { Batch } from "./documents";

const ENDPOINTS: Record<Batch["endpoint"], string> = {
  CHAT_COMPLETIONS: "/v1/chat/completions",
  COMPLETIONS: "/v1/completions",
};

/** What was asked for. */
export function BatchFacts({ batch, retryOf }: { batch: Batch; retryOf: string | null }) {
  const { metadata } = batch;
  const labels = metadata !== null && typeof metadata === "object" && !Array.isArray(metadata) ? Object.entries(metadata) : [];
  return (
    <Panel title="What was asked for">
      <Facts
        items={[
          [
            "Endpoint",
            <span className="font-mono text-xs" key="e">
              {ENDPOINTS[batch.endpoint]}
            </span>,
          ],
          ["Model", batch.model ?? (batch.counts.total > 0 ? "several" : "–")],
          [
            "Input file",
            batch.inputFile ? <Copyable key="f" text={batch.inputFileId} shown={batch.inputFile.filename} /> : "was deleted",
          ],
          ["Window", duration(batch.completionWindowSeconds)],
          ["Expires", dateTime(batch.expiresAt)],
          retryOf !== null && [
            "Retries",
            <Link key="r" to="/batches/$id" params={{ id: retryOf }} className="font-mono text-xs underline">
              …{retryOf.slice(-8)}
            </Link>,
          ],
          batch.attempt > 1 && ["Taken up", `${batch.attempt} times; it went on from where it was`],
          labels.length > 0 && [
            "Labels",
            <span key="l" className="flex flex-wrap gap-1">
              {labels.map(([name, value]) => (
                <Badge key={name} className="!whitespace-normal break-all">
                  {name}: {String(value)}
                </Badge>
              ))}
            </span>,
          ],
        ]}
      />
    </Panel>
  );
}
