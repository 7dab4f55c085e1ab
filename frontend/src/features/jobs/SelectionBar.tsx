import { Link } from "@tanstack/react-router";
import { Ban, Scale, X } from "lucide-react";
import { Button, buttonClass, IconButton } from "@/ui/Button";
import { Kbd } from "@/ui/Kbd";

/** The most jobs that can be compared. */
export const MOST_COMPARED = 20;

/** What can be done to the rows that are marked; it stands at the foot of the screen and moves nothing. */
export function SelectionBar({
  ids,
  cancellable,
  onCancel,
  onClear,
}: {
  ids: readonly string[];
  cancellable: number;
  onCancel: () => void;
  onClear: () => void;
}) {
  if (ids.length === 0) return null;
  const comparable = ids.length >= 2 && ids.length <= MOST_COMPARED;
  return (
    <div
      role="region"
      aria-label="Selected jobs"
      className="fixed bottom-4 left-1/2 z-20 flex max-w-[calc(100vw-1.5rem)] -translate-x-1/2 flex-wrap items-center gap-2 rounded-lg bg-raised p-2 pl-3 text-sm shadow-over md:left-[calc(50%+7rem)]"
    >
      <span className="whitespace-nowrap font-medium tabular-nums" aria-live="polite">
        {ids.length} selected
      </span>
      {comparable ? (
        <Link to="/compare" search={{ ids: ids.join(",") }} className={buttonClass("solid", "sm")}>
          <Scale aria-hidden className="size-3.5" />
          Compare
          <span className="max-sm:hidden">
            <Kbd keys="c" />
          </span>
        </Link>
      ) : (
        <span className="text-ink-3 text-xs">
          {ids.length < 2 ? "Mark another to compare" : `Compare takes ${MOST_COMPARED}`}
        </span>
      )}
      {cancellable > 0 && (
        <Button size="sm" tone="danger" icon={<Ban aria-hidden className="size-3.5" />} onClick={onCancel}>
          Cancel {cancellable}
        </Button>
      )}
      <IconButton label="Clear the selection" onClick={onClear}>
        <X aria-hidden className="size-3.5" />
      </IconButton>
    </div>
  );
}
