import { counted } from "@/lib/format";
import type { Run } from "./documents";
import { doneText } from "./figures";

/** Items that are scored, those that are answered, and the room that is left. */
export function RunBar({ run, label }: { run: Pick<Run, "progress">; label: string }) {
  const { answered, processed, total } = run.progress;
  const all = total ?? 0;
  const share = (value: number) => `${all > 0 ? (Math.min(value, all) / all) * 100 : 0}%`;
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={all || 1}
      {...(all > 0 ? { "aria-valuenow": processed, "aria-valuetext": `${doneText(run)}; ${counted(answered, "answer")}` } : {})}
      className="relative h-1.5 w-full overflow-hidden rounded-full bg-hover"
    >
      <div className="absolute inset-y-0 left-0 bg-live opacity-40 transition-[width]" style={{ width: share(answered) }} />
      <div className="absolute inset-y-0 left-0 bg-good transition-[width]" style={{ width: share(processed) }} />
    </div>
  );
}
