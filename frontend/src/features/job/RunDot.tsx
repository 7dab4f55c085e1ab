import { runColor } from "@/lib/runs";
import { cx } from "@/ui/cx";

/** The colour that a run has wherever it is drawn; `ids` are those shown together. */
export function RunDot({ id, ids, className }: { id: string; ids?: readonly string[] | undefined; className?: string }) {
  return (
    <span
      aria-hidden
      className={cx("inline-block size-2 shrink-0 rounded-full", className)}
      style={{ backgroundColor: `var(${ids?.includes(id) ? runColor(id, ids) : runColor(id)})` }}
    />
  );
}
