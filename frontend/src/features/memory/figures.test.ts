import { expect, test } from "vitest";
import type { MemoryEstimate } from "./documents";
import { against, gigabytes, partsOf, verdict } from "./figures";

const GIB = 2 ** 30;
const ESTIMATE: MemoryEstimate = {
  totalBytes: 30 * GIB,
  parts: [
    { name: "weights", bytes: 8 * GIB },
    { name: "KV cache", bytes: String(22 * GIB) },
    { name: "reference_model", bytes: 0 },
  ],
  availableBytes: 80 * GIB,
  fits: true,
  basis: "its config.json",
  advice: null,
};

test("memory is told in the units of the cards", () => {
  expect([0, 1000, 3 * 2 ** 20, 1.5 * GIB, "85899345920", 640 * GIB].map(gigabytes)).toEqual([
    "0 MiB",
    "< 1 MiB",
    "3 MiB",
    "1.5 GiB",
    "80.0 GiB",
    "640 GiB",
  ]);
});

test("the largest part comes first, and parts of nothing are not drawn", () => {
  expect(partsOf(ESTIMATE)).toEqual([
    { name: "KV cache", value: 22 * GIB },
    { name: "Weights", value: 8 * GIB },
  ]);
});

test("what was measured is told as a share of the estimate", () => {
  expect(against(String(33 * GIB), ESTIMATE)).toBe("110 % of the estimate");
  expect(against(null, ESTIMATE)).toBeNull();
  expect(against(1, null)).toBeNull();
});

test("an estimate says whether there is room, where that is known", () => {
  expect(verdict(ESTIMATE)).toBe("About 30.0 GiB at the peak, of 80.0 GiB.");
  expect(verdict({ ...ESTIMATE, availableBytes: 24 * GIB, fits: false })).toBe(
    "About 30.0 GiB at the peak, and there are 24.0 GiB: it may run out of memory.",
  );
  expect(verdict({ ...ESTIMATE, availableBytes: null, fits: null })).toBe("About 30.0 GiB at the peak.");
});
