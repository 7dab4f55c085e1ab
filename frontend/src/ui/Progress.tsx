import { cx } from "./cx";

/** A bar of what is done; without a fraction it only says that something goes on. */
export function Progress({
  fraction,
  label,
  className,
}: {
  fraction: number | null | undefined;
  label: string;
  className?: string;
}) {
  const known = fraction !== null && fraction !== undefined;
  const percent = known ? Math.round(Math.min(1, Math.max(0, fraction)) * 100) : undefined;
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(percent === undefined ? {} : { "aria-valuenow": percent })}
      className={cx("h-1.5 w-full overflow-hidden rounded-full bg-hover", className)}
    >
      <div
        className={cx("h-full rounded-full bg-accent transition-[width]", !known && "animate-pulse")}
        style={{ width: `${percent ?? 100}%` }}
      />
    </div>
  );
}
