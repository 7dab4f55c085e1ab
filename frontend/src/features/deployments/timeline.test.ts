import { expect, test } from "vitest";
import { changesIn } from "./events";
import { engineNote, type Standing, standing } from "./standing";
import { lanes, phasesOf, type Replica, readiness } from "./timeline";

const at = (second: number) => new Date(second * 1000).toISOString();
const REPLICA: Replica = {
  id: "rep_1",
  status: "running",
  version: 1,
  engine: "vllm",
  hostId: "host_1",
  failure: null,
  createdAt: at(100),
  readyAt: at(160),
  stopRequestedAt: null,
  stopReason: null,
  endedAt: null,
  parity: null,
};
const STOPPED = { ...REPLICA, status: "stopped", stopRequestedAt: at(200), endedAt: at(230) };
const said = (phases: ReturnType<typeof phasesOf>) =>
  phases.map((one) => [one.phase, one.startedAt / 1000, one.endedAt && one.endedAt / 1000]);

test("the phases of a replica, as far as they are known", () => {
  expect(said(phasesOf(REPLICA))).toEqual([
    ["starting", 100, 160],
    ["running", 160, null],
  ]);
  expect(said(phasesOf(STOPPED))).toEqual([
    ["starting", 100, 160],
    ["running", 160, 200],
    ["draining", 200, 230],
  ]);
  expect(said(phasesOf({ ...REPLICA, status: "loading", readyAt: null }))).toEqual([["loading", 100, null]]);
  expect(said(phasesOf({ ...REPLICA, status: "failed", readyAt: null, endedAt: at(130) }))).toEqual([["starting", 100, 130]]);
});

test("how it started is as fine as it was told of", () => {
  const changes = changesIn(
    [
      [110, "pulling"],
      [120, "loading"],
      [150, "warming"],
    ].map(([second, phase]) => ({
      at: at(second as number),
      type: phase === "pulling" ? "replica_started" : "replica_phase",
      metadata: { replica_id: "rep_1", ...(phase === "pulling" ? {} : { phase: phase as string }) },
    })),
  );
  expect(said(phasesOf(REPLICA, changes))).toEqual([
    ["waiting", 100, 110],
    ["pulling", 110, 120],
    ["loading", 120, 150],
    ["warming", 150, 160],
    ["running", 160, null],
  ]);
  expect(said(phasesOf({ ...REPLICA, id: "rep_2" }, changes))).toHaveLength(2);
  expect(changesIn([{ at: at(1), type: "scaled", metadata: { from: 1, to: 2 } }])).toEqual([]);
});

test("lanes hold what lived within the span, the oldest first, cut at its edges", () => {
  const later = { ...REPLICA, id: "rep_3", createdAt: at(300), readyAt: at(320) };
  const gone = { ...STOPPED, id: "rep_0", createdAt: at(1), readyAt: at(2), stopRequestedAt: at(3), endedAt: at(4) };
  const found = lanes([later, STOPPED, gone], [150_000, 350_000], 350_000);
  expect(found.map((lane) => lane.id)).toEqual(["rep_1", "rep_3"]);
  expect(found[0]?.segments.map((one) => [one.phase, one.from, one.to])).toEqual([
    ["starting", 0, 0.05],
    ["running", 0.05, 0.25],
    ["draining", 0.25, 0.4],
  ]);
  expect(found[0]?.end).toEqual({ failed: false, share: 0.4 });
  expect(found[1]?.end).toBeNull();
  expect(lanes([{ ...STOPPED, status: "failed" }], [150_000, 350_000], 350_000)[0]?.end?.failed).toBe(true);
});

const DEPLOYMENT: Standing = {
  status: "SERVING",
  pausedAt: null,
  minReplicas: 0,
  desiredReplicas: 2,
  version: 1,
  upstreamUrl: null,
  replicas: [REPLICA, { ...REPLICA, id: "rep_2", status: "loading", readyAt: null }, STOPPED],
};

test("how many answer, of how many that are wanted", () => {
  expect(readiness(DEPLOYMENT)).toEqual({ ready: 1, of: 2 });
  expect(readiness({ ...DEPLOYMENT, desiredReplicas: 0 })).toEqual({ ready: 1, of: 1 });
  expect(readiness({ ...DEPLOYMENT, desiredReplicas: 1, minReplicas: 3 })).toEqual({ ready: 1, of: 3 });
  expect(readiness({ ...DEPLOYMENT, pausedAt: at(1), replicas: [STOPPED] })).toEqual({ ready: 0, of: 0 });
});

test("what it does, where its status does not say it", () => {
  const of = (change: Partial<Standing>) => standing({ ...DEPLOYMENT, ...change });
  expect(of({})).toEqual({ status: "SERVING", said: "" });
  expect(of({ replicas: [], desiredReplicas: 0 }).status).toBe("ASLEEP");
  expect(of({ replicas: [], desiredReplicas: 1 }).status).toBe("WAKING");
  expect(of({ pausedAt: at(1), status: "QUEUED" }).status).toBe("PAUSED");
  expect(of({ version: 2 }).said).toBe("Version 2 takes over");
  expect(of({ status: "STOPPED", pausedAt: at(1) })).toEqual({ status: "STOPPED", said: "" });
  expect(of({ upstreamUrl: "http://elsewhere", replicas: [] })).toEqual({ status: "SERVING", said: "" });
});

test("an engine is told of where it is not vLLM, and why", () => {
  expect(engineNote({ engine: "vllm", engineReason: "it can" })).toBeNull();
  expect(engineNote({ engine: null, engineReason: null })).toBeNull();
  expect(engineNote({ engine: "transformers", engineReason: "no AVX-512 here" })).toBe("transformers: no AVX-512 here");
});
