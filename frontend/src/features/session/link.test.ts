import { expect, test, vi } from "vitest";
import { cliLogin, handOver, linkIn } from "./link";

test.each([
  ["#link=abc_-1", "abc_-1"],
  ["link=abc", "abc"],
  ["#link=", null],
  ["#other=1", null],
  ["", null],
])("of %j the link is %j", (hash, link) => {
  expect(linkIn(hash)).toBe(link);
});

test("a command line's wish is read", () => {
  expect(cliLogin({ port: 40_001, state: "s3", hostname: " laptop " })).toEqual({ port: 40_001, state: "s3", host: "laptop" });
  // The router reads numbers out of an address where it can.
  expect(cliLogin({ port: "40001", state: 12345, hostname: 7 })).toEqual({ port: 40_001, state: "12345", host: "7" });
});

test.each([
  [{ state: "s", hostname: "h" }],
  [{ port: 0, state: "s" }],
  [{ port: 65_536, state: "s" }],
  [{ port: "1@evil.example", state: "s" }],
  [{ port: 1.5, state: "s" }],
  [{ port: 40_001 }],
])("%j is refused", (search) => {
  expect(typeof cliLogin(search)).toBe("string");
});

test("the key goes to this machine only, with the proof, and without cookies", async () => {
  const fetched = vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("", { status: 200 }));
  expect(await handOver({ port: 40_001, state: "s", host: "h" }, "vk_1")).toBe(true);
  const [url, options] = fetched.mock.calls[0] ?? [];
  expect(url).toBe("http://127.0.0.1:40001");
  expect(options).toMatchObject({ method: "POST", body: '{"token":"vk_1","state":"s"}', credentials: "omit" });
});

test("a refusal, and nobody there, are both told", async () => {
  const fetched = vi.spyOn(globalThis, "fetch");
  fetched.mockResolvedValueOnce(new Response("", { status: 403 }));
  expect(await handOver({ port: 1, state: "s", host: "h" }, "vk_1")).toBe(false);
  fetched.mockRejectedValueOnce(new TypeError("Failed to fetch"));
  expect(await handOver({ port: 1, state: "s", host: "h" }, "vk_1")).toBe(false);
});
