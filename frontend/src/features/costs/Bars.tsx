import { type KeyboardEvent, useState } from "react";
import { decimal, exactUsd, fraction, micros } from "@/lib/money";
import { cx } from "@/ui/cx";
import { bucketName, type Grain } from "./range";
import { ceiling, type Stack } from "./stack";

const COLOURS = ["bg-run-1", "bg-run-2", "bg-run-3", "bg-run-4", "bg-run-5", "bg-run-6", "bg-run-7", "bg-run-8"];
const LABELS = 8;

interface BarsProps {
  stack: Stack;
  grain: Grain;
  /** What a part is called. */
  name: (key: string) => string;
  label: string;
}

/** Stacked bars over time. Pointing at one, or walking along them by arrows, shows it in the legend. */
export function Bars({ stack, grain, name, label }: BarsProps) {
  const [at, setAt] = useState<number | null>(null);
  const { bars, parts, highest, total } = stack;
  // Where nothing was spent the axis still reads as money.
  const top = highest > 0n ? ceiling(highest) : micros("1");
  const chosen = at === null ? undefined : bars[at];
  const every = Math.ceil(bars.length / LABELS);
  const move = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") setAt(null);
    if (!step) return;
    event.preventDefault();
    setAt(Math.min(bars.length - 1, Math.max(0, (at ?? (step > 0 ? -1 : bars.length)) + step)));
  };
  const summary = `${label}: ${exactUsd(total)} in all${highest > 0n ? `, at most ${exactUsd(highest)} in one ${grain.toLowerCase()}` : ""}.`;
  return (
    <div className="flex flex-col gap-3">
      <div className="flex gap-2">
        <div aria-hidden className="flex h-48 flex-col justify-between text-right text-2xs text-ink-3 tabular-nums">
          {[top, top / 2n, 0n].map((line, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: three lines, always the same three
            <span key={index} className="-my-2">
              ${decimal(line).replace(/\.00$/, "")}
            </span>
          ))}
        </div>
        <div className="min-w-0 flex-1">
          <div
            role="img"
            aria-label={summary}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrows walk along the bars
            tabIndex={0}
            onKeyDown={move}
            onBlur={() => setAt(null)}
            className="relative rounded-sm"
          >
            <div aria-hidden className="absolute inset-0 flex flex-col justify-between">
              <div className="border-line border-t" />
              <div className="border-line border-t border-dashed" />
              <div className="border-line-strong border-t" />
            </div>
            <div className="relative flex h-48 items-stretch" onPointerLeave={() => setAt(null)}>
              {bars.map((bar, index) => (
                <div
                  key={bar.startsAt}
                  onPointerEnter={() => setAt(index)}
                  className={cx("flex min-w-0 flex-1 flex-col-reverse px-px sm:px-0.5", at === index && "bg-hover")}
                >
                  {bar.amounts.map((amount, part) => (
                    <div
                      key={parts[part]?.key}
                      className={cx(
                        "w-full max-w-10 self-center last:rounded-t-sm",
                        COLOURS[part],
                        at !== null && at !== index && "opacity-50",
                      )}
                      style={{ height: `${fraction(amount, top) * 100}%`, minHeight: amount > 0n ? 1 : 0 }}
                    />
                  ))}
                </div>
              ))}
            </div>
          </div>
          <div aria-hidden className="mt-1 flex text-2xs text-ink-3 tabular-nums">
            {bars.map((bar, index) => (
              <span
                key={bar.startsAt}
                className={cx(
                  "min-w-0 flex-1 overflow-visible whitespace-nowrap",
                  (index / every) % 2 === 1 && "max-sm:invisible",
                )}
              >
                {index % every === 0 ? bucketName(bar.startsAt, grain) : ""}
              </span>
            ))}
          </div>
        </div>
      </div>
      <div aria-live="polite">
        <p className="mb-1 flex justify-between gap-2 text-xs">
          <span className="text-ink-3">{chosen ? bucketName(chosen.startsAt, grain, true) : "The whole span"}</span>
          <span className="font-semibold tabular-nums">{exactUsd(chosen?.total ?? total)}</span>
        </p>
        <ul className="grid gap-x-6 gap-y-1 sm:grid-cols-2 xl:grid-cols-3">
          {parts.map((part, index) => (
            <li key={part.key} className="flex items-center gap-2 text-xs">
              <span aria-hidden className={cx("size-2.5 shrink-0 rounded-sm", COLOURS[index])} />
              <span className="min-w-0 flex-1 truncate" title={name(part.key)}>
                {name(part.key)}
              </span>
              <span className="text-ink-2 tabular-nums">{exactUsd(chosen ? (chosen.amounts[index] ?? 0n) : part.total)}</span>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
