import { expect, test } from "vitest";
import { choicesOf } from "./hardware";

test("kinds stand by memory, each with its cheapest rate and who offers it; the CPU is always there, last", () => {
  const rate = (provider: string, gpuType: string, amount: string) => ({ provider, gpuType, perHour: { amount } });
  expect(choicesOf([rate("a", "H100-80GB", "3.29"), rate("b", "H100-80GB", "2.69"), rate("b", "L4-24GB", "0.44")])).toEqual([
    { type: "L4-24GB", vramGb: 24, pricePerHour: 0.44, providers: ["b"] },
    { type: "H100-80GB", vramGb: 80, pricePerHour: 2.69, providers: ["a", "b"] },
    { type: "CPU", vramGb: null, pricePerHour: null, providers: ["local"] },
  ]);
});
