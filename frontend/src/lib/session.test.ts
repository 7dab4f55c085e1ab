import { expect, test } from "vitest";
import { placeToReturn } from "./session";

const here = "https://burnish.example";

test.each([
  ["/jobs?status=RUNNING#x", "/jobs?status=RUNNING#x"],
  ["/cli-login?port=40001&state=a", "/cli-login?port=40001&state=a"],
  ["//evil.example/x", "/"],
  ["/\\evil.example", "/"],
  ["https://evil.example", "/"],
  ["javascript:alert(1)", "/"],
  ["jobs", "/"],
  ["/sign-in?to=%2Fsign-in", "/"],
  ["/\t/evil.example", "/"],
  ["/..//evil.example", "/"],
  ["/.//evil.example/x", "/"],
  ["/x/../..//evil.example", "/"],
  [7, "/"],
  [undefined, "/"],
])("%j is followed to %j", (to, expected) => {
  expect(placeToReturn(to, here)).toBe(expected);
});
