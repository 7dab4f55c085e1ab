import { type Ref, useImperativeHandle, useRef } from "react";
import type { ChartSeries } from "./series";

export interface Reading {
  step: number | null;
  values: readonly { raw: number | null; smooth: number | null }[];
}

interface LegendProps {
  nameless: boolean;
  series: readonly ChartSeries[];
  unit: string;
  format: (value: number) => string;
  formatStep: (step: number) => string;
  ref: Ref<(reading: Reading) => void>;
}

/** What each line is, and its value under the crosshair or the newest one. Written past React: it changes with each move of the mouse. */
export function Legend({ nameless, series, unit, format, formatStep, ref }: LegendProps) {
  const values = useRef(new Map<number, HTMLElement>());
  const step = useRef<HTMLSpanElement>(null);
  useImperativeHandle(
    ref,
    () => (reading) => {
      reading.values.forEach(({ raw, smooth }, index) => {
        const text = smooth !== null ? format(smooth) : raw === null ? "–" : format(raw);
        const at = values.current.get(index);
        if (at && at.textContent !== text) at.textContent = text;
      });
      const text = reading.step === null ? "" : `${unit} ${formatStep(reading.step)}`;
      if (step.current && step.current.textContent !== text) step.current.textContent = text;
    },
    [unit, format, formatStep],
  );
  return (
    <div aria-hidden className="flex h-5 items-center gap-2.5 overflow-hidden whitespace-nowrap text-2xs text-ink-3">
      {series.map((one, index) => (
        <span key={one.key} title={nameless ? one.label : undefined} className="flex min-w-0 items-center gap-1">
          <svg aria-hidden width="10" height="6" className="shrink-0">
            {one.marks ? (
              <circle cx="5" cy="3" r="2.5" style={{ fill: `var(${one.color})` }} />
            ) : (
              <line
                x1="0"
                x2="10"
                y1="3"
                y2="3"
                strokeWidth="2"
                {...(one.dashed ? { strokeDasharray: "4 2" } : {})}
                style={{ stroke: `var(${one.color})` }}
              />
            )}
          </svg>
          {!nameless && (
            <span className="truncate" title={one.label}>
              {one.label}
            </span>
          )}
          <span
            ref={(element) => {
              if (element) values.current.set(index, element);
              else values.current.delete(index);
            }}
            className="min-w-[7ch] shrink-0 font-medium text-ink tabular-nums"
          />
        </span>
      ))}
      <span ref={step} className="ml-auto tabular-nums" />
    </div>
  );
}
