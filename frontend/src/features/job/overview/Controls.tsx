import { ZoomOut } from "lucide-react";
import { type ReactNode, useId } from "react";
import type { SetUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { Select } from "@/ui/Field";
import { AXES, AXIS_LABELS, type AxisName } from "./axis";
import { rangeOf, smoothingOf, type VIEW } from "./view";

interface ControlsProps {
  view: { smooth: number | null; log: boolean; x: AxisName; from: number | null; to: number | null };
  setView: SetUrlState<typeof VIEW>;
  children?: ReactNode;
}

/** How all charts of the page are drawn. */
export function Controls({ view, setView, children }: ControlsProps) {
  const id = useId();
  const smoothing = smoothingOf(view);
  return (
    <div className="flex min-h-8 flex-wrap items-center gap-x-4 gap-y-2 text-xs">
      <label htmlFor={`${id}-smooth`} className="flex items-center gap-2 text-ink-2">
        Smoothing
        <input
          id={`${id}-smooth`}
          type="range"
          min={0}
          max={0.99}
          step={0.01}
          value={smoothing}
          onChange={(event) => setView({ smooth: Number(event.target.value) })}
          className="w-24 accent-accent"
        />
        <span className="w-7 text-ink tabular-nums">{smoothing.toFixed(2)}</span>
      </label>
      <label className="flex items-center gap-1.5 text-ink-2">
        <input
          type="checkbox"
          checked={view.log}
          onChange={(event) => setView({ log: event.target.checked })}
          className="size-3.5 accent-accent"
        />
        Log scale
      </label>
      <label htmlFor={`${id}-x`} className="flex items-center gap-2 text-ink-2">
        X axis
        <Select
          id={`${id}-x`}
          value={view.x}
          onChange={(event) => {
            const x = AXES.find((one) => one === event.target.value);
            // A part of one axis is not the same part of another.
            if (x) setView({ x, from: null, to: null });
          }}
          className="!h-7 !w-auto text-xs"
        >
          {AXES.map((axis) => (
            <option key={axis} value={axis}>
              {AXIS_LABELS[axis]}
            </option>
          ))}
        </Select>
      </label>
      <Button
        size="sm"
        tone="ghost"
        disabled={!rangeOf(view)}
        icon={<ZoomOut aria-hidden className="size-3.5" />}
        onClick={() => setView({ from: null, to: null })}
      >
        Show all
      </Button>
      <span className="flex-1" />
      <div className="flex flex-wrap items-center gap-1.5">{children}</div>
    </div>
  );
}
