/** Charts of one page share a crosshair and what part of the axis they show. */
import { createContext, type ReactNode, useContext, useMemo, useRef, useState } from "react";
import type { Range } from "./series";

export class Crosshair {
  private listeners = new Set<(step: number | null) => void>();
  private frame = 0;
  step: number | null = null;

  /** Put it somewhere, or nowhere; all charts follow in the next frame. */
  move(step: number | null): void {
    if (step === this.step) return;
    this.step = step;
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      for (const listener of this.listeners) listener(this.step);
    });
  }

  subscribe(listener: (step: number | null) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

export interface Group {
  crosshair: Crosshair;
  /** What is shown of the x axis; null is all. */
  range: Range | null;
  setRange: (range: Range | null) => void;
}

const Shared = createContext<Group | null>(null);

interface ChartGroupProps {
  /** Where the owner keeps the range, such as in the URL. */
  range?: Range | null | undefined;
  onRange?: ((range: Range | null) => void) | undefined;
  children: ReactNode;
}

export function ChartGroup({ range, onRange, children }: ChartGroupProps) {
  return <Shared value={useOwnGroup(range, onRange)}>{children}</Shared>;
}

function useOwnGroup(range: Range | null | undefined, onRange: ((range: Range | null) => void) | undefined): Group {
  const [crosshair] = useState(() => new Crosshair());
  const [own, setOwn] = useState<Range | null>(null);
  const latest = useRef(onRange);
  latest.current = onRange;
  const shown = range === undefined ? own : range;
  const [from, to] = shown ?? [null, null];
  return useMemo(
    () => ({
      crosshair,
      range: from === null || to === null ? null : ([from, to] as const),
      setRange: (next) => {
        setOwn(next);
        latest.current?.(next);
      },
    }),
    [crosshair, from, to],
  );
}

/** The group round a chart, or one of its own. */
export function useGroup(onZoom: ((range: Range | null) => void) | undefined): Group {
  const shared = useContext(Shared);
  const own = useOwnGroup(undefined, shared ? undefined : onZoom);
  return shared ?? own;
}

/** The crosshair of the group, for what is no chart and shows the same axis; none outside of a group. */
export const useCrosshair = (): Crosshair | undefined => useContext(Shared)?.crosshair;
