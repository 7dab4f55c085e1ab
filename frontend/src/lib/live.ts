/**
 * Subscriptions that survive: one socket, each stream resumed from its last cursor, items handed on at most ten times a second.
 *
 * Where no socket can be had for a while, streams that know how are polled instead, and go back to the socket when it is there.
 * No frame is handed on twice: a subscription is sent with the cursor of that moment, and an answer to a poll counts only while there
 * is no socket and nothing else has moved the cursor.
 */
import { stringifyDocument } from "@urql/core";
import type { TadaDocumentNode } from "gql.tada";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { signedOut } from "./session";
import { type Connection, PATIENCE_MS, type Rider, retryDelay, theWire, type Wire } from "./wire";

export type StreamState = "waiting" | "live" | "polling" | "ended" | "failed";

export const FLUSH_MS = 100;
export const POLL_MS = 3000;

/** What every frame has; `__typename` tells them apart. */
export interface Frame {
  __typename?: string;
  cursor?: string | null;
  /** Of a `StreamGap`: the last row that it leaves out. */
  to?: string | null;
}

export interface Follow<Result, Variables, F extends Frame> {
  document: TadaDocumentNode<Result, Variables>;
  /** Without `after`: the stream adds its own cursor. */
  variables: Omit<Variables, "after">;
  after?: string | null;
  /** The one field of a result. */
  frame: (result: Result) => F;
  /** All that came since the last time, in order, heartbeats left out; never more often than each `FLUSH_MS`. */
  onFrames: (frames: F[]) => void;
  onState?: (state: StreamState, reason?: string) => void;
  /** Asks over HTTP for what came after a cursor, for when there is no socket. */
  poll?: ((after: string | null) => Promise<F[]>) | undefined;
}

interface ServerError {
  message: string;
  extensions?: Record<string, unknown> | undefined;
}

const SIGNED_OUT = "You are no longer signed in.";
/** Refusals of a moment: the same may well be granted a little later. */
const PASSING = ["RATE_LIMITED", "UNAVAILABLE"];

const coded = (errors: readonly ServerError[], codes: readonly string[]) =>
  errors.some((one) => codes.includes(String(one.extensions?.code)));

/** Follow a stream until it ends or the returned function is called. */
export function follow<Result, Variables, F extends Frame>(
  options: Follow<Result, Variables, F>,
  on: Wire = theWire(),
): () => void {
  const query = stringifyDocument(options.document);
  let cursor = options.after ?? null;
  let closed = false;
  let shown: StreamState | undefined;
  // Answers to a subscription that was given up are not listened to.
  let subscription = 0;
  let dispose: (() => void) | undefined;
  let waiting: F[] = [];
  let flushing: ReturnType<typeof setTimeout> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let polling: ReturnType<typeof setTimeout> | undefined;
  let asking = false;
  let tries = 0;

  const state = (next: StreamState, reason?: string) => {
    if (next === shown) return;
    shown = next;
    options.onState?.(next, reason);
  };
  const flush = () => {
    clearTimeout(flushing);
    flushing = undefined;
    const frames = waiting;
    waiting = [];
    if (frames.length > 0) options.onFrames(frames);
  };
  const stop = () => {
    if (closed) return;
    closed = true;
    clearTimeout(retry);
    clearTimeout(flushing);
    clearTimeout(polling);
    unlisten();
    dispose?.();
    on.leave(rider);
  };
  const finish = (next: StreamState, reason?: string) => {
    flush();
    // What is handed on may have stopped the stream.
    if (closed) return;
    stop();
    state(next, reason);
  };
  const take = (frame: F) => {
    cursor = frame.cursor ?? frame.to ?? cursor;
    if (frame.__typename === "Heartbeat") return;
    waiting.push(frame);
    if (frame.__typename === "StreamEnd") finish("ended", (frame as { reason?: string }).reason);
    else flushing ??= setTimeout(flush, FLUSH_MS);
  };
  const lost = () => {
    subscription += 1;
    // Also of a subscription that failed: the client counts it until then, and would keep the socket open for it.
    dispose?.();
    dispose = undefined;
    if (shown !== "polling") state("waiting");
  };
  /** The operation ended and the connection did not: only this stream begins again. */
  const later = () => {
    lost();
    retry = setTimeout(begin, retryDelay(tries++));
  };
  const refuse = (errors: readonly ServerError[]) => {
    if (coded(errors, ["UNAUTHENTICATED"])) {
      finish("failed", SIGNED_OUT);
      signedOut();
    } else if (coded(errors, PASSING)) {
      later();
    } else finish("failed", errors.map((one) => one.message).join(" "));
  };

  const begin = () => {
    if (closed) return;
    subscription += 1;
    const mine = subscription;
    const current = () => !closed && mine === subscription;
    const variables = {
      ...options.variables,
      // Read when it is sent: polls may have moved it on while the socket was being opened.
      get after() {
        return cursor;
      },
    };
    dispose = on.socket.subscribe<Result>(
      { query, variables: variables as Record<string, unknown> },
      {
        next(result) {
          if (!current()) return;
          if (result.errors?.length) return refuse(result.errors);
          if (!result.data) return;
          tries = 0;
          on.well();
          state("live");
          take(options.frame(result.data));
        },
        error(error) {
          if (!current()) return;
          // An array is the server's answer to the operation; anything else is the connection's end.
          if (Array.isArray(error)) return refuse(error as ServerError[]);
          lost();
          on.stalled(rider);
        },
        complete() {
          if (!current()) return;
          // Without a `StreamEnd` it is not over, whether the operation ended or the connection did, in good order.
          lost();
          on.stalled(rider);
        },
      },
    );
  };

  const poll = async () => {
    if (!options.poll || asking || closed || on.connection !== "polling") return;
    asking = true;
    const from = cursor;
    try {
      const frames = await options.poll(from);
      if (!closed && on.connection === "polling" && cursor === from) {
        state("polling");
        for (const frame of frames) if (!closed) take(frame);
      }
    } catch {
      // The server cannot be reached at all: asked again like everything else.
    }
    asking = false;
    if (!closed && on.connection === "polling") polling = setTimeout(() => void poll(), POLL_MS);
  };
  const unlisten = on.subscribe(() => {
    clearTimeout(polling);
    void poll();
  });
  const rider: Rider = { begin, refused: () => finish("failed", SIGNED_OUT) };

  state("waiting");
  on.join(rider);
  begin();
  void poll();
  return stop;
}

/** Follow a stream as long as the component is there and `key` stays the same; null follows nothing. */
export function useLive<Result, Variables, F extends Frame>(
  key: string | null,
  options: Follow<Result, Variables, F>,
): { state: StreamState; reason: string | undefined } {
  const [status, setStatus] = useState<{ state: StreamState; reason: string | undefined }>({
    state: "waiting",
    reason: undefined,
  });
  const latest = useRef(options);
  latest.current = options;
  useEffect(() => {
    if (key === null) return;
    return follow({
      ...latest.current,
      onFrames: (frames) => latest.current.onFrames(frames),
      onState: (state, reason) => {
        setStatus((was) => (was.state === state && was.reason === reason ? was : { state, reason }));
        latest.current.onState?.(state, reason);
      },
    });
  }, [key]);
  return status;
}

export function useConnection(): Connection {
  const current = theWire();
  return useSyncExternalStore(current.subscribe, () => current.connection);
}

export type { Connection, Wire as LiveWire };
export { PATIENCE_MS };
