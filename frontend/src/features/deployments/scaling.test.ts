import { expect, test } from "vitest";
import { reasonOf } from "./Decisions";
import { advancedOf, changed, draftOf, flags, PLAIN, scalingOf } from "./draft";
import { DEFAULTS, desiredOver, evidence, priceRange, ruleText, wanted } from "./scaling";

const SCALING = { ...DEFAULTS, minReplicas: 1, maxReplicas: 8, targetRps: 10, targetLatencyP95Ms: 5000 };
const LOAD = { rps: 0, p95Ms: null, requests: 0, replicas: 1 };

test.each([
  ["nothing is asked", LOAD, { byRps: 0, byLatency: null, replicas: 1 }],
  ["as many as the rate needs", { ...LOAD, rps: 20.1, replicas: 2 }, { byRps: 3, byLatency: null, replicas: 3 }],
  ["exactly at the target", { ...LOAD, rps: 20, replicas: 2 }, { byRps: 2, byLatency: null, replicas: 2 }],
  ["slow", { rps: 5, p95Ms: 6100, requests: 20, replicas: 2 }, { byRps: 1, byLatency: 3, replicas: 3 }],
  ["slow, of too few to say", { rps: 5, p95Ms: 6100, requests: 19, replicas: 2 }, { byRps: 1, byLatency: null, replicas: 1 }],
  ["a step doubles at most", { ...LOAD, rps: 70, replicas: 2 }, { byRps: 7, byLatency: null, replicas: 4 }],
  ["no more than allowed", { ...LOAD, rps: 700, replicas: 8 }, { byRps: 70, byLatency: null, replicas: 8 }],
])("the rule: %s", (_, load, expected) => expect(wanted(SCALING, load)).toMatchObject(expected));

test("from none it begins with one, and goes to none where that is allowed", () => {
  const sleepy = { ...SCALING, minReplicas: 0 };
  expect(wanted(sleepy, { ...LOAD, rps: 35, replicas: 0 }).replicas).toBe(1);
  expect(wanted(sleepy, LOAD)).toMatchObject({ replicas: 0, why: "nothing is asked" });
});

test("the rule says why", () => {
  const why = (load: Parameters<typeof wanted>[1]) => wanted(SCALING, load).why;
  expect(why({ ...LOAD, rps: 25, replicas: 2 })).toBe("25 requests/s at 10 a replica");
  expect(why({ rps: 5, p95Ms: 6100, requests: 40, replicas: 2 })).toBe("p95 6.1 s is above 5 s on 2 replicas");
  expect(why({ ...LOAD, rps: 70, replicas: 2 })).toBe("7 are needed, and one step at most doubles them");
  expect(why({ ...LOAD, rps: 700, replicas: 8 })).toBe("70 are needed, and 8 are allowed");
  expect(why(LOAD)).toBe("nothing is asked, the least stays");
});

test("the rule in a sentence, with its numbers", () => {
  expect(ruleText({ ...SCALING, maxReplicas: 3 })).toBe(
    "One replica for each 10 requests a second, and more while 95 % of the answers take longer than 5 s; between 1 and 3, up at once, down after 5 min without need.",
  );
  expect(ruleText({ ...SCALING, minReplicas: 0, stabilisationWindowSeconds: 0 })).toContain("down to none at once, awake again");
  expect(ruleText({ ...SCALING, maxReplicas: 1 })).toContain("held at 1 replica");
});

test("what an hour may cost", () => {
  expect(priceRange({ ...SCALING, minReplicas: 0, maxReplicas: 4 }, 0.5)).toEqual([0, 2]);
});

test("a decision says what it rests on, and its reason once", () => {
  const decision = {
    at: "2026-01-01T00:00:00Z",
    from: 2,
    to: 3,
    reason: "2→3: p95 6.1 s > 5 s",
    rps: 5,
    p95Ms: 6100,
    requests: 40,
  };
  expect(evidence({ ...decision, byRps: 1, byLatency: 3 })).toBe(
    "5.00 requests/s · p95 6.1 s of 40 answers · 1 by rate · 3 by latency",
  );
  expect(evidence({ ...decision, rps: null, p95Ms: null })).toBe("");
  expect(reasonOf(decision)).toBe("P95 6.1 s > 5 s");
  expect(reasonOf({ ...decision, reason: "the user asked" })).toBe("The user asked");
});

test("what was wanted, as steps over a span", () => {
  const at = (second: number, from: number, to: number) => ({ at: new Date(second * 1000).toISOString(), from, to, reason: "" });
  const newestFirst = [at(30, 4, 2), at(20, 2, 4), at(10, 1, 2)];
  expect(desiredOver(newestFirst, 2, [15_000, 40_000])).toEqual({
    steps: [15_000, 20_000, 30_000, 40_000],
    values: [2, 4, 2, 2],
  });
  expect(desiredOver(newestFirst, 2, [5000, 8000]).values).toEqual([1, 1]);
  expect(desiredOver([], 3, [0, 1000])).toEqual({ steps: [0, 1000], values: [3, 3] });
});

test("a draft is numbers or nothing, and only what differs is sent", () => {
  expect(scalingOf(draftOf(SCALING))).toEqual(SCALING);
  expect(scalingOf({ ...draftOf(SCALING), targetRps: " " })).toBeNull();
  expect(changed(SCALING)).toEqual({ maxReplicas: 8 });
  expect(changed(SCALING, SCALING)).toEqual({});
});

test("flags are words as on a command line; a token goes with models of Hugging Face alone", () => {
  expect(flags(`--max-model-len=4096\n --dtype float16  --chat-template="a b"`)).toEqual([
    "--max-model-len=4096",
    "--dtype",
    "float16",
    "--chat-template=a b",
  ]);
  const advanced = { ...PLAIN, extraArgs: "--dtype=float16", maxBatchSize: "8", revision: "main", hfToken: "hf_x" };
  expect(advancedOf(advanced, true)).toEqual({
    extraArgs: ["--dtype=float16"],
    maxBatchSize: 8,
    revision: "main",
    hfToken: "hf_x",
  });
  expect(advancedOf(advanced, false)).toEqual({ extraArgs: ["--dtype=float16"], maxBatchSize: 8 });
  expect(advancedOf(PLAIN, true)).toEqual({});
});
