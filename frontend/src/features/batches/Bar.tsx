import { count } from "@/lib/format";
import { cx } from "@/ui/cx";
import type { Batch } from "./documents";
import { sharesOf } from "./figures";

/** Lines by what has become of them: answered, failed, and the room that is left. */
export function Bar({ counts, label, tall = false }: { counts: Batch["counts"]; label: string; tall?: boolean }) {
  const { total, completed, failed, good, bad } = sharesOf(counts);
  const known = total > 0;
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={known ? total : 1}
      {...(known
        ? {
            "aria-valuenow": completed + failed,
            "aria-valuetext": `${count(completed)} answered, ${count(failed)} failed, of ${count(total)}`,
          }
        : {})}
      className={cx("flex w-full gap-px overflow-hidden rounded-full bg-hover", tall ? "h-2.5" : "h-1.5")}
    >
      {known ? (
        <>
          <Part share={good} className="bg-good" />
          <Part share={bad} className="bg-bad-solid" />
        </>
      ) : (
        <div className="h-full w-full animate-[pulse_2s_ease-in-out_infinite] bg-line" />
      )}
    </div>
  );
}

/** A part that there is is seen, however small. */
function Part({ share, className }: { share: number; className: string }) {
  if (share <= 0) return null;
  return <div className={cx("h-full min-w-1 transition-[width]", className)} style={{ width: `${share * 100}%` }} />;
}
