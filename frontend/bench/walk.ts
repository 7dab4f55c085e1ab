/** The same four lines for everybody: random walks of 100,000 points, and what the benchmark's program calls. */
export const CHARTS = 4;
export const POINTS = 100_000;
export const WIDTH = 560;
export const HEIGHT = 200;

export interface Bench {
  ready: boolean;
  /** So many points more for each chart, drawn in the next frame. */
  append: (points: number) => void;
  /** Look at a part of the axis, of 0 to 1. */
  zoom: (from: number, to: number) => void;
}

declare global {
  interface Window {
    bench: Bench;
  }
}

/** Mulberry32: the same walk each time. */
export function walk(seed: number): () => number {
  let state = seed;
  let at = 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    at += ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296 - 0.5;
    return at;
  };
}
