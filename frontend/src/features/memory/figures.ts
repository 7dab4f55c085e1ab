/** Memory in the units that graphics cards are sold in, and how an estimate held against what was measured. */
import type { Part } from "@/ui/StackedBar";
import type { MemoryEstimate } from "./documents";

/** A card of 80 GB has 80 × 2^30 bytes: in powers of 1000 an estimate would not stand beside it. */
export function gigabytes(bytes: number | string): string {
  const size = Number(bytes) / 2 ** 30;
  if (size >= 100) return `${Math.round(size)} GiB`;
  if (size >= 1) return `${size.toFixed(1)} GiB`;
  const megabytes = size * 1024;
  return megabytes >= 1 || megabytes === 0 ? `${Math.round(megabytes)} MiB` : "< 1 MiB";
}

/** A short form that is written in capitals stays so. */
const named = (name: string): string => `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll("_", " ")}`;

/** The parts as they are drawn, the largest first; those of nothing are left out. */
export const partsOf = ({ parts }: MemoryEstimate): Part[] =>
  parts
    .map((one) => ({ name: named(one.name), value: Number(one.bytes) }))
    .filter((one) => one.value > 0)
    .toSorted((a, b) => b.value - a.value);

/** `1.2 times what was estimated`; null where one of them is not known. */
export function against(measured: number | string | null, estimate: MemoryEstimate | null): string | null {
  if (measured === null || !estimate || Number(estimate.totalBytes) <= 0) return null;
  const share = Number(measured) / Number(estimate.totalBytes);
  return `${Math.round(share * 100)} % of the estimate`;
}

/** What the estimate says of the hardware, in a sentence. */
export function verdict({ totalBytes, availableBytes, fits }: MemoryEstimate): string {
  const total = gigabytes(totalBytes);
  if (availableBytes === null || fits === null) return `About ${total} at the peak.`;
  const room = gigabytes(availableBytes);
  return fits
    ? `About ${total} at the peak, of ${room}.`
    : `About ${total} at the peak, and there are ${room}: it may run out of memory.`;
}
