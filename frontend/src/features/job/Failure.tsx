import { Link } from "@tanstack/react-router";
import { CircleX } from "lucide-react";
import { timeOfDay } from "@/lib/format";
import { buttonClass } from "@/ui/Button";
import { Badge } from "@/ui/Status";
import type { Job } from "./queries";

/** How many of the last lines are shown: the rest is one step away. */
const LINES = 8;

/** What went wrong is the last line of a traceback; how it came to that stands in the log below. */
const headline = (message: string): string => message.trimEnd().split("\n").at(-1) ?? message;

/** Why it failed, whose it is to mend, and the last that was heard of it. */
export function Failure({ job }: { job: Job }) {
  const { error } = job;
  if (!error) return null;
  const lines = error.lastLogs.slice(-LINES);
  return (
    <section aria-label="Why it failed" className="overflow-hidden rounded-lg border border-bad bg-surface">
      <div className="flex flex-wrap items-start gap-x-3 gap-y-2 bg-bad-soft px-3 py-2.5 text-bad">
        <CircleX aria-hidden className="mt-0.5 size-4 shrink-0" />
        <div className="min-w-0 flex-1 basis-64">
          <div className="break-words font-medium">{headline(error.message)}</div>
          <div className="mt-1 flex flex-wrap items-center gap-2 text-xs">
            <code className="font-mono">{error.code}</code>
            <Badge mood="bad">
              {error.attribution === "platform"
                ? "A fault of the platform: it costs nothing"
                : "Something to change on your side"}
            </Badge>
          </div>
        </div>
        <div className="flex flex-wrap gap-2">
          {error.userCodeLine !== null && job.rewardFunction && (
            <Link
              to="/rewards/$id"
              params={{ id: job.rewardFunction.id }}
              search={{ line: error.userCodeLine }}
              className={buttonClass("plain", "sm")}
            >
              Line {error.userCodeLine} of {job.rewardFunction.name}
            </Link>
          )}
          <Link
            to="."
            search={(was: Record<string, unknown>) => ({ ...was, tab: "logs" })}
            className={buttonClass("plain", "sm")}
          >
            The whole log
          </Link>
        </div>
      </div>
      {lines.length === 0 && headline(error.message) !== error.message.trimEnd() && (
        <pre className="whitespace-pre-wrap break-words bg-sunken px-3 py-2 font-mono text-xs leading-5">{error.message}</pre>
      )}
      {lines.length > 0 && (
        <ol
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
          tabIndex={0}
          className="overflow-x-auto bg-sunken px-3 py-2 font-mono text-xs leading-5 focus-visible:-outline-offset-2"
          aria-label="The last lines of its log"
        >
          {lines.map((line) => (
            <li key={line.cursor} className="flex gap-3 whitespace-pre">
              <span className="text-ink-3">{timeOfDay(line.at)}</span>
              <span className={line.level === "ERROR" ? "text-bad" : line.level === "WARNING" ? "text-warn" : "text-ink-2"}>
                {line.message}
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
