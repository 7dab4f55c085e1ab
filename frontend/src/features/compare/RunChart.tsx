import { useMemo } from "react";
import { AXIS_UNITS, drawn, formatAxis, type MetricStore, sourceOf, type VIEW } from "@/features/job/overview";
import { Chart, type Range } from "@/ui/chart";

export interface DrawnRun {
  id: string;
  name: string;
  color: string;
  store: MetricStore;
}

interface RunChartProps {
  metric: string;
  runs: readonly DrawnRun[];
  smoothing: number;
  log: boolean;
  axis: (typeof VIEW)["x"]["initial"];
  height?: number;
}

/** All steps of all runs, so that one crosshair stands at one place in all charts. */
function span(runs: readonly DrawnRun[]): Range | null {
  const last = Math.max(0, ...runs.map((run) => run.store.lastStep));
  return last > 1 ? [1, last] : null;
}

/** One metric of all runs over each other. */
export function RunChart({ metric, runs, smoothing, log, axis, height = 200 }: RunChartProps) {
  const source = useMemo(
    () =>
      sourceOf(
        runs.map((run) => run.store),
        (scales) =>
          runs.flatMap(({ id, name, color, store }, index) => {
            const series = drawn(store, { key: metric, label: name, color }, scales[index] ?? null);
            // One key a run: a line is the run's, whatever the metric.
            return series ? [{ ...series, key: id }] : [];
          }),
        axis,
      ),
    [metric, runs, axis],
  );
  return (
    <Chart
      title={metric}
      source={source}
      height={height}
      smoothing={smoothing}
      log={log}
      unit={AXIS_UNITS[axis]}
      formatStep={formatAxis[axis]}
      span={axis === "step" ? span(runs) : null}
      nameless
      empty="None of these runs reports it"
    />
  );
}
