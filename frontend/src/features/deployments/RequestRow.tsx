// biome-ignore-all lint/a11y/useFocusableInteractive: rows and cells of this table are read, not operated
import { count, dateTime, timeOfDay } from "@/lib/format";
import { cx } from "@/ui/cx";
import { Badge } from "@/ui/Status";
import { ms } from "./numbers";
import type { InferenceRequest } from "./queries";

export const GRID =
  "grid grid-cols-[4rem_2.5rem_minmax(0,1fr)_4rem] sm:grid-cols-[6rem_4.5rem_4.5rem_4.5rem_5.5rem_5.5rem_4rem_minmax(6rem,1fr)] items-center gap-x-3 px-3 text-sm tabular-nums";

/** What each column holds, in the order of `GRID`. */
export function RequestHead() {
  return (
    <div role="row" className={cx(GRID, "h-8 font-medium text-ink-3 text-xs")}>
      <span role="columnheader">When</span>
      <span role="columnheader">Status</span>
      <span role="columnheader" className="text-right max-sm:hidden">
        In
      </span>
      <span role="columnheader" className="text-right max-sm:hidden">
        Out
      </span>
      <span role="columnheader" className="text-right max-sm:hidden">
        First token
      </span>
      <span role="columnheader" className="text-right max-sm:order-last">
        Latency
      </span>
      <span role="columnheader" className="max-sm:hidden">
        Replica
      </span>
      <span role="columnheader">Ended by</span>
    </div>
  );
}

export function RequestRow({ one, top }: { one: InferenceRequest; top: number }) {
  const failed = one.statusCode >= 400 && !one.clientCancelled;
  return (
    <div
      role="row"
      className={cx(GRID, "absolute inset-x-0 h-8 border-line border-b hover:bg-hover")}
      style={{ transform: `translateY(${top}px)` }}
    >
      <time role="cell" dateTime={one.createdAt} title={dateTime(one.createdAt)} className="text-ink-2">
        {timeOfDay(one.createdAt)}
      </time>
      <span role="cell">
        <Badge mood={one.clientCancelled ? "warn" : failed ? "bad" : "good"}>{one.statusCode}</Badge>
      </span>
      <span role="cell" className="text-right max-sm:hidden">
        {count(one.promptTokens)}
      </span>
      <span role="cell" className="text-right max-sm:hidden">
        {count(one.completionTokens)}
      </span>
      <span role="cell" className="text-right max-sm:hidden">
        {ms(one.ttftMs)}
      </span>
      <span role="cell" className="text-right max-sm:order-last">
        {ms(one.latencyMs)}
      </span>
      <span role="cell" className="font-mono text-ink-2 text-xs max-sm:hidden" title={one.replicaId ?? "None answered"}>
        {one.replicaId?.slice(-4) ?? "–"}
      </span>
      <span role="cell" className={cx("truncate", failed && "text-bad")} title={one.errorMessage ?? undefined}>
        {one.clientCancelled ? "the caller left" : (one.errorMessage ?? one.finishReason ?? "–")}
        {one.streamed && !failed && <span className="text-ink-3"> · streamed</span>}
      </span>
    </div>
  );
}
