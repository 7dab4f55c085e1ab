import { expect, test } from "vitest";
import { measure, methodName } from "./format";

test("a measure has four digits, exponents at both ends, and no noise of floats", () => {
  expect([0.123456, 12345.6, 0.00012, 2_500_000, 0, 1.48e-17, -3e-9].map(measure)).toEqual([
    "0.1235",
    "12350",
    "1.20e-4",
    "2.50e+6",
    "0",
    "0",
    "-3.00e-9",
  ]);
  expect([measure(null), measure(undefined), measure(Number.NaN)]).toEqual(["–", "–", "NaN"]);
});

test("a method keeps its acronym, however it is written", () => {
  expect([methodName("grpo"), methodName("GRPO"), methodName("sft_video_gen"), methodName("DPO")]).toEqual([
    "GRPO",
    "GRPO",
    "SFT video gen",
    "DPO",
  ]);
});
