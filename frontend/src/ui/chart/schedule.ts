/** One loop draws all charts: once a frame at most, the seen ones only, and never so long that the page stutters. */

export interface Drawable {
  draw: () => void;
  /** Whether it is on the screen. */
  seen: () => boolean;
}

/** What comes in live is drawn this often; what somebody does is drawn in the next frame. */
export const LIVE_MS = 250;
const BUDGET_MS = 8;

const urgent = new Set<Drawable>();
const live = new Map<Drawable, number>();
const drawnAt = new WeakMap<Drawable, number>();
let ticking = false;

export function request(chart: Drawable, mode: "now" | "live" = "now"): void {
  if (mode === "now") urgent.add(chart);
  else if (!live.has(chart)) live.set(chart, (drawnAt.get(chart) ?? 0) + LIVE_MS);
  if (!ticking && (urgent.size > 0 || mode === "live")) start(mode);
}

export function forget(chart: Drawable): void {
  urgent.delete(chart);
  live.delete(chart);
}

function start(mode: "now" | "live"): void {
  if (mode === "now") {
    ticking = true;
    requestAnimationFrame(tick);
  } else wake();
}

let waking: ReturnType<typeof setTimeout> | undefined;

/** Sleep until the next live chart is due, rather than looking in each frame. */
function wake(): void {
  if (waking !== undefined || live.size === 0) return;
  const due = Math.min(...live.values());
  waking = setTimeout(
    () => {
      waking = undefined;
      if (ticking) return;
      ticking = true;
      requestAnimationFrame(tick);
    },
    Math.max(0, due - performance.now()),
  );
}

function tick(): void {
  const began = performance.now();
  const queue = [...urgent];
  for (const [chart, due] of live) if (due <= began && !urgent.has(chart)) queue.push(chart);
  for (const chart of queue) {
    if (performance.now() - began > BUDGET_MS) break;
    urgent.delete(chart);
    live.delete(chart);
    // Those out of sight are drawn when they come into it.
    if (!chart.seen()) continue;
    drawnAt.set(chart, began);
    chart.draw();
  }
  if (urgent.size > 0) requestAnimationFrame(tick);
  else {
    ticking = false;
    wake();
  }
}
