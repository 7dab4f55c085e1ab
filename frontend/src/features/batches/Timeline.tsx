import { Check, Circle, CircleDot, Minus, X } from "lucide-react";
import { dateTime, duration, timeOfDay } from "@/lib/format";
import { cx } from "@/ui/cx";
import { Panel } from "@/ui/Panel";
import type { Batch } from "./documents";
import { type Moment, moments } from "./figures";

const ICONS = { past: Check, now: CircleDot, "to come": Circle, "cut short": Minus, failed: X };
const INK = { past: "text-good", now: "text-live", "to come": "text-ink-3", "cut short": "text-warn", failed: "text-bad" };

/** What happened to it, and what is to come. */
export function Timeline({ batch }: { batch: Batch }) {
  return (
    <Panel title="What happened when">
      <ol aria-label="What happened when" className="flex flex-col">
        {moments(batch).map((moment, index, all) => (
          <Step key={moment.label} moment={moment} last={index === all.length - 1} />
        ))}
      </ol>
    </Panel>
  );
}

function Step({ moment: { label, at, after, state }, last }: { moment: Moment; last: boolean }) {
  const Icon = ICONS[state];
  return (
    <li className="flex gap-2.5" {...(state === "now" ? { "aria-current": "step" } : {})}>
      <span aria-hidden className="flex flex-col items-center">
        <Icon className={cx("mt-0.5 size-4 shrink-0", INK[state])} />
        {!last && <span className="w-px flex-1 bg-line" />}
      </span>
      <span className={cx("flex min-w-0 flex-1 flex-wrap items-baseline justify-between gap-x-3 text-sm", !last && "pb-3")}>
        <span className={state === "to come" ? "text-ink-3" : ""}>{label}</span>
        <span className="text-ink-3 text-xs tabular-nums">
          {at === null ? (
            state === "now" ? (
              "next"
            ) : (
              ""
            )
          ) : (
            <>
              {after !== null && <span title="After what is above">+{duration(after)} · </span>}
              <time dateTime={at} title={dateTime(at)}>
                {timeOfDay(at)}
              </time>
            </>
          )}
        </span>
      </span>
    </li>
  );
}
