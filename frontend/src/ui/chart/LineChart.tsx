import "uplot/dist/uPlot.min.css";
import { type KeyboardEvent, useEffect, useLayoutEffect, useReducer, useRef, useState } from "react";
import { measure } from "@/lib/format";
import { useShade } from "@/lib/theme";
import { cx } from "../cx";
import { ChartHeader } from "./ChartHeader";
import { ChartTable } from "./ChartTable";
import { axisNumber } from "./format";
import { useGroup } from "./group";
import { pressOn } from "./keys";
import { Legend, type Reading } from "./Legend";
import { Plot, shape } from "./plot";
import { type ChartSeries, type ChartSource, latest, type Range, readAt } from "./series";
import { summarize } from "./summary";

export interface ChartProps {
  /** What it shows: read aloud, and above it unless `bare`. */
  title: string;
  /** What is drawn; or `source`, for what changes many times a second. */
  series?: readonly ChartSeries[] | undefined;
  source?: ChartSource | undefined;
  height?: number | undefined;
  /** 0 to below 1: the smoothed line is drawn over the faint raw one. */
  smoothing?: number | undefined;
  log?: boolean | undefined;
  /** What the y axis shows at least. */
  floor?: number | undefined;
  ceiling?: number | undefined;
  /** A broken line across: where an alarm begins. */
  limit?: number | undefined;
  format?: ((value: number) => string) | undefined;
  /** What the x axis counts, such as `step`. */
  unit?: string | undefined;
  formatStep?: ((step: number) => string) | undefined;
  /** The x axis counts milliseconds since 1970. */
  clock?: boolean | undefined;
  /** Somebody looks at a part (null: at all): the moment to ask for its detail. Charts in a `ChartGroup` tell the group. */
  onZoom?: ((range: Range | null) => void) | undefined;
  onExpand?: (() => void) | undefined;
  actions?: React.ReactNode;
  /** What is shown while nobody looks closer, such as the same for all charts of a page; else what the lines cover. */
  span?: Range | null | undefined;
  /** Values under each line's colour alone: the page says elsewhere whose colour that is. */
  nameless?: boolean | undefined;
  /** Without title and legend. */
  bare?: boolean | undefined;
  /** Said where there are no points. */
  empty?: string | undefined;
  className?: string | undefined;
}

const NONE: readonly ChartSeries[] = [];
const SUMMARY_MS = 5000;

export default function LineChart(props: ChartProps) {
  const { title, source, height = 180, smoothing = 0, log = false, unit = "step", bare = false, span = null } = props;
  const format = props.format ?? measure;
  const formatStep = props.formatStep ?? axisNumber;
  const group = useGroup(props.onZoom);
  const shade = useShade();
  const read = source ? source.read : () => props.series ?? NONE;
  const series = read();
  // Points come past React; only another set of lines goes through it.
  const form = shape(series);
  const [, reshape] = useReducer((count: number) => count + 1, 0);
  const [empty, setEmpty] = useState(() => series.every((one) => latest(one) === null));
  const [asTable, setAsTable] = useState(false);
  const [summary, setSummary] = useState("");
  const [spoken, setSpoken] = useState("");
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const legend = useRef<((reading: Reading) => void) | null>(null);
  const context = useRef({ read, group, format, formatStep, unit, span });
  context.current = { read, group, format, formatStep, unit, span };

  const onRead = (step: number | null) => {
    legend.current?.({
      step,
      values: context.current.read().map((one) => {
        if (step === null) return { raw: latest(one), smooth: null };
        const raw = readAt(one, step);
        return { raw, smooth: raw !== null && plot.current?.smoothed ? plot.current.smoothAt(one, step) : null };
      }),
    });
  };
  const onReadNow = useRef(onRead);
  onReadNow.current = onRead;

  // biome-ignore lint/correctness/useExhaustiveDependencies: `form` and `shade` say when what was built no longer fits
  useLayoutEffect(() => {
    if (!host.current) return;
    const made = new Plot(
      host.current,
      {
        read: () => context.current.read(),
        span: () => context.current.span,
        weight: smoothing,
        crosshair: context.current.group.crosshair,
        height,
        look: {
          log,
          smoothed: smoothing > 0,
          floor: props.floor ?? null,
          ceiling: props.ceiling ?? null,
          limit: props.limit ?? null,
          format: props.format ?? axisNumber,
          formatStep: (step) => context.current.formatStep(step),
          clock: props.clock ?? false,
        },
      },
      {
        onRange: (range) => context.current.group.setRange(range),
        onRead: (step) => onReadNow.current(step),
        onReshaped: reshape,
        onEmpty: setEmpty,
      },
    );
    made.setRange(context.current.group.range);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [form, shade, log, smoothing, height, props.floor, props.ceiling, props.limit, props.clock, group.crosshair, asTable]);

  useEffect(() => plot.current?.setRange(group.range), [group.range]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is read anew when it is drawn
  useEffect(() => plot.current?.touch(), [span?.[0], span?.[1]]);
  useEffect(() => {
    if (!source && props.series) plot.current?.touch();
  }, [source, props.series]);
  useEffect(() => source?.subscribe(() => plot.current?.touch("live")), [source]);
  // Another source with the same lines has other points.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the change of it is the reason
  useEffect(() => plot.current?.touch(), [source]);
  // The sentence is for those who ask for it: it need not keep up with every point.
  // biome-ignore lint/correctness/useExhaustiveDependencies: other points or lines are another sentence
  useEffect(() => {
    let due: ReturnType<typeof setTimeout> | undefined;
    const say = () => {
      due = undefined;
      const { read, format, formatStep, unit } = context.current;
      setSummary(summarize(read(), format, formatStep, unit));
    };
    say();
    const stop = source?.subscribe(() => {
      due ??= setTimeout(say, SUMMARY_MS);
    });
    return () => {
      clearTimeout(due);
      stop?.();
    };
  }, [source, props.series, form, unit]);

  const speak = () => {
    const step = group.crosshair.step;
    if (step === null) return;
    const values = read().map((one) => `${one.label} ${format(readAt(one, step) ?? Number.NaN)}`);
    setSpoken(`${unit} ${formatStep(step)}: ${values.join(", ")}`);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const chart = plot.current;
    if (!chart || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!pressOn(chart, group, event.key, event.shiftKey)) return;
    event.preventDefault();
    speak();
  };

  return (
    <figure aria-label={title} className={cx("group/chart min-w-0", props.className)}>
      {!bare && (
        <ChartHeader
          title={title}
          asTable={asTable}
          onTable={() => setAsTable(!asTable)}
          onReset={group.range ? () => group.setRange(null) : undefined}
          onExpand={props.onExpand}
          actions={props.actions}
        />
      )}
      {!bare && (
        <Legend
          nameless={props.nameless ?? false}
          series={series}
          unit={unit}
          format={format}
          formatStep={formatStep}
          ref={legend}
        />
      )}
      {asTable ? (
        <ChartTable
          title={title}
          series={series}
          range={group.range}
          unit={unit}
          format={format}
          formatStep={formatStep}
          height={height}
        />
      ) : (
        <div className="relative" style={{ height }}>
          <div
            ref={host}
            role="img"
            aria-label={`${title}. ${summary}`}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: arrows move its crosshair, plus and minus zoom
            tabIndex={0}
            onKeyDown={onKeyDown}
            className="size-full rounded-md outline-offset-2"
          />
          {empty && (
            <p className="pointer-events-none absolute inset-0 flex items-center justify-center pb-6 pl-10 text-center text-ink-3 text-xs">
              {props.empty ?? "No values yet"}
            </p>
          )}
        </div>
      )}
      <p aria-live="polite" className="sr-only">
        {spoken}
      </p>
    </figure>
  );
}
