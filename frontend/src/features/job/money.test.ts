import { expect, test } from "vitest";
import { costNow, unpostedSince } from "./money";
import type { JobEvent } from "./queries";

const event = (type: string, at: string): JobEvent => ({ cursor: at, at, type, attempt: 1, metadata: {} });

test("cost runs on from the last posting, or from when a host took the job up", () => {
  const events = [event("created", "2026-11-29T12:00:00Z"), event("submitted", "2026-11-29T12:01:00Z")];
  expect(unpostedSince(undefined, [])).toBeUndefined();
  expect(unpostedSince(undefined, events)).toBe("2026-11-29T12:01:00Z");
  expect(unpostedSince("2026-11-29T12:02:00Z", events)).toBe("2026-11-29T12:02:00Z");
  expect(unpostedSince("2026-11-29T12:02:00Z", [...events, event("submitted", "2026-11-29T13:00:00Z")])).toBe(
    "2026-11-29T13:00:00Z",
  );
});

test("an hour at two dollars is two dollars more, and a clock that is behind takes nothing off", () => {
  const since = "2026-11-29T12:00:00Z";
  expect(costNow(1, 2, since, new Date("2026-11-29T13:00:00Z"))).toBe(3);
  expect(costNow(1, 2, since, new Date("2026-11-29T11:00:00Z"))).toBe(1);
  expect(costNow(1, undefined, since, new Date("2026-11-29T13:00:00Z"))).toBe(1);
});
