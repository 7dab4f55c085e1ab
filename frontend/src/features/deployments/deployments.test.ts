import { expect, test, vi } from "vitest";
import { nameFrom } from "./CreateDialog";
import type { InferenceRequest } from "./queries";
import { merged } from "./requests";
import { type Sample, Samples } from "./samples";
import { timeline } from "./timeline";

const request = (id: string, createdAt: string) => ({ id, createdAt }) as InferenceRequest;
const sample = (at: string, latencyP50Ms: number | null) => ({ at, latencyP50Ms, requestsPerSecond: 1 }) as Sample;

test("calls stand by when they arrived, each once", () => {
  const was = [request("b", "2026-01-01T00:00:02Z"), request("a", "2026-01-01T00:00:01Z")];
  expect(merged(was, [request("b", "2026-01-01T00:00:02Z")])).toBe(was);
  const late = request("c", "2026-01-01T00:00:01.5Z");
  expect(merged(was, [late, request("d", "2026-01-01T00:00:03Z")]).map((one) => one.id)).toEqual(["d", "b", "c", "a"]);
});

test("samples are appended once; sparse lines go from value to value", () => {
  const samples = new Samples();
  const told = vi.fn();
  samples.subscribe(told);
  samples.append([sample("2026-01-01T00:00:05Z", 3), sample("2026-01-01T00:00:10Z", null)]);
  samples.append([sample("2026-01-01T00:00:10Z", 9), sample("2026-01-01T00:00:15Z", 4)]);
  expect(told).toHaveBeenCalledTimes(2);
  const [dense, sparse] = samples
    .source([
      { field: "latencyP50Ms", label: "p50", color: "--run-1" },
      { field: "latencyP50Ms", label: "p50", color: "--run-1", sparse: true },
    ])
    .read();
  expect(dense?.values).toEqual([3, null, 4]);
  expect(sparse?.values).toEqual([3, 4]);
  expect(sparse?.steps).toEqual([Date.parse("2026-01-01T00:00:05Z"), Date.parse("2026-01-01T00:00:15Z")]);
});

test("replicas over the life of their deployment", () => {
  const replica = {
    id: "r",
    status: "failed",
    failure: "It died.",
    createdAt: "2026-01-01T00:01:00Z",
    endedAt: "2026-01-01T00:02:00Z",
    lastHealthAt: null,
  };
  const deployment = {
    createdAt: "2026-01-01T00:00:00Z",
    stoppedAt: null,
    replicas: [{ ...replica, id: "s", status: "running", endedAt: null }, replica],
  };
  const { bars } = timeline(deployment, Date.parse("2026-01-01T00:04:00Z"));
  expect(bars.map(({ id, from, to }) => [id, from, to])).toEqual([
    ["s", 0.25, 1],
    ["r", 0.25, 0.5],
  ]);
  const young = timeline({ ...deployment, replicas: [] }, Date.parse("2026-01-01T00:00:01Z"));
  expect(young.to - young.from).toBe(60_000);
});

test("a name that calls can use is made of the model's", () => {
  expect(nameFrom("Qwen/Qwen3-0.6B")).toBe("Qwen3-0.6B");
  expect(nameFrom("my model (v2)")).toBe("my-model-v2");
  expect(nameFrom("-_x")).toBe("x");
});
