import { Download } from "lucide-react";
import { counted } from "@/lib/format";
import { sameOrigin } from "@/lib/upload";
import { buttonClass } from "@/ui/Button";
import { ErrorNote } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { Badge } from "@/ui/Status";
import type { Detail } from "./documents";

interface Props {
  problems: Detail["problems"];
  count: number;
  /** Where all of them are. */
  url: string | undefined;
}

/** Why nothing was sent, line by line. */
export function Problems({ problems, count, url }: Props) {
  return (
    <Panel
      title={count > 0 ? `${counted(count, "problem")} in its file` : "It could not be worked on"}
      actions={
        url && (
          <a href={sameOrigin(url)} download className={buttonClass("plain", "sm")}>
            <Download aria-hidden className="size-3.5" />
            Download all of them
          </a>
        )
      }
    >
      <div className="flex flex-col gap-3">
        <ErrorNote hint="Correct the file and make a new batch of it.">Nothing of it was sent, and nothing was used.</ErrorNote>
        {problems.length > 0 && (
          <ol
            aria-label="Problems by line"
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
            tabIndex={0}
            className="max-h-96 divide-y divide-line overflow-y-auto rounded-md border border-line"
          >
            {problems.map((one, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a line may have two problems, and the list never changes
              <li key={index} className="flex flex-wrap items-baseline gap-x-3 gap-y-1 px-3 py-2 text-sm">
                <span className="w-20 shrink-0 text-ink-3 tabular-nums">
                  {one.line === null ? "the file" : `line ${one.line}`}
                </span>
                <span className="min-w-0 flex-1 break-words text-bad">{one.message}</span>
                {one.code && <Badge className="font-mono">{one.code}</Badge>}
              </li>
            ))}
          </ol>
        )}
        {problems.length > 0 && problems.length < count && (
          <p className="text-ink-3 text-xs">These are the first {problems.length}.</p>
        )}
      </div>
    </Panel>
  );
}
