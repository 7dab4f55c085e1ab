import { expect, test } from "vitest";
import { toml, tomlValue } from "./toml";

test("values are written as TOML writes them", () => {
  expect(tomlValue('a "b"\\\n\u007f')).toBe('"a \\"b\\"\\\\\\n\\u007F"');
  expect([1, 0.001, 1e-7, true, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(tomlValue)).toEqual([
    "1",
    "0.001",
    "1e-7",
    "true",
    "nan",
    "inf",
    "-inf",
  ]);
  expect(tomlValue(["a", null, 2])).toBe('["a", 2]');
  expect(tomlValue({ type: "L4", count: 1, provider: null })).toBe('{ type = "L4", count = 1 }');
  expect(tomlValue({})).toBe("{}");
});

test("a null has no place in TOML", () => {
  expect(() => tomlValue(null)).toThrow(TypeError);
});

test("plain keys stand before the tables, whatever their order, and nulls are left out", () => {
  const text = toml(
    {
      hyperparameters: { learning_rate: 0.001, lora_rank: null, "odd key": 1 },
      base_model: "tiny",
      provider: null,
      resume_from: undefined,
      gpu: { type: "H100", count: 2 },
    },
    ["hyperparameters"],
  );
  expect(text).toBe(
    'base_model = "tiny"\ngpu = { type = "H100", count = 2 }\n\n[hyperparameters]\nlearning_rate = 0.001\n"odd key" = 1\n',
  );
});

test("a table without anything in it is not written", () => {
  expect(toml({ a: 1, hyperparameters: { lora_rank: null } }, ["hyperparameters"])).toBe("a = 1\n");
});
