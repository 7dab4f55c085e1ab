import { expect, test } from "vitest";
import { decimal, exactUsd, fraction, micros, sum } from "./money";

test.each([
  ["0", 0n, "0.00", "$0.00"],
  ["-0.002109", -2109n, "-0.002109", "−$0.002109"],
  ["1.5", 1_500_000n, "1.50", "$1.50"],
  ["1234567.89", 1_234_567_890_000n, "1234567.89", "$1,234,567.89"],
  ["0.1000", 100_000n, "0.10", "$0.10"],
  ["999.999999", 999_999_999n, "999.999999", "$999.999999"],
  ["-1000", -1_000_000_000n, "-1000.00", "−$1,000.00"],
  ["0.123400", 123_400n, "0.1234", "$0.1234"],
])("%s is exact", (amount, expected, written, shown) => {
  expect(micros(amount)).toBe(expected);
  expect(decimal(expected)).toBe(written);
  expect(exactUsd(amount)).toBe(shown);
});

test.each(["", "1e3", "NaN", "1.", ".5", "0.0000001", "1,5"])("%j is no amount", (text) => {
  expect(() => micros(text)).toThrow("not an amount of money");
});

test("sums do not drift", () => {
  expect(exactUsd(sum(Array.from({ length: 10 }, () => "0.1")))).toBe("$1.00");
  expect(exactUsd(null)).toBe("–");
});

test("a part of nothing is all or nothing", () => {
  expect(fraction(1n, 4n)).toBe(0.25);
  expect(fraction(0n, 0n)).toBe(0);
  expect(fraction(5n, 0n)).toBe(1);
});
