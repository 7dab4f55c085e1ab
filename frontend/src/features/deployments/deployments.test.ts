import { expect, test, vi } from "vitest";
import { CHARTS } from "./charts";
import type { Sample } from "./loadQueries";
import { nameFrom } from "./names";
import type { InferenceRequest } from "./queries";
import { isFiltering, isShown, merged } from "./requests";
import { loadAt, Samples, spanOf } from "./samples";
import { returnTo } from "./versions";

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

test("a past is set before what came live, whichever is there first", () => {
  const samples = new Samples();
  samples.append([sample("2026-01-01T00:00:10Z", 3), sample("2026-01-01T00:00:15Z", 4)]);
  samples.begin([sample("2026-01-01T00:00:05Z", 1), sample("2026-01-01T00:00:10Z", 2)]);
  const source = samples.source([{ field: "latencyP50Ms", label: "p50", color: "--run-1" }]);
  expect(source.read()[0]?.values).toEqual([1, 2, 4]);
  samples.begin([sample("2026-01-01T00:00:00Z", 7)]);
  expect(source.read()[0]?.values).toEqual([7, 3, 4]);
});

test("a target is told always, and drawn where what is measured comes near it", () => {
  const samples = new Samples();
  const target = { label: "target", color: "--warn", of: ({ replicasReady }: { replicasReady: number }) => 4 * replicasReady };
  const source = samples.source([{ field: "requestsPerSecond", label: "requests/s", color: "--run-1" }], target);
  const of = (at: string, requestsPerSecond: number, replicasReady: number) =>
    ({ at, requestsPerSecond, replicasReady }) as Sample;
  expect(source.read()[1]?.steps).toEqual([]);
  samples.append([of("2026-01-01T00:00:05Z", 0.9, 1)]);
  expect(source.read()[1]).toMatchObject({ values: [null], told: [4], dashed: true });
  samples.append([of("2026-01-01T00:00:10Z", 2, 2)]);
  expect(source.read()[1]).toMatchObject({ values: [4, 8], told: [4, 8] });
  expect(CHARTS[0]?.target?.({ targetRps: 4, targetLatencyP95Ms: 1 }).of({ replicasReady: 0 })).toBeNull();
});

test("the load of a moment is that of the last minute", () => {
  const at = (seconds: number, requests: number, latencyP95Ms: number | null) =>
    ({ at: new Date(seconds * 1000).toISOString(), windowSeconds: 5, requests, latencyP95Ms, replicasReady: 2 }) as Sample;
  const samples = [at(100, 500, 9000), at(170, 10, 200), at(175, 20, 400), at(180, 0, null)];
  expect(loadAt(samples, 200_000)).toEqual({ rps: 2, p95Ms: 400, requests: 30, replicas: 2 });
  expect(loadAt([], 0)).toEqual({ rps: 0, p95Ms: null, requests: 0, replicas: 0 });
});

test("a range ends now, or when the deployment did", () => {
  const of = { createdAt: "2026-01-01T00:00:00Z", stoppedAt: null };
  const now = Date.parse("2026-01-01T02:00:00Z");
  expect(spanOf("1h", of, now)).toEqual([now - 3_600_000, now]);
  expect(spanOf("all", of, now)).toEqual([Date.parse(of.createdAt), now]);
  expect(spanOf("15m", { ...of, stoppedAt: "2026-01-01T01:00:00Z" }, now)[1]).toBe(now - 3_600_000);
  const born = Date.parse(of.createdAt);
  expect(spanOf("all", of, born + 1000)).toEqual([born, born + 60_000]);
  expect(spanOf("1h", of, born + 600_000)).toEqual([born, born + 600_000]);
  expect(spanOf("1h", of, born + 1000)).toEqual([born - 59_000, born + 1000]);
});

test("calls are shown by how they ended, how they were answered, and by whom", () => {
  const any = { outcome: "all", way: "all", replica: "" } as const;
  const call = { statusCode: 200, clientCancelled: false, streamed: true, replicaId: "rep_1" };
  const left = { ...call, clientCancelled: true, statusCode: 499 };
  expect(isFiltering(any)).toBe(false);
  expect(isShown({ ...any, outcome: "answered" }, call)).toBe(true);
  expect(isShown({ ...any, outcome: "failed" }, { ...call, statusCode: 503 })).toBe(true);
  expect(isShown({ ...any, outcome: "failed" }, left)).toBe(false);
  expect(isShown({ ...any, outcome: "cancelled" }, left)).toBe(true);
  expect(isShown({ ...any, way: "whole" }, call)).toBe(false);
  expect(isShown({ ...any, replica: "rep_2" }, call)).toBe(false);
});

test("only a version that can be served again is gone back to, by its very checkpoint", () => {
  const version = { status: "REPLACED", source: "TRAINING_JOB", model: "job_1", revision: null } as const;
  const checkpoint = { id: "ckpt_1", step: 30, job: { id: "job_1", outputName: "sums" } };
  expect(returnTo({ ...version, checkpoint })).toEqual({ source: "TRAINING_JOB", model: "ckpt_1" });
  expect(returnTo({ ...version, checkpoint: null })).toBeNull();
  expect(returnTo({ ...version, checkpoint, status: "FAILED" })).toBeNull();
  const named = { ...version, source: "HUGGINGFACE", model: "a/b", revision: "abc", checkpoint: null } as const;
  expect(returnTo(named)).toEqual({ source: "HUGGINGFACE", model: "a/b", revision: "abc" });
});

test("a name that calls can use is made of the model's", () => {
  expect(nameFrom("Qwen/Qwen3-0.6B")).toBe("Qwen3-0.6B");
  expect(nameFrom("my model (v2)")).toBe("my-model-v2");
  expect(nameFrom("-_x")).toBe("x");
});
