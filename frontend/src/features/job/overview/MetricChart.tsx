import { memo, useMemo } from "react";
import { Chart } from "@/ui/chart";
import { useLimits } from "./alarms";
import { AXIS_UNITS, type AxisName, formatAxis } from "./axis";
import type { MetricStore } from "./columns";
import { sourceOf } from "./lines";
import { type ChartSpec, seriesOf } from "./section";

export interface Look {
  smoothing: number;
  log: boolean;
  axis: AxisName;
}

interface MetricChartProps {
  store: MetricStore;
  spec: ChartSpec;
  look: Look;
  height?: number;
  /** Stays the same function, so that a chart is rendered again only where it is another. */
  onExpand?: ((id: string) => void) | undefined;
}

/** One chart of a run; its points come past React. */
export const MetricChart = memo(function MetricChart({ store, spec, look, height = 168, onExpand }: MetricChartProps) {
  const limits = useLimits();
  const source = useMemo(
    () => sourceOf([store], ([scale]) => seriesOf(store, spec, scale ?? null), look.axis),
    [store, spec, look.axis],
  );
  return (
    <Chart
      title={spec.title}
      source={source}
      height={height}
      smoothing={look.smoothing}
      log={look.log && !spec.linear}
      floor={spec.floor}
      ceiling={spec.ceiling}
      limit={spec.limit ? limits[spec.limit] : undefined}
      format={spec.format}
      unit={AXIS_UNITS[look.axis]}
      formatStep={formatAxis[look.axis]}
      onExpand={onExpand && (() => onExpand(spec.id))}
    />
  );
});
