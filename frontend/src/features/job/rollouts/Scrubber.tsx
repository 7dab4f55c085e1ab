import { type KeyboardEvent, type PointerEvent, useMemo, useRef } from "react";
import { measure } from "@/lib/format";
import { moved, nearest, type Steps, valueAt } from "./steps";

const WIDTH = 1000;
const HEIGHT = 56;
const PAD = 6;

interface ScrubberProps {
  steps: Steps;
  step: number;
  onStep: (step: number) => void;
}

/** The run's reward along its steps, with a handle on the one that is read. */
export function Scrubber({ steps, step, onStep }: ScrubberProps) {
  const box = useRef<HTMLDivElement>(null);
  const { first, last } = steps;
  const span = Math.max(1, last - first);
  const place = (at: number) => (at - first) / span;
  const { line, area, low, high } = useMemo(() => draw(steps.reward, first, span), [steps.reward, first, span]);
  const dead = useMemo(() => draw(steps.zeroVariance, first, span, [0, 1]).line, [steps.zeroVariance, first, span]);
  const value = valueAt(steps.reward, step);

  const scrub = (event: PointerEvent<HTMLDivElement>) => {
    const edges = box.current?.getBoundingClientRect();
    if (!edges || edges.width === 0) return;
    onStep(nearest(steps, first + ((event.clientX - edges.left) / edges.width) * span));
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const tenth = Math.max(1, Math.round(span / 10));
    const by: Record<string, number> = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageDown: -tenth,
      PageUp: tenth,
      Home: -span - 1,
      End: span + 1,
    };
    const move = by[event.key];
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    onStep(moved(steps, step, move));
  };
  const y = value === null ? null : yOf(value, low, high);
  return (
    <div className="min-w-0">
      <div
        ref={box}
        role="slider"
        tabIndex={0}
        aria-label="Step"
        aria-valuemin={first}
        aria-valuemax={last}
        aria-valuenow={step}
        aria-valuetext={`Step ${step} of ${last}${value === null ? "" : `, mean reward ${measure(value)}`}`}
        className="relative h-14 cursor-ew-resize touch-none select-none overflow-hidden rounded-md border border-line bg-sunken"
        onKeyDown={onKeyDown}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          scrub(event);
        }}
        onPointerMove={(event) => event.currentTarget.hasPointerCapture(event.pointerId) && scrub(event)}
      >
        <svg aria-hidden className="absolute inset-0 size-full" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
          <path d={area} className="fill-accent-soft" />
          <path d={line} className="fill-none stroke-accent" strokeWidth={1.5} vectorEffect="non-scaling-stroke" />
          <path d={dead} className="fill-none stroke-line-strong" strokeDasharray="2 2" vectorEffect="non-scaling-stroke" />
        </svg>
        <div aria-hidden className="absolute inset-y-0 w-px bg-ink" style={{ left: `${place(step) * 100}%` }} />
        {y !== null && (
          <div
            aria-hidden
            className="absolute size-2.5 -translate-x-1/2 -translate-y-1/2 rounded-full border-2 border-surface bg-accent"
            style={{ left: `${place(step) * 100}%`, top: `${(y / HEIGHT) * 100}%` }}
          />
        )}
      </div>
      <div className="flex justify-between gap-2 pt-0.5 text-2xs text-ink-3 tabular-nums">
        <span className="whitespace-nowrap">step {first}</span>
        <span className="min-w-0 truncate max-sm:hidden">
          mean reward
          {low < high && ` ${measure(low)} to ${measure(high)}`}; dashed: share of groups without variance, 0 to 1
        </span>
        <span className="whitespace-nowrap">step {last}</span>
      </div>
    </div>
  );
}

const yOf = (value: number, low: number, high: number): number =>
  high > low ? HEIGHT - PAD - ((value - low) / (high - low)) * (HEIGHT - 2 * PAD) : HEIGHT / 2;

/** Paths through the points, within fixed or their own limits. */
function draw(series: Steps["reward"], first: number, span: number, limits?: readonly [number, number]) {
  const { steps, values } = series;
  const low = limits?.[0] ?? values.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY);
  const high = limits?.[1] ?? values.reduce((most, one) => Math.max(most, one), Number.NEGATIVE_INFINITY);
  const points = steps.map((step, index) => {
    const x = ((step - first) / span) * WIDTH;
    const value = values[index] ?? 0;
    const y = yOf(value, low, high);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  if (points.length === 0) return { line: "", area: "", low: 0, high: 0 };
  const start = (((steps[0] ?? first) - first) / span) * WIDTH;
  const end = (((steps.at(-1) ?? first) - first) / span) * WIDTH;
  const line = `M${points.join("L")}`;
  return { line, area: `${line}L${end.toFixed(1)},${HEIGHT}L${start.toFixed(1)},${HEIGHT}Z`, low, high };
}
