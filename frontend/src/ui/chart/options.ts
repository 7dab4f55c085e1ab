/** How uPlot is told to draw our frames: axes, series and bands, in the colours of the theme. */
import type uPlot from "uplot";
import { fade } from "./colors";
import type { ChartSeries } from "./series";

export interface Look {
  log: boolean;
  smoothed: boolean;
  /** What the y axis shows at least. */
  floor: number | null;
  ceiling: number | null;
  /** A broken line across, such as where an alarm begins. */
  limit: number | null;
  format: (value: number) => string;
  formatStep: (step: number) => string;
  /** The x axis counts milliseconds since 1970: its lines stand at whole minutes and hours. */
  clock: boolean;
}

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];
const CLOCK = [
  ...[1, 5, 15, 30].map((times) => times * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((times) => times * MINUTE),
  ...[1, 2, 3, 6, 12].map((times) => times * HOUR),
  ...[1, 2, 7, 14, 28].map((times) => times * DAY),
];

export const Y_WIDTH = 46;
const FONT = '11px "Inter Variable", Inter, system-ui, sans-serif';

interface Setting {
  look: Look;
  series: readonly ChartSeries[];
  color: (name: string) => string;
  range: () => [number, number];
  paths: { linear: uPlot.Series.PathBuilder | undefined; stepped: uPlot.Series.PathBuilder | undefined };
}

export function options(setting: Setting): Omit<uPlot.Options, "width" | "height"> {
  const { look, color } = setting;
  const axis = { stroke: color("--ink-3"), font: FONT, ticks: { show: false }, gap: 6 };
  const grid = { stroke: color("--line"), width: 1 };
  return {
    legend: { show: false },
    padding: [8, 10, 0, 0],
    scales: {
      x: { time: false, range: setting.range },
      y: { distr: look.log ? 3 : 1, range: (_, low, high) => yRange(look, low, high) },
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 56,
        grid: { show: false },
        ...(look.clock ? { incrs: CLOCK } : {}),
        values: (_, splits) => splits.map((step) => look.formatStep(step)),
      },
      {
        ...axis,
        size: Y_WIDTH,
        space: 28,
        grid,
        values: (_, splits) => splits.map((value) => (value === null ? "" : look.format(value))),
      },
    ],
    cursor: {
      y: false,
      points: { size: 6, width: 1.5, fill: color("--surface") },
      drag: { x: true, y: false, setScale: false, dist: 6 },
    },
    ...columns(setting),
  };
}

/** Of each series its band, its raw line and its smoothed line, in the order in which `cells` gives them. */
function columns({ series, look, color, paths }: Setting): { series: uPlot.Series[]; bands: uPlot.Band[] } {
  const drawn: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const one of series) {
    const stroke = color(one.color);
    const builder = one.stepped ? paths.stepped : paths.linear;
    const path = builder ? { paths: builder } : {};
    if (one.marks) {
      const points = { show: true, size: 7, fill: stroke, stroke: color("--surface"), width: 1.5 };
      drawn.push({ stroke, width: 0, paths: () => null, points });
      if (look.smoothed) drawn.push({ show: false });
      continue;
    }
    if (one.lower && one.upper) {
      bands.push({ series: [drawn.length + 1, drawn.length], fill: fade(stroke, look.smoothed ? 0.1 : 0.18) });
      const edge: uPlot.Series = { stroke: "transparent", width: 0, points: { show: false }, ...path };
      drawn.push(edge, { ...edge });
    }
    if (one.filled) {
      const below = drawn.length - 1;
      const fill = fade(stroke, 0.45);
      if (below > 0) bands.push({ series: [drawn.length, below], fill });
      drawn.push({ stroke, width: 1, points: { show: false }, ...(below > 0 ? {} : { fill }), ...path });
      continue;
    }
    const dash = one.dashed ? { dash: [5, 4] } : {};
    const raw = look.smoothed ? fade(stroke, 0.28) : stroke;
    drawn.push({ stroke: raw, width: look.smoothed ? 1 : 1.5, points: { size: 4, fill: raw, stroke: raw }, ...dash, ...path });
    if (look.smoothed) drawn.push({ stroke, width: 1.75, points: { show: false }, ...dash, ...path });
  }
  return { series: drawn, bands };
}

export function yRange(look: Look, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return look.log ? [0.1, 1] : [0, 1];
  if (look.log) {
    const least = low > 0 ? low : Math.max(high / 1e6, 1e-12);
    return least === high ? [least / 2, high * 2] : [10 ** Math.floor(Math.log10(least)), 10 ** Math.ceil(Math.log10(high))];
  }
  const from = Math.min(low, look.floor ?? low);
  const to = Math.max(high, look.ceiling ?? high);
  // A line that does not move stands in the middle.
  if (from === to && (from === look.floor || to === look.ceiling)) return [look.floor ?? from - 1, look.ceiling ?? to + 1];
  if (from === to) return from === 0 ? [-1, 1] : [from - Math.abs(from) * 0.1, to + Math.abs(to) * 0.1];
  const room = (to - from) * 0.06;
  return [from === look.floor ? from : from - room, to === look.ceiling ? to : to + room];
}
