/** One chart on a canvas: takes series, thins them to its pixels, and draws when the schedule says so. No React in here. */
import uPlot from "uplot";
import { readColors } from "./colors";
import { type Cell, type Frame, frame } from "./decimate";
import type { Crosshair } from "./group";
import { type Look, options, Y_WIDTH } from "./options";
import { forget, request } from "./schedule";
import { type ChartSeries, closest, extent, latest, type Range, size } from "./series";
import { Smoother } from "./smooth";

export interface PlotEvents {
  onRange: (range: Range | null) => void;
  /** After each drawing and each move of the crosshair; null is nowhere. */
  onRead: (step: number | null) => void;
  /** There are other lines than those that it was made for: it must be made anew. */
  onReshaped: () => void;
  onEmpty: (empty: boolean) => void;
}

/** What a plot is made for. The points of its lines may change, this may not. */
export const shape = (series: readonly ChartSeries[]): string =>
  series
    .map(({ key, label, color, lower, upper, dashed, filled, stepped, marks }) =>
      [key, label, color, Boolean(lower && upper), dashed, filled, stepped, marks].join("|"),
    )
    .join("\n");

export class Plot {
  private readonly plot: uPlot;
  private readonly smoothers = new Map<string, Smoother>();
  private readonly weight: number;
  private readonly crosshair: Crosshair;
  private readonly events: PlotEvents;
  private readonly stops: (() => void)[] = [];
  private readonly read: () => readonly ChartSeries[];
  private readonly span: () => Range | null;
  private readonly made: string;
  private series: readonly ChartSeries[];
  private range: Range | null = null;
  private shown: Range = [0, 1];
  private visible = false;
  private stale = true;

  constructor(
    host: HTMLElement,
    setting: {
      read: () => readonly ChartSeries[];
      span: () => Range | null;
      look: Look;
      weight: number;
      crosshair: Crosshair;
      height: number;
    },
    events: PlotEvents,
  ) {
    this.read = setting.read;
    this.span = setting.span;
    this.series = setting.read();
    this.made = shape(this.series);
    this.weight = setting.weight;
    this.crosshair = setting.crosshair;
    this.events = events;
    const color = readColors(["--ink-3", "--line", "--surface", "--warn", ...this.series.map((one) => one.color)]);
    const made = options({
      look: setting.look,
      series: this.series,
      color,
      range: () => [this.shown[0], this.shown[1]],
      paths: { linear: uPlot.paths.linear?.(), stepped: uPlot.paths.stepped?.({ align: 1 }) },
    });
    this.plot = new uPlot(
      {
        ...made,
        width: Math.max(80, host.clientWidth),
        height: setting.height,
        hooks: {
          setSelect: [() => this.selected()],
          draw: [(plot) => drawLimit(plot, setting.look, color("--warn"))],
        },
      },
      cells({ x: [], series: this.series.map(() => ({ values: [], smooth: [], lower: [], upper: [] })), thinned: false }, this),
      host,
    );
    this.plot.root.setAttribute("aria-hidden", "true");
    this.listen(host);
  }

  get smoothed(): boolean {
    return this.weight > 0;
  }

  get drawnSeries(): readonly ChartSeries[] {
    return this.series;
  }

  /** Its points have changed. */
  touch(mode: "now" | "live" = "now"): void {
    this.stale = true;
    if (this.visible) request(this, mode);
  }

  setRange(range: Range | null): void {
    if (range?.[0] === this.range?.[0] && range?.[1] === this.range?.[1]) return;
    this.range = range;
    this.touch();
  }

  seen = (): boolean => this.visible;

  draw = (): void => {
    this.stale = false;
    this.series = this.read();
    if (shape(this.series) !== this.made) {
      this.events.onReshaped();
      return;
    }
    this.events.onEmpty(this.series.every((one) => latest(one) === null));
    const range = this.range ?? this.span() ?? extent(this.series) ?? [0, 1];
    this.shown = range[0] === range[1] ? [range[0] - 0.5, range[1] + 0.5] : range;
    const pixels = Math.max(40, Math.floor(this.plot.width - Y_WIDTH - 10));
    const inputs = this.series.map((series) => ({ series, smooth: this.smooth(series) }));
    const drawn = cells(frame(inputs, this.shown, pixels), this);
    // In a batch the scales are new at once, and the crosshair stands where it belongs.
    this.plot.batch(() => this.plot.setData(drawn, true));
    this.follow(this.crosshair.step);
  };

  /** What the crosshair reads of a series whose line is smoothed. */
  smoothAt(series: ChartSeries, step: number): number | null {
    const index = closest(series, step);
    const value = index < 0 ? undefined : this.smooth(series)?.[index];
    return value === undefined || Number.isNaN(value) ? null : value;
  }

  /** Move the crosshair by so many points of the first series that has any. */
  move(by: number): void {
    const series = this.series.find((one) => size(one) > 0);
    if (!series) return;
    const at = this.crosshair.step;
    const index = at === null ? (by > 0 ? -1 : size(series)) : closest(series, at);
    const to = Math.max(0, Math.min(size(series) - 1, index + by));
    this.crosshair.move(series.steps[to] as number);
  }

  /** Show less (below 1) or more (above 1), round the crosshair or the middle. */
  zoom(factor: number): void {
    const whole = this.span() ?? extent(this.series);
    if (!whole) return;
    const [from, to] = this.shown;
    const at = this.crosshair.step;
    const pivot = at !== null && at >= from && at <= to ? at : (from + to) / 2;
    const next: Range = [Math.max(whole[0], pivot - (pivot - from) * factor), Math.min(whole[1], pivot + (to - pivot) * factor)];
    if (next[0] <= whole[0] && next[1] >= whole[1]) this.events.onRange(null);
    else if (next[1] - next[0] > 1e-9) this.events.onRange(next);
  }

  destroy(): void {
    forget(this);
    for (const stop of this.stops) stop();
    this.plot.destroy();
  }

  private smooth(series: ChartSeries): Float64Array | null {
    if (this.weight <= 0 || series.filled) return null;
    let smoother = this.smoothers.get(series.key);
    if (!smoother) {
      smoother = new Smoother(this.weight);
      this.smoothers.set(series.key, smoother);
    }
    return smoother.run(series.values, size(series));
  }

  private follow = (step: number | null): void => {
    if (!this.visible) return;
    const inside = step !== null && step >= this.shown[0] && step <= this.shown[1];
    this.plot.setCursor({ left: inside ? this.plot.valToPos(step, "x") : -10, top: inside ? 0 : -10 }, false);
    this.events.onRead(step);
  };

  private selected(): void {
    const { left, width } = this.plot.select;
    if (width <= 0) return;
    const from = this.plot.posToVal(left, "x");
    const to = this.plot.posToVal(left + width, "x");
    this.plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.crosshair.move(null);
    this.events.onRange([from, to]);
  }

  private listen(host: HTMLElement): void {
    const over = this.plot.over;
    const move = (event: PointerEvent) => {
      const at = this.plot.posToVal(event.offsetX, "x");
      const series = this.series.find((one) => size(one) > 0);
      const index = series ? closest(series, at) : -1;
      this.crosshair.move(series && index >= 0 ? (series.steps[index] as number) : null);
    };
    const leave = () => this.crosshair.move(null);
    const reset = () => {
      this.crosshair.move(null);
      this.events.onRange(null);
    };
    over.addEventListener("pointermove", move);
    over.addEventListener("pointerleave", leave);
    over.addEventListener("dblclick", reset);
    const sight = new IntersectionObserver(
      (entries) => {
        this.visible = entries.at(-1)?.isIntersecting ?? false;
        if (this.visible && this.stale) request(this);
      },
      { rootMargin: "80px" },
    );
    sight.observe(host);
    const room = new ResizeObserver(() => {
      const width = Math.max(80, host.clientWidth);
      if (width === this.plot.width && host.clientHeight === this.plot.height) return;
      this.plot.setSize({ width, height: host.clientHeight });
      this.touch();
    });
    room.observe(host);
    this.stops.push(
      this.crosshair.subscribe(this.follow),
      () => sight.disconnect(),
      () => room.disconnect(),
    );
  }
}

/** A frame in the order of `options`. */
function cells(drawn: Frame, plot: { smoothed: boolean; drawnSeries: readonly ChartSeries[] }): uPlot.AlignedData {
  const rows: Cell[][] = [];
  drawn.series.forEach((one, at) => {
    const series = plot.drawnSeries[at];
    if (series?.lower && series.upper) rows.push(one.lower ?? [], one.upper ?? []);
    rows.push(one.values);
    if (plot.smoothed && !series?.filled) rows.push(one.smooth ?? []);
  });
  return [drawn.x, ...rows];
}

function drawLimit(plot: uPlot, look: Look, color: string): void {
  const scale = plot.scales.y;
  if (look.limit === null || !scale || look.limit < (scale.min ?? 0) || look.limit > (scale.max ?? 0)) return;
  const { ctx, bbox } = plot;
  const y = Math.round(plot.valToPos(look.limit, "y", true)) + 0.5;
  ctx.save();
  ctx.strokeStyle = color;
  ctx.lineWidth = uPlot.pxRatio;
  ctx.setLineDash([3 * uPlot.pxRatio, 4 * uPlot.pxRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}
