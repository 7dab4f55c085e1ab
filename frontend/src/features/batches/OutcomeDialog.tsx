import { Link } from "@tanstack/react-router";
import { count, counted, dateTime, duration, usd } from "@/lib/format";
import { CodeBlock, Copyable } from "@/ui/Copy";
import { Dialog } from "@/ui/Dialog";
import { Facts } from "@/ui/Panel";
import { Status } from "@/ui/Status";
import { causeText } from "./causes";
import type { Outcome } from "./documents";

/** All that is known of one line; what was said is in the files. */
export function OutcomeDialog({
  outcome: one,
  names,
  onClose,
}: {
  outcome: Outcome;
  names: ReadonlyMap<string, string>;
  onClose: () => void;
}) {
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Line ${count(one.line)}`}
      description="What was said is in the output and error files."
    >
      <div className="flex flex-col gap-3">
        <Facts
          items={[
            ["custom_id", <Copyable key="c" text={one.customId} />],
            ["Status", <Status key="s" status={one.ok ? "COMPLETED" : "FAILED"} label={one.ok ? "Answered" : "Failed"} />],
            one.statusCode !== null && ["HTTP status", one.statusCode],
            !one.ok && ["Why", causeText(one.code, one.statusCode)],
            one.code !== null && [
              "Code",
              <span key="k" className="font-mono text-xs">
                {one.code}
              </span>,
            ],
            one.deploymentId !== null && [
              "Deployment",
              <Link key="d" to="/deployments/$id" params={{ id: one.deploymentId }} className="underline">
                {names.get(one.deploymentId) ?? one.deploymentId}
              </Link>,
            ],
            ["Tokens", `${count(one.promptTokens)} in, ${count(one.completionTokens)} out`],
            one.latencyMs !== null && ["Latency", duration(one.latencyMs / 1000)],
            ["Sent", one.attempts === 0 ? "never" : counted(one.attempts, "time")],
            ["Cost", usd(one.cost.amount)],
            ["Settled", dateTime(one.endedAt)],
          ]}
        />
        {one.message !== null && <CodeBlock code={one.message} label="message" className="whitespace-pre-wrap" />}
      </div>
    </Dialog>
  );
}
