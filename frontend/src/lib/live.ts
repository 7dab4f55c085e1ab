/**
 * Subscriptions that survive: one socket, each stream resumed from its last cursor, items handed on at most ten times a second.
 *
 * Where no socket can be had for a while, streams that know how are polled instead, and go back to the socket when it is there.
 */

import { stringifyDocument } from "@urql/core";
import type { TadaDocumentNode } from "gql.tada";
import { createClient as createSocket, type Client as Socket } from "graphql-ws";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { askWhoIsSignedIn, GRAPHQL_URL } from "./session";

export type Connection = "idle" | "connecting" | "live" | "reconnecting" | "polling";
export type StreamState = "waiting" | "live" | "polling" | "ended" | "failed";

const DEVELOPMENT_KEY: string | undefined = import.meta.env.VITE_BURNISH_API_KEY;

export const FLUSH_MS = 100;
export const POLL_MS = 3000;
/** How a socket is closed that has no key or session. */
const FORBIDDEN = 4403;
/** How long the socket may be away before streams are polled. */
export const PATIENCE_MS = 5000;

/** What every frame has; `__typename` tells them apart. */
export interface Frame {
  __typename?: string;
  cursor?: string | null;
}

class Wire {
  private state: Connection = "idle";
  private readonly listeners = new Set<() => void>();
  private patience: ReturnType<typeof setTimeout> | undefined;
  readonly socket: Socket;

  constructor(url: string) {
    this.socket = createSocket({
      url,
      lazy: true,
      ...(import.meta.env.DEV && DEVELOPMENT_KEY ? { connectionParams: { apiKey: DEVELOPMENT_KEY } } : {}),
      lazyCloseTimeout: 10_000,
      keepAlive: 20_000,
      // Streams are asked for again by their own cursor, so a lost socket is given up at once, and the loop below waits.
      retryAttempts: 0,
      shouldRetry: () => false,
      on: {
        connecting: () => this.set(this.state === "idle" ? "connecting" : this.state),
        connected: () => this.set("live"),
        closed: (event) => {
          this.lost();
          if ((event as CloseEvent).code === FORBIDDEN) void askWhoIsSignedIn().catch(() => undefined);
        },
        // The pong that does not come: a connection that died without a word is closed, so that streams begin again.
        ping: (received) => {
          if (received) return;
          clearTimeout(this.pong);
          this.pong = setTimeout(() => this.socket.terminate(), 10_000);
        },
        pong: (received) => {
          if (received) clearTimeout(this.pong);
        },
      },
    });
  }

  private pong: ReturnType<typeof setTimeout> | undefined;

  get connection(): Connection {
    return this.state;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Said by a stream that is about to try again. */
  lost(): void {
    clearTimeout(this.pong);
    if (this.streams === 0) this.set("idle");
    else if (this.state !== "polling") {
      this.set("reconnecting");
      this.patience ??= setTimeout(() => {
        this.patience = undefined;
        if (this.state === "reconnecting") this.set("polling");
      }, PATIENCE_MS);
    }
  }

  streams = 0;

  private set(state: Connection): void {
    if (state === "live" || state === "idle") {
      clearTimeout(this.patience);
      this.patience = undefined;
    }
    if (state === this.state) return;
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}

let wire: Wire | undefined;

function theWire(): Wire {
  wire ??= new Wire(`${location.origin.replace(/^http/, "ws")}${GRAPHQL_URL}`);
  return wire;
}

export function useConnection(): Connection {
  const current = theWire();
  return useSyncExternalStore(current.subscribe, () => current.connection);
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

/** Follow a stream until it ends or the returned function is called. */
export function follow<Result, Variables, F extends Frame>(
  options: Follow<Result, Variables, F>,
  on: Wire = theWire(),
): () => void {
  const query = stringifyDocument(options.document);
  let cursor = options.after ?? null;
  let closed = false;
  let dispose: (() => void) | undefined;
  let waiting: F[] = [];
  let flushing: ReturnType<typeof setTimeout> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let tries = 0;

  const state = (next: StreamState, reason?: string) => options.onState?.(next, reason);
  const flush = () => {
    flushing = undefined;
    const frames = waiting;
    waiting = [];
    if (frames.length > 0) options.onFrames(frames);
  };
  const take = (frame: F) => {
    if (frame.cursor) cursor = frame.cursor;
    if (frame.__typename === "Heartbeat") return;
    waiting.push(frame);
    flushing ??= setTimeout(flush, FLUSH_MS);
  };
  const stop = () => {
    if (closed) return;
    closed = true;
    on.streams -= 1;
    clearTimeout(retry);
    clearTimeout(flushing);
    dispose?.();
  };
  const finish = (next: StreamState, reason?: string) => {
    clearTimeout(flushing);
    flush();
    stop();
    state(next, reason);
  };
  const again = () => {
    if (closed) return;
    dispose = undefined;
    on.lost();
    state("waiting");
    const delay = on.connection === "polling" ? POLL_MS : Math.min(500 * 2 ** tries, 5000) * (0.75 + Math.random() / 2);
    tries += 1;
    retry = setTimeout(begin, delay);
    if (on.connection === "polling") void polled();
  };
  const polled = async () => {
    if (!options.poll) return;
    try {
      const frames = await options.poll(cursor);
      if (closed || dispose) return;
      state("polling");
      for (const frame of frames) {
        take(frame);
        if (frame.__typename === "StreamEnd") finish("ended");
      }
    } catch {
      // The server cannot be reached at all: the next try is already planned.
    }
  };
  const begin = () => {
    if (closed) return;
    dispose = on.socket.subscribe<Result>(
      { query, variables: { ...options.variables, after: cursor } as Record<string, unknown> },
      {
        next(result) {
          if (closed) return;
          if (result.errors?.length) {
            finish("failed", result.errors.map((error) => error.message).join(" "));
            return;
          }
          if (!result.data) return;
          tries = 0;
          state("live");
          const frame = options.frame(result.data);
          take(frame);
          if (frame.__typename === "StreamEnd") finish("ended", (frame as { reason?: string }).reason);
        },
        error(error) {
          // An array is the server's answer to the operation; anything else is the connection's end.
          if (Array.isArray(error)) finish("failed", error.map((one: { message: string }) => one.message).join(" "));
          else again();
        },
        complete() {
          again();
        },
      },
    );
  };
  on.streams += 1;
  state("waiting");
  begin();
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

export type { Wire };
export { Wire as LiveWire };
