/** Costs of a span as stacked bars: a bar an hour, day or month, a part for each of the largest, the rest together. */
import { micros } from "@/lib/money";

export interface Bucket {
  startsAt: string;
  key: string;
  amount: string;
}

export interface Part {
  key: string;
  total: bigint;
}

export interface Bar {
  startsAt: string;
  total: bigint;
  /** In the order of the parts. */
  amounts: bigint[];
}

export interface Stack {
  parts: Part[];
  bars: Bar[];
  highest: bigint;
  total: bigint;
}

export const REST = "\u0000rest";
const PARTS = 8;

export function stack(buckets: readonly Bucket[], beginnings: readonly string[]): Stack {
  const totals = new Map<string, bigint>();
  for (const { key, amount } of buckets) totals.set(key, (totals.get(key) ?? 0n) + micros(amount));
  const ranked = [...totals].sort(([a, x], [b, y]) => (x === y ? a.localeCompare(b) : x < y ? 1 : -1));
  const shown = ranked.length > PARTS ? ranked.slice(0, PARTS - 1) : ranked;
  const rest = ranked.slice(shown.length).reduce((sum, [, amount]) => sum + amount, 0n);
  const parts: Part[] = shown.map(([key, total]) => ({ key, total }));
  if (ranked.length > shown.length) parts.push({ key: REST, total: rest });
  const place = new Map(parts.map(({ key }, index) => [key, index]));
  const bars = new Map(
    beginnings.map((startsAt): [number, Bar] => [Date.parse(startsAt), { startsAt, total: 0n, amounts: parts.map(() => 0n) }]),
  );
  for (const { startsAt, key, amount } of buckets) {
    const bar = bars.get(Date.parse(startsAt));
    const index = place.get(key) ?? parts.length - 1;
    if (!bar) continue;
    bar.amounts[index] = (bar.amounts[index] ?? 0n) + micros(amount);
    bar.total += micros(amount);
  }
  const all = [...bars.values()];
  return {
    parts,
    bars: all,
    highest: highest(all),
    total: ranked.reduce((sum, [, amount]) => sum + amount, 0n),
  };
}

function highest(bars: readonly Bar[]): bigint {
  let most = 0n;
  for (const { total } of bars) if (total > most) most = total;
  return most;
}

/** A round amount at or above the highest bar: 1, 2 or 5 times a power of ten. */
export function ceiling(amount: bigint): bigint {
  if (amount <= 0n) return 1n;
  for (let power = 1n; ; power *= 10n) for (const step of [1n, 2n, 5n]) if (step * power >= amount) return step * power;
}
