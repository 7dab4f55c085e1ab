import { Download } from "lucide-react";
import { counted } from "@/lib/format";
import { sameOrigin } from "@/lib/upload";
import { buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { Panel } from "@/ui/Panel";
import type { Batch, Detail } from "./documents";
import { hasEnded } from "./figures";
import { downloading } from "./snippets";

/** Its two files, also while it runs: as far as they go. */
export function Downloads({ batch, detail }: { batch: Batch; detail: Detail | undefined }) {
  const ended = hasEnded(batch.status);
  const { completed, failed } = batch.counts;
  return (
    <Panel title="Files" actions={<CopyAs compact title="Download" snippets={() => downloading(batch.id)} />}>
      <div className="flex flex-col gap-3">
        <Part
          name="Output"
          says={completed === 0 ? "No line is answered yet" : `${counted(completed, "answer")}${ended ? "" : " so far"}`}
          none={ended && completed === 0 ? "No line was answered: there is none." : null}
          url={completed > 0 ? detail?.outputUrl : undefined}
          id={batch.outputFileId}
          action={ended ? "Download the output" : "Download what there is"}
        />
        <Part
          name="Errors"
          says={
            batch.problemCount > 0
              ? counted(batch.problemCount, "problem")
              : `${counted(failed, "line")} that failed${ended ? "" : " so far"}`
          }
          none={failed + batch.problemCount === 0 ? (ended ? "No line failed: there is none." : "No line has failed.") : null}
          url={failed + batch.problemCount > 0 ? detail?.errorsUrl : undefined}
          id={batch.errorFileId}
          action="Download the errors"
        />
        {!ended && (
          <p className="text-ink-3 text-xs">
            In the order of the input, as far as it goes. The whole files are there when it ends; what you have downloaded does
            not change.
          </p>
        )}
      </div>
    </Panel>
  );
}

interface PartProps {
  name: string;
  says: string;
  /** Said in place of all else. */
  none: string | null;
  url: string | undefined;
  id: string | null;
  action: string;
}

function Part({ name, says, none, url, id, action }: PartProps) {
  return (
    <div className="flex flex-wrap items-center justify-between gap-2">
      <div className="min-w-0">
        <p className="font-medium text-sm">{name}</p>
        <p className="text-ink-3 text-xs tabular-nums" title={id ?? undefined}>
          {none ?? says}
        </p>
      </div>
      {none === null && url !== undefined && (
        <a href={sameOrigin(url)} download aria-label={action} className={buttonClass("plain", "sm")}>
          <Download aria-hidden className="size-3.5" />
          Download
        </a>
      )}
    </div>
  );
}
