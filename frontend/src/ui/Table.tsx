import { type KeyboardEvent, type MouseEvent, type ReactNode, useRef } from "react";
import { cx } from "./cx";
import { Skeleton } from "./Empty";

export interface Column<Row> {
  id: string;
  header: ReactNode;
  cell: (row: Row) => ReactNode;
  /** Numbers stand to the right. */
  numeric?: boolean;
  /** Left out below this width. */
  from?: "sm" | "md" | "lg" | "xl";
  width?: string;
}

const FROM = { sm: "max-sm:hidden", md: "max-md:hidden", lg: "max-lg:hidden", xl: "max-xl:hidden" };

interface TableProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  /** Undefined while they are fetched. */
  rows: readonly Row[] | undefined;
  rowKey: (row: Row) => string;
  /** Opening a row: Enter, or a click anywhere that is not a control of its own. */
  onOpen?: (row: Row) => void;
  /** Other keys on a row, such as `x` to select it; true where it was one. */
  onRowKey?: (row: Row, key: string) => boolean;
  selected?: (row: Row) => boolean;
  empty?: ReactNode;
  expectedRows?: number;
}

/** A dense table that the arrows (or `j` and `k`) walk through and Enter opens. */
export function Table<Row>({
  label,
  columns,
  rows,
  rowKey,
  onOpen,
  onRowKey,
  selected,
  empty,
  expectedRows = 5,
}: TableProps<Row>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const onKeyDown = (row: Row) => (event: KeyboardEvent<HTMLTableRowElement>) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (step) {
      const all = [...(body.current?.rows ?? [])];
      all[all.indexOf(event.currentTarget) + step]?.focus();
    } else if (event.key === "Enter" && onOpen) onOpen(row);
    else if (!onRowKey?.(row, event.key)) return;
    event.preventDefault();
  };
  const onClick = (row: Row) => (event: MouseEvent<HTMLTableRowElement>) => {
    const inner =
      event.target instanceof Element && event.target.closest("a, button, input, label, select, textarea, [role=menuitem]");
    if (onOpen && !inner && !window.getSelection()?.toString()) onOpen(row);
  };
  if (rows && rows.length === 0) return empty ?? <p className="px-3 py-6 text-center text-ink-3 text-sm">Nothing here.</p>;
  return (
    // What scrolls must be reachable by keyboard; rows that can be focused do that already.
    <div
      className="relative overflow-x-auto focus-visible:-outline-offset-2"
      {...(onOpen || onRowKey ? {} : { tabIndex: 0, role: "group", "aria-label": label })}
    >
      <table aria-label={label} aria-busy={rows === undefined} className="w-full border-collapse text-sm">
        <thead>
          <tr className="border-line border-b text-left text-ink-3 text-xs">
            {columns.map((column) => (
              <th
                key={column.id}
                scope="col"
                className={cx(
                  "h-8 whitespace-nowrap px-3 font-medium",
                  // The rows decide how wide a column is: its name is not shown in a place that it would leave.
                  rows === undefined && "invisible",
                  column.numeric && "text-right",
                  column.from && FROM[column.from],
                )}
                style={column.width ? { width: column.width } : undefined}
              >
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows === undefined
            ? Array.from({ length: expectedRows }, (_, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: rows that are not there yet are all alike
                <tr key={index} className="border-line border-b last:border-0">
                  {columns.map((column) => (
                    <td key={column.id} className={cx("h-10 px-3", column.from && FROM[column.from])}>
                      <Skeleton className="h-3.5 w-3/4" />
                    </td>
                  ))}
                </tr>
              ))
            : rows.map((row) => (
                <tr
                  key={rowKey(row)}
                  tabIndex={onOpen || onRowKey ? 0 : undefined}
                  data-selected={selected?.(row) || undefined}
                  onClick={onClick(row)}
                  onKeyDown={onKeyDown(row)}
                  className={cx(
                    "border-line border-b last:border-0 focus-visible:-outline-offset-2",
                    onOpen && "cursor-pointer hover:bg-hover",
                    selected?.(row) && "bg-selected",
                  )}
                >
                  {columns.map((column) => (
                    <td
                      key={column.id}
                      className={cx(
                        "h-10 max-w-80 truncate px-3",
                        column.numeric && "text-right tabular-nums",
                        column.from && FROM[column.from],
                      )}
                    >
                      {column.cell(row)}
                    </td>
                  ))}
                </tr>
              ))}
        </tbody>
      </table>
    </div>
  );
}
