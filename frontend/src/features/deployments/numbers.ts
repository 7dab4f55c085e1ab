/** Load as it is read: milliseconds, rates, shares. */
import { measure } from "@/lib/format";

export function ms(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  return value < 1000 ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms` : `${Number((value / 1000).toPrecision(3))} s`;
}

export const rate = (value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : value === 0 ? "0" : value < 10 ? value.toFixed(2) : measure(value);

export const percent = (value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : `${(value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
