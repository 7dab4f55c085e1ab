import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EVENTS, FakeSocket, settle } from "./FakeSocket";
import { FLUSH_MS, type Follow, type Frame, follow, PATIENCE_MS, POLL_MS, type StreamState } from "./live";
import { onSignedOut } from "./session";
import { CONNECT_MS, KEEP_ALIVE_MS, Wire } from "./wire";

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const batch = (cursor: string): Frame => ({ __typename: "JobEventBatch", cursor });

let wire: Wire;
let visibility: DocumentVisibilityState = "visible";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  vi.stubGlobal("WebSocket", FakeSocket);
  FakeSocket.made = [];
  visibility = "visible";
  vi.spyOn(document, "visibilityState", "get").mockImplementation(() => visibility);
  wire = new Wire("ws://burnish.test/graphql");
});

afterEach(() => {
  wire.dispose();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

type Options = Follow<unknown, { jobId: string; after?: string | null }, Frame>;

function start(change: Partial<Options> = {}) {
  const flushes: Frame[][] = [];
  const states: [StreamState, string | undefined][] = [];
  const stop = follow<unknown, { jobId: string; after?: string | null }, Frame>(
    {
      document: EVENTS as Options["document"],
      variables: { jobId: "job_1" },
      frame: (result) => (result as { jobEvents: Frame }).jobEvents,
      onFrames: (frames) => flushes.push(frames),
      onState: (state, reason) => states.push([state, reason]),
      ...change,
    },
    wire,
  );
  return { flushes, states, stop, cursors: () => flushes.flat().map((frame) => frame.cursor) };
}

async function live(change: Partial<Options> = {}) {
  const stream = start(change);
  await FakeSocket.last.greet();
  return stream;
}

test("a stream begins after the cursor it is given and hands frames on", async () => {
  const stream = await live({ after: "c0" });
  expect(FakeSocket.last.subscription().payload.variables).toEqual({ jobId: "job_1", after: "c0" });
  FakeSocket.last.next(batch("c1"));
  await pass(FLUSH_MS);
  expect(stream.flushes).toEqual([[batch("c1")]]);
  expect(stream.states).toEqual([
    ["waiting", undefined],
    ["live", undefined],
  ]);
});

test("frames are handed on together, at most each FLUSH_MS, and heartbeats only move the cursor", async () => {
  const stream = await live();
  FakeSocket.last.next(batch("c1"));
  await pass(FLUSH_MS - 1);
  FakeSocket.last.next(batch("c2"));
  FakeSocket.last.next({ __typename: "Heartbeat", cursor: "c3" });
  expect(stream.flushes).toEqual([]);
  await pass(1);
  expect(stream.flushes).toEqual([[batch("c1"), batch("c2")]]);
  FakeSocket.last.next(batch("c4"));
  await pass(FLUSH_MS - 1);
  expect(stream.flushes.length).toBe(1);
  await pass(1);
  expect(stream.flushes[1]).toEqual([batch("c4")]);
});

test("after a cut it resumes from the last cursor, and nothing comes twice", async () => {
  const stream = await live();
  const first = FakeSocket.last;
  first.next(batch("c1"));
  first.next({ __typename: "Heartbeat", cursor: "c2" });
  await first.cut();
  expect(wire.connection).toBe("reconnecting");
  await pass(500);
  expect(FakeSocket.made.length).toBe(2);
  await FakeSocket.last.greet();
  expect(FakeSocket.last.subscription().payload.variables.after).toBe("c2");
  first.next(batch("late"));
  FakeSocket.last.next(batch("c3"));
  await pass(FLUSH_MS);
  expect(stream.cursors()).toEqual(["c1", "c3"]);
  expect(wire.connection).toBe("live");
});

test("a gap is handed on as it is, and the stream resumes behind it", async () => {
  const stream = await live();
  const gap = { __typename: "StreamGap", dropped: 3, from: "c1", to: "c4" };
  FakeSocket.last.next(gap);
  await FakeSocket.last.cut();
  await pass(500);
  await FakeSocket.last.greet();
  expect(FakeSocket.last.subscription().payload.variables.after).toBe("c4");
  expect(stream.flushes).toEqual([[gap]]);
});

test("tries grow further apart, to five seconds, and begin anew once something came", async () => {
  await live();
  await FakeSocket.last.cut();
  for (const delay of [500, 1000, 2000, 4000, 5000, 5000]) {
    const made = FakeSocket.made.length;
    await pass(delay - 1);
    expect(FakeSocket.made.length).toBe(made);
    await pass(1);
    expect(FakeSocket.made.length).toBe(made + 1);
    await FakeSocket.last.cut();
  }
  await pass(5000);
  await FakeSocket.last.greet();
  // Greeted and cut again at once, as by a server that cannot work: no reason to hurry.
  await FakeSocket.last.cut();
  const made = FakeSocket.made.length;
  await pass(4999);
  expect(FakeSocket.made.length).toBe(made);
  await pass(1);
  await FakeSocket.last.greet();
  FakeSocket.last.next(batch("c1"));
  await FakeSocket.last.cut();
  await pass(500);
  expect(FakeSocket.made.length).toBe(made + 2);
});

test("many streams share one socket, and are begun again by one try", async () => {
  const streams = [start(), start(), start()];
  await settle();
  expect(FakeSocket.made.length).toBe(1);
  await FakeSocket.last.greet();
  expect(FakeSocket.last.subscriptions.length).toBe(3);
  FakeSocket.last.next(batch("b1"), 1);
  await pass(FLUSH_MS);
  expect(streams.map((one) => one.cursors())).toEqual([[], ["b1"], []]);
  await FakeSocket.last.cut();
  await pass(500);
  expect(FakeSocket.made.length).toBe(2);
  await FakeSocket.last.greet();
  expect(FakeSocket.last.subscriptions.map((one) => one.payload.variables.after)).toEqual([null, "b1", null]);
});

test("the end ends it: what is left is handed on at once, and nothing is asked any more", async () => {
  const stream = await live();
  FakeSocket.last.next(batch("c1"));
  const end = { __typename: "StreamEnd", cursor: "c2", reason: "completed" };
  FakeSocket.last.next(end);
  expect(stream.flushes).toEqual([[batch("c1"), end]]);
  expect(stream.states.at(-1)).toEqual(["ended", "completed"]);
  expect(wire.connection).toBe("idle");
  await FakeSocket.last.cut();
  await pass(60_000);
  expect(FakeSocket.made.length).toBe(1);
});

test("what the server refuses fails with its words, whether before the first frame or after it", async () => {
  const before = await live();
  const errors = [{ message: "There is no such job." }, { message: "None at all." }];
  FakeSocket.last.say({ id: FakeSocket.last.subscription().id, type: "error", payload: errors });
  expect(before.states.at(-1)).toEqual(["failed", "There is no such job. None at all."]);
  const after = start();
  await settle();
  FakeSocket.last.next(batch("c1"), 1);
  FakeSocket.last.say({ id: FakeSocket.last.subscription(1).id, type: "next", payload: { errors: [{ message: "Gone." }] } });
  expect(after.states.at(-1)).toEqual(["failed", "Gone."]);
  expect(after.cursors()).toEqual(["c1"]);
  await pass(60_000);
  expect(FakeSocket.last.subscriptions.length).toBe(2);
});

test("a refusal of the moment is tried again on the same socket", async () => {
  const stream = await live();
  const { id } = FakeSocket.last.subscription();
  FakeSocket.last.say({ id, type: "error", payload: [{ message: "Slowly.", extensions: { code: "RATE_LIMITED" } }] });
  await pass(499);
  expect(FakeSocket.last.subscriptions.length).toBe(1);
  await pass(1);
  expect(FakeSocket.last.subscriptions.length).toBe(2);
  FakeSocket.last.next(batch("c1"), 1);
  await pass(FLUSH_MS);
  expect(stream.cursors()).toEqual(["c1"]);
  expect(FakeSocket.made.length).toBe(1);
});

test("an operation that ends without an end begins again by itself; the others stay live", async () => {
  const one = await live();
  start();
  await settle();
  FakeSocket.last.next(batch("c1"));
  FakeSocket.last.say({ id: FakeSocket.last.subscription().id, type: "complete" });
  await settle();
  expect(wire.connection).toBe("live");
  expect(one.states.at(-1)).toEqual(["waiting", undefined]);
  await pass(500);
  expect(FakeSocket.last.subscriptions.map((sent) => sent.payload.variables.after)).toEqual([null, null, "c1"]);
});

test("without a socket for PATIENCE_MS it polls, from the cursor, one question at a time, and goes back", async () => {
  const asked: (string | null)[] = [];
  let answer: (frames: Frame[]) => void = () => undefined;
  const poll = (after: string | null) => {
    asked.push(after);
    return new Promise<Frame[]>((resolve) => {
      answer = resolve;
    });
  };
  const stream = await live({ poll });
  FakeSocket.last.next(batch("c1"));
  await FakeSocket.last.cut();
  await pass(PATIENCE_MS - 1);
  expect([wire.connection, asked]).toEqual(["reconnecting", []]);
  await pass(1);
  expect([wire.connection, asked]).toEqual(["polling", ["c1"]]);
  await pass(3 * POLL_MS);
  expect(asked).toEqual(["c1"]);
  answer([batch("c2"), batch("c3")]);
  await pass(POLL_MS);
  expect(stream.states.at(-1)).toEqual(["polling", undefined]);
  expect(asked).toEqual(["c1", "c3"]);
  // The socket is back while a question is open: it goes on from the cursor, and the late answer counts no more.
  await FakeSocket.last.greet();
  expect(wire.connection).toBe("live");
  expect(FakeSocket.last.subscription().payload.variables.after).toBe("c3");
  answer([batch("c4")]);
  await settle();
  FakeSocket.last.next(batch("c4"));
  await pass(5 * POLL_MS);
  expect(stream.cursors()).toEqual(["c1", "c2", "c3", "c4"]);
  expect(stream.states.at(-1)).toEqual(["live", undefined]);
  expect(asked).toEqual(["c1", "c3"]);
});

test("polling goes on while the server cannot be asked, and ends with the stream", async () => {
  const answers = [new Error("unreachable"), [batch("c1")], [{ __typename: "StreamEnd", cursor: "c2", reason: "failed" }]];
  let asked = 0;
  const poll = async () => {
    const next = answers[asked++];
    if (next instanceof Error) throw next;
    return (next ?? []) as Frame[];
  };
  const stream = start({ poll });
  await pass(PATIENCE_MS + 2 * POLL_MS);
  expect(stream.states.at(-1)).toEqual(["ended", "failed"]);
  expect(stream.cursors()).toEqual(["c1", "c2"]);
  await pass(10 * POLL_MS);
  expect(asked).toBe(3);
});

test("a connection that is never greeted is given up and tried again", async () => {
  start();
  expect(wire.connection).toBe("connecting");
  await pass(CONNECT_MS);
  expect(FakeSocket.last.closedWith).toBe(4499);
  await pass(500);
  expect(FakeSocket.made.length).toBe(2);
});

test("a socket that does not answer a ping is dead", async () => {
  await live();
  await pass(KEEP_ALIVE_MS);
  expect(FakeSocket.last.pings()).toBe(1);
  FakeSocket.last.say({ type: "pong" });
  await pass(KEEP_ALIVE_MS);
  expect([FakeSocket.last.pings(), wire.connection]).toEqual([2, "live"]);
  await pass(10_000);
  expect(wire.connection).toBe("reconnecting");
});

test("a page that comes back tries at once", async () => {
  await live();
  await FakeSocket.last.cut();
  await pass(500);
  await FakeSocket.last.cut();
  visibility = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  await settle();
  expect(FakeSocket.made.length).toBe(2);
  visibility = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  await settle();
  expect(FakeSocket.made.length).toBe(3);
  await FakeSocket.last.cut();
  window.dispatchEvent(new Event("online"));
  await settle();
  expect(FakeSocket.made.length).toBe(4);
});

test("a laptop that slept does not trust its socket", async () => {
  const stream = await live();
  FakeSocket.last.next(batch("c1"));
  // Timers stood still, the clock did not.
  vi.setSystemTime(Date.now() + 3_600_000);
  document.dispatchEvent(new Event("visibilitychange"));
  await pass(500);
  expect(FakeSocket.made.length).toBe(2);
  await FakeSocket.last.greet();
  expect(FakeSocket.last.subscription().payload.variables.after).toBe("c1");
  expect(stream.cursors()).toEqual(["c1"]);
});

test("a page that was only hidden asks whether the socket is there, and keeps it if so", async () => {
  await live();
  document.dispatchEvent(new Event("visibilitychange"));
  expect(FakeSocket.last.pings()).toBe(1);
  FakeSocket.last.say({ type: "pong" });
  await pass(3000);
  expect(wire.connection).toBe("live");
  document.dispatchEvent(new Event("visibilitychange"));
  await pass(3000);
  expect(wire.connection).toBe("reconnecting");
});

test("a session that was revoked is signed out once, and nothing is tried again", async () => {
  let told = 0;
  const silence = onSignedOut(() => {
    told += 1;
  });
  const streams = [await live(), start()];
  await settle();
  await FakeSocket.last.cut(4403);
  expect(told).toBe(1);
  expect(streams.map((one) => one.states.at(-1)?.[0])).toEqual(["failed", "failed"]);
  await pass(60_000);
  expect(FakeSocket.made.length).toBe(1);
  const third = await (async () => {
    const stream = start();
    await settle();
    await FakeSocket.last.greet();
    return stream;
  })();
  const errors = [{ message: "Who are you?", extensions: { code: "UNAUTHENTICATED" } }];
  FakeSocket.last.say({ id: FakeSocket.last.subscription().id, type: "error", payload: errors });
  expect([told, third.states.at(-1)?.[0]]).toEqual([2, "failed"]);
  silence();
});

test("what is stopped leaves nothing behind: no timer, no socket, no call", async () => {
  const poll = vi.fn(async () => []);
  const stream = await live({ poll });
  FakeSocket.last.next(batch("c1"));
  stream.stop();
  stream.stop();
  expect(FakeSocket.last.sent.at(-1)?.type).toBe("complete");
  expect(wire.connection).toBe("idle");
  await pass(10_000);
  expect(FakeSocket.last.closedWith).toBe(1000);
  await pass(60_000);
  expect([stream.flushes, poll.mock.calls.length, FakeSocket.made.length]).toEqual([[], 0, 1]);
  expect(stream.states.length).toBe(2);
  expect(vi.getTimerCount()).toBe(0);
});

test("stopped while the socket is away, or while it is opened, leaves nothing behind either", async () => {
  const stream = await live({ poll: async () => [] });
  await FakeSocket.last.cut();
  await pass(PATIENCE_MS);
  stream.stop();
  await FakeSocket.last.cut();
  expect(vi.getTimerCount()).toBe(0);
  const early = start();
  early.stop();
  await settle();
  await FakeSocket.last.greet();
  await pass(10_000);
  expect(FakeSocket.last.subscriptions).toEqual([]);
  expect(FakeSocket.last.closedWith).toBe(1000);
  expect(vi.getTimerCount()).toBe(0);
});

test("the connection is told as it changes", async () => {
  const seen: string[] = [];
  wire.subscribe(() => seen.push(wire.connection));
  const stream = start();
  await settle();
  await FakeSocket.last.greet();
  await FakeSocket.last.cut();
  await pass(PATIENCE_MS);
  await FakeSocket.last.greet();
  stream.stop();
  expect(seen).toEqual(["connecting", "live", "reconnecting", "polling", "live", "idle"]);
});
