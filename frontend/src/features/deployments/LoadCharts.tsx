import { useMemo } from "react";
import { dateTime, timeOfDay } from "@/lib/format";
import { Chart, type ChartSeries, type Range } from "@/ui/chart";
import { Panel } from "@/ui/Panel";
import { CHARTS, REPLICAS } from "./charts";
import { type Deployment, isActive } from "./queries";
import type { Samples } from "./samples";
import { type Decision, desiredOver } from "./scaling";
import { readiness, wantedOf } from "./timeline";

const DAY_MS = 86_400_000;
const MINUTES_MS = 5 * 60_000;

/** An axis has room for hours and minutes; of several days it says which, and of a few minutes the second. */
export const clockOf =
  ([from, to]: Range) =>
  (at: number): string =>
    to - from > DAY_MS
      ? dateTime(new Date(at))
          .replace(/ \d{4},/, "")
          .replace(/:\d\d$/, "")
      : timeOfDay(new Date(at)).slice(0, to - from < MINUTES_MS ? 8 : 5);

interface Props {
  deployment: Deployment;
  samples: Samples;
  span: Range;
}

/** The load over one axis of time, each line beside what it is to keep within. */
export function LoadCharts({ deployment, samples, span }: Props) {
  const { targetRps, targetLatencyP95Ms } = deployment;
  const sources = useMemo(
    () => CHARTS.map(({ drawn, target }) => samples.source(drawn, target?.({ targetRps, targetLatencyP95Ms }))),
    [samples, targetRps, targetLatencyP95Ms],
  );
  return (
    <div className="grid gap-3 md:grid-cols-2 xl:grid-cols-3">
      {CHARTS.map((one, index) => (
        <Panel key={one.title}>
          <Chart
            title={one.title}
            source={sources[index]}
            format={one.format}
            formatStep={clockOf(span)}
            unit="time"
            clock
            span={span}
            floor={0}
            ceiling={one.ceiling}
            height={150}
            empty={isActive(deployment.status) ? "Nothing was asked in this time." : "Nothing was asked."}
          />
        </Panel>
      ))}
    </div>
  );
}

/** How many replicas were wanted, how many answered, and when that was decided. */
export function ReplicaChart({ deployment, samples, span, decisions }: Props & { decisions: readonly Decision[] }) {
  const [from, to] = span;
  const born = Date.parse(deployment.createdAt);
  const wanted = wantedOf(deployment);
  const { ready } = readiness(deployment);
  const source = useMemo(() => {
    const desired: ChartSeries = {
      key: "desired",
      label: "desired",
      color: "--run-2",
      dashed: true,
      stepped: true,
      ...desiredOver(decisions, wanted, [Math.max(from, born), to]),
    };
    const shown = decisions.filter((one) => Date.parse(one.at) >= from && Date.parse(one.at) <= to).toReversed();
    const decided: ChartSeries = {
      key: "decided",
      label: "decided",
      color: "--run-1",
      marks: true,
      steps: shown.map((one) => Date.parse(one.at)),
      values: shown.map((one) => one.to),
    };
    const source = samples.source(REPLICAS, undefined, () => [desired, decided]);
    return {
      ...source,
      // Where nothing changes there is a sample a minute: what answers now is known better.
      read: () => source.read().map((one) => (one.key === "replicasReady" ? prolonged(one, to, ready) : one)),
    };
  }, [ready, samples, decisions, wanted, born, from, to]);
  return (
    <Chart
      title="Wanted and ready"
      source={source}
      format={String}
      formatStep={clockOf(span)}
      unit="time"
      clock
      span={span}
      floor={0}
      ceiling={Math.max(1, deployment.maxReplicas)}
      height={120}
    />
  );
}

/** A line in steps up to a moment. */
function prolonged(line: ChartSeries, to: number, value: number): ChartSeries {
  const steps = Array.from(line.steps);
  if ((steps.at(-1) ?? to) >= to) return line;
  return { ...line, steps: [...steps, to], values: [...Array.from(line.values), value] };
}
