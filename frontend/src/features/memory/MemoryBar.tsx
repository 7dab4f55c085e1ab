import { cx } from "@/ui/cx";
import { type Mark, StackedBar } from "@/ui/StackedBar";
import { withCode } from "@/ui/withCode";
import type { MemoryEstimate } from "./documents";
import { against, gigabytes, partsOf, verdict } from "./figures";

interface MemoryBarProps {
  estimate: MemoryEstimate;
  /** What the job took at its peak, once that is measured. */
  measured?: number | string | null | undefined;
}

/** What a job is expected to take, part by part, against what there is and what it took. */
export function MemoryBar({ estimate, measured = null }: MemoryBarProps) {
  const { availableBytes, fits, basis, advice } = estimate;
  const told = against(measured, estimate);
  const marks: Mark[] = [
    ...(availableBytes === null ? [] : [{ name: "available", value: Number(availableBytes), kind: "limit" as const }]),
    ...(measured === null ? [] : [{ name: "measured", value: Number(measured), kind: "measure" as const }]),
  ];
  return (
    <div className="flex flex-col gap-2">
      <p className={cx("text-sm", fits === false && "text-warn")}>{verdict(estimate)}</p>
      {measured !== null && (
        <p className="text-sm">
          <span className="font-medium tabular-nums">{gigabytes(measured)}</span> measured at the peak{told && `, ${told}`}.
        </p>
      )}
      <StackedBar label="Memory" parts={partsOf(estimate)} marks={marks} format={gigabytes} />
      {fits === false && advice && <p className="text-warn text-xs">{withCode(advice)}</p>}
      <p className="text-ink-3 text-xs">Estimated from {basis}.</p>
    </div>
  );
}
