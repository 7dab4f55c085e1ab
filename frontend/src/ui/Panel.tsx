import type { ReactNode } from "react";
import { cx } from "./cx";

interface PanelProps {
  title?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
  /** Without inner space, for tables. */
  flush?: boolean;
}

export function Panel({ title, actions, children, className, flush }: PanelProps) {
  return (
    <section className={cx("min-w-0 rounded-lg border border-line bg-surface shadow-card", className)}>
      {(title || actions) && (
        <header className="flex min-h-10 flex-wrap items-center justify-between gap-2 border-line border-b px-3 py-1.5">
          <h2 className="font-semibold text-sm">{title}</h2>
          {actions && <div className="flex flex-wrap items-center gap-1.5">{actions}</div>}
        </header>
      )}
      <div className={flush ? "" : "p-3"}>{children}</div>
    </section>
  );
}

/** A number that matters, with what it is. */
export function Stat({
  label,
  value,
  note,
  className,
}: {
  label: string;
  value: ReactNode;
  note?: ReactNode;
  className?: string;
}) {
  return (
    <div className={cx("min-w-0 rounded-lg border border-line bg-surface px-3 py-2.5 shadow-card", className)}>
      <div className="truncate text-ink-3 text-xs">{label}</div>
      <div className="truncate font-semibold text-xl tabular-nums tracking-tight">{value}</div>
      <div className="min-h-4.5 truncate text-ink-3 text-xs">{note}</div>
    </div>
  );
}

/** Facts in two columns: a description list. */
export function Facts({
  items,
  className,
}: {
  items: readonly (readonly [string, ReactNode] | false | null)[];
  className?: string;
}) {
  return (
    <dl className={cx("grid grid-cols-[minmax(6rem,auto)_minmax(0,1fr)] gap-x-4 gap-y-1.5 text-sm", className)}>
      {items
        .filter((item) => item !== false && item !== null)
        .map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-ink-3">{name}</dt>
            <dd className="min-w-0 break-words">{value}</dd>
          </div>
        ))}
    </dl>
  );
}

interface PageProps {
  title: ReactNode;
  /** Above the title: where one came from. */
  above?: ReactNode;
  /** Beside the title: status. */
  beside?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  /** Takes the whole height, and scrolls inside. */
  full?: boolean;
}

export function Page({ title, above, beside, actions, children, full }: PageProps) {
  return (
    <div className={cx("mx-auto flex w-full max-w-[100rem] flex-col gap-4 px-3 py-4 sm:px-6", full && "h-full min-h-0")}>
      <header className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <div className="min-w-0">
          {above && <div className="text-ink-3 text-xs">{above}</div>}
          <div className="flex min-h-8 min-w-0 flex-wrap items-center gap-x-3 gap-y-1">
            <h1 tabIndex={-1} className="min-w-0 break-words font-semibold text-lg tracking-tight outline-none">
              {title}
            </h1>
            {beside}
          </div>
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}
