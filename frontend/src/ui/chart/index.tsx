/** Charts. What draws them comes by itself when the first one is shown; its room is kept. */
import { lazy, Suspense } from "react";
import type { ChartProps } from "./LineChart";

const Drawn = lazy(() => import("./LineChart"));
const HEADER = 48;

export function Chart(props: ChartProps) {
  const height = (props.height ?? 180) + (props.bare ? 0 : HEADER);
  return (
    <Suspense fallback={<div className={props.className} style={{ height }} />}>
      <Drawn {...props} />
    </Suspense>
  );
}

export { ChartGroup, useCrosshair } from "./group";
export type { ChartProps } from "./LineChart";
export { Sparkline } from "./Sparkline";
export { type ChartSeries, type ChartSource, type Range, stacked } from "./series";
