import { expect, test } from "vitest";
import { Pace, refusal, sameOrigin } from "./upload";

test("a signed URL is used on the origin that the page came from", () => {
  expect(sameOrigin("http://10.0.0.7:8400/uploads/abc.def?x=1")).toBe("/uploads/abc.def?x=1");
  expect(sameOrigin("/uploads/abc")).toBe("/uploads/abc");
});

test("the pace is that of the last seconds", () => {
  const pace = new Pace();
  expect(pace.mark(1000, 0)).toBeNull();
  expect(pace.mark(2000, 500)).toBe(500);
  expect(pace.mark(3000, 1000)).toBe(500);
  expect(pace.mark(4000, 1500)).toBe(500);
  // The first marks are too old to count by now.
  expect(pace.mark(6000, 5500)).toBe(1500);
});

test("a refusal is told in the server's words, and a proxy's by its number", () => {
  expect(refusal(413, '{"errors":[{"message":"An upload has at most 10 bytes.","extensions":{}}]}')).toBe(
    "An upload has at most 10 bytes.",
  );
  expect(refusal(502, "<html>Bad gateway</html>")).toBe("The server answered 502.");
});
