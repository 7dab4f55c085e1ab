import { expect, test } from "vitest";
import type { Json } from "@/lib/graphql";
import { eventText, hardwareText } from "./eventText";

const told = (type: string, metadata: Json = {}, attempt = 1) => eventText({ type, attempt, metadata });

test("hardware is named, and counted where it is more than one", () => {
  expect([hardwareText("CPU", 1), hardwareText("H100", 8)]).toEqual(["CPU", "8 × H100"]);
});

test("a first attempt was placed; a later one says why it had to be", () => {
  expect(told("submitted", { attempt: 1, gpu: { type: "H100", count: 2 } })).toEqual({
    text: "Placed on a host",
    detail: "On 2 × H100.",
    mood: "live",
  });
  expect(told("submitted", { attempt: 2, gpu: { type: "CPU", count: 1 } }, 2)).toEqual({
    text: "Attempt 2 placed",
    detail: "On CPU.",
    mood: "warn",
  });
  expect(told("submitted", { attempt: 3, reason: "signal 9" }, 3)).toEqual({
    text: "Attempt 3 goes on from the newest checkpoint",
    detail: "The trainer died of signal 9.",
    mood: "warn",
  });
});

test("checkpoints tell their step and size; the trained model is told apart", () => {
  expect(told("checkpoint_saved", { step: 1200, final: false, size_bytes: 1_290_015 })).toEqual({
    text: "Checkpoint of step 1200 saved",
    detail: "1.3 MB",
    mood: "good",
  });
  expect(told("checkpoint_saved", { step: 1200, final: true, size_bytes: 190_810 })).toEqual({
    text: "Trained model saved",
    detail: "Step 1,200, 191 KB",
    mood: "good",
  });
});

test("what was left out, spent, or delivered is told with its figures", () => {
  expect(told("prompts_dropped", { dropped: 3, total: 1000, max_prompt_length: 16 })).toEqual({
    text: "3 of 1,000 prompts were left out",
    detail: "They are longer than max_prompt_length, 16 tokens.",
    mood: "warn",
  });
  expect(told("prompts_dropped", { dropped: 3, total: 1000, max_length: 16 })).toEqual({
    text: "3 of 1,000 prompts were left out",
    detail: "They are longer than max_length, 16 tokens.",
    mood: "warn",
  });
  expect(told("limit_reached", { limit: "cap", seconds: 30, cost_usd: "1.98" })).toEqual({
    text: "A limit was reached: cap",
    detail: "$1.98 was spent. It saves what it has within 30 s and stops.",
    mood: "warn",
  });
  expect(told("checkpoint_delivered", { url: "s3://b/f" }).detail).toBe("s3://b/f");
  expect(told("checkpoint_delivery_failed", { message: "403" }).detail).toBe("403");
  expect(told("failed", { code: "reward_function_error", message: "KeyError" }).detail).toBe("reward_function_error: KeyError");
});

test("a kind that is not known is told by its name, with what it carries", () => {
  expect(told("phase_of_moon", { phase: "full" })).toEqual({ text: "Phase of moon", detail: '{"phase":"full"}', mood: "idle" });
  expect(told("phase_of_moon").detail).toBeUndefined();
});

test("metadata of any shape breaks nothing", () => {
  for (const metadata of [null, [], "text", 3, { gpu: "H100", step: {}, size_bytes: [] }] as Json[]) {
    for (const type of ["submitted", "checkpoint_saved", "prompts_dropped", "limit_reached", "failed"]) {
      expect(told(type, metadata).text).not.toBe("");
    }
  }
});
