// biome-ignore-all lint/a11y/useFocusableInteractive: the grid keeps the focus itself, and names its active row
// biome-ignore-all lint/a11y/noNoninteractiveTabindex: a grid is one stop of the keyboard
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useId, useRef } from "react";
import { count } from "@/lib/format";
import { cx } from "@/ui/cx";
import { Skeleton } from "@/ui/Empty";
import type { RowOfDataset } from "../documents";
import { cell } from "./cells";

const ROW_PX = 32;
const SHOWN_COLUMNS = 8;

interface RowGridProps {
  columns: readonly string[];
  /** How many rows are in the list. */
  size: number;
  /** The row at a place of the list; undefined while it is fetched. */
  at: (index: number) => RowOfDataset | undefined;
  /** The number of the row at a place, known before the row is. */
  numberAt: (index: number) => number;
  onSee?: (first: number, last: number) => void;
  /** The place of the chosen row, or -1. */
  chosen: number;
  onChoose: (index: number) => void;
}

/** Rows of any number; only those in view are there. Arrows, Page Up and Down, Home and End move the choice. */
export function RowGrid({ columns, size, at, numberAt, onSee, chosen, onChoose }: RowGridProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const id = useId();
  const shown = columns.slice(0, SHOWN_COLUMNS);
  const virtual = useVirtualizer({
    count: size,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (size > 0) onSee?.(first, last);
  }, [first, last, size, onSee]);

  const jump = useRef(virtual.scrollToIndex);
  jump.current = virtual.scrollToIndex;
  const before = useRef(-2);
  useEffect(() => {
    // A step keeps still what it can; a leap lands in the middle.
    if (chosen >= 0) jump.current(chosen, { align: Math.abs(chosen - before.current) > 1 ? "center" : "auto" });
    before.current = chosen;
  }, [chosen]);

  const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 320) / ROW_PX) - 2);
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page };
    const step = moves[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? size - 1 : step === undefined ? null : Math.max(0, chosen) + step;
    if (to === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    onChoose(Math.min(size - 1, Math.max(0, chosen < 0 && step === 1 ? 0 : to)));
  };
  const grid = {
    gridTemplateColumns: `5.5rem minmax(14rem, 3fr) ${shown
      .slice(1)
      .map(() => "minmax(7rem, 1fr)")
      .join(" ")}`,
  };

  return (
    <div
      ref={scroller}
      role="grid"
      aria-label="Rows"
      aria-rowcount={size + 1}
      aria-colcount={shown.length + 1}
      aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
      className="h-[clamp(16rem,60dvh,48rem)] overflow-auto focus-visible:-outline-offset-2"
    >
      <div
        role="row"
        aria-rowindex={1}
        style={grid}
        className="sticky top-0 z-10 grid min-w-fit border-line border-b bg-surface text-ink-3 text-xs"
      >
        {["Row", ...shown].map((name, index) => (
          <div
            key={name}
            role="columnheader"
            className={cx("flex h-8 min-w-0 items-center truncate px-3 font-medium", index === 0 && "justify-end")}
          >
            <span className="truncate">{name}</span>
          </div>
        ))}
      </div>
      <div role="rowgroup" className="relative min-w-fit" style={{ height: virtual.getTotalSize() }}>
        {items.map(({ index, start }) => {
          const row = at(index);
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the grid takes the keys for its rows
            <div
              key={index}
              id={`${id}-${index}`}
              role="row"
              aria-rowindex={index + 2}
              aria-selected={index === chosen}
              onClick={() => onChoose(index)}
              style={{ ...grid, transform: `translateY(${start}px)`, height: ROW_PX }}
              className={cx(
                "absolute inset-x-0 grid cursor-pointer items-center border-line border-b text-sm hover:bg-hover",
                index === chosen && "bg-selected hover:bg-selected",
              )}
            >
              <div role="gridcell" className="truncate px-3 text-right text-ink-3 text-xs tabular-nums">
                {count(numberAt(index))}
              </div>
              {shown.map((name, column) => (
                // Another cell once it is filled: the empty one is not as high.
                <div
                  key={row ? name : `${name} to come`}
                  role="gridcell"
                  className={cx("min-w-0 truncate px-3", column > 0 && "text-ink-2")}
                >
                  {row ? (
                    row.data === null ? (
                      column === 0 ? (
                        row.preview
                      ) : (
                        ""
                      )
                    ) : (
                      cell(row.data, name)
                    )
                  ) : (
                    <Skeleton className="h-3 w-3/5" />
                  )}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}
