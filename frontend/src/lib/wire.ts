/**
 * The one socket that all streams share: whether it is there, when it is tried again, and how it is noticed that it died without a word.
 *
 * It keeps no cursor and knows no stream by name: a stream that lost it says so with `stalled`, and is begun again once it is time.
 */
import { createClient, type Client as Socket } from "graphql-ws";
import { GRAPHQL_URL, signedOut } from "./session";

export type Connection = "idle" | "connecting" | "live" | "reconnecting" | "polling";

/** How long the socket may be away before streams are polled. */
export const PATIENCE_MS = 5000;
/** How long it may take to open and be greeted. */
export const CONNECT_MS = 10_000;
export const KEEP_ALIVE_MS = 20_000;
const PONG_MS = 10_000;
/** On a page that has just come back nobody waits that long. */
const WAKE_PONG_MS = 3000;
/** With a ping each `KEEP_ALIVE_MS`, a socket that was silent for so long slept or is dead. */
const SILENCE_MS = KEEP_ALIVE_MS + PONG_MS;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5000;
/** How the server closes on those whom it does not know, or no longer. */
const UNKNOWN_CALLER = [4401, 4403];

/** Longer from try to try, and never the same for all pages that one restart cut off. */
export const retryDelay = (tries: number): number =>
  Math.min(FIRST_RETRY_MS * 2 ** tries, LAST_RETRY_MS) * (0.75 + Math.random() / 2);

export interface Rider {
  /** The socket is tried again: subscribe. */
  begin: () => void;
  /** The server does not know who asks: there is nothing to try again. */
  refused: () => void;
}

const DEVELOPMENT_KEY: string | undefined = import.meta.env.VITE_BURNISH_API_KEY;

type Timer = ReturnType<typeof setTimeout> | undefined;

export class Wire {
  readonly socket: Socket;
  private readonly listeners = new Set<() => void>();
  private readonly riders = new Set<Rider>();
  private readonly waiting = new Set<Rider>();
  private readonly leaving = new AbortController();
  private link: "down" | "connecting" | "up" = "down";
  private shown: Connection = "idle";
  private failed = false;
  private impatient = false;
  private tries = 0;
  private operations = 1;
  private heardAt = 0;
  private connectingSince = 0;
  private open: WebSocket | undefined;
  private retry: Timer;
  private patience: Timer;
  private deadline: Timer;

  constructor(url: string) {
    this.socket = createClient({
      url,
      lazy: true,
      ...(import.meta.env.DEV && DEVELOPMENT_KEY ? { connectionParams: { apiKey: DEVELOPMENT_KEY } } : {}),
      lazyCloseTimeout: 10_000,
      keepAlive: KEEP_ALIVE_MS,
      // Streams are asked for again from their own cursor: a lost socket is given up at once, and tried again from here.
      retryAttempts: 0,
      shouldRetry: () => false,
      generateID: () => String(this.operations++),
      on: {
        connecting: () => this.connecting(),
        connected: (socket) => this.connected(socket as WebSocket),
        closed: (event) => this.closed((event as Partial<CloseEvent> | undefined)?.code),
        message: () => {
          this.heardAt = Date.now();
        },
        ping: (received) => {
          if (!received) this.expect(PONG_MS);
        },
        pong: (received) => {
          if (received) clearTimeout(this.deadline);
        },
      },
    });
    const { signal } = this.leaving;
    document.addEventListener("visibilitychange", this.wake, { signal });
    window.addEventListener("pageshow", this.wake, { signal });
    window.addEventListener("online", this.wake, { signal });
  }

  get connection(): Connection {
    return this.shown;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  join(rider: Rider): void {
    this.riders.add(rider);
    this.update();
  }

  leave(rider: Rider): void {
    this.riders.delete(rider);
    this.waiting.delete(rider);
    if (this.waiting.size === 0) this.cancelRetry();
    this.update();
  }

  /** Said by a stream that the socket failed: it is begun again when the socket is tried again. */
  stalled(rider: Rider): void {
    if (!this.riders.has(rider)) return;
    this.waiting.add(rider);
    this.failed = true;
    this.retry ??= setTimeout(this.again, retryDelay(this.tries++));
    this.update();
  }

  /** Said by a stream that something came: the server is well, and a next failure begins to count anew. */
  well(): void {
    this.tries = 0;
  }

  /** For the end of a test: nothing is left behind. */
  dispose(): void {
    this.leaving.abort();
    this.cancelRetry();
    clearTimeout(this.deadline);
    clearTimeout(this.patience);
    this.socket.terminate();
  }

  private readonly again = () => {
    this.cancelRetry();
    const riders = [...this.waiting];
    this.waiting.clear();
    for (const rider of riders) rider.begin();
  };

  /** A page that was hidden, a laptop that slept, a network that came back: find out now, not at the next ping. */
  private readonly wake = () => {
    if (document.visibilityState === "hidden" || this.riders.size === 0) return;
    this.tries = 0;
    if (this.link === "up") {
      if (Date.now() - this.heardAt > SILENCE_MS) this.socket.terminate();
      else if (this.open?.readyState === WebSocket.OPEN) {
        this.open.send('{"type":"ping"}');
        this.expect(WAKE_PONG_MS);
      }
    } else if (this.link === "connecting") {
      if (Date.now() - this.connectingSince > WAKE_PONG_MS) this.socket.terminate();
    } else this.again();
  };

  private connecting(): void {
    this.link = "connecting";
    this.connectingSince = Date.now();
    this.expect(CONNECT_MS);
    this.update();
  }

  private connected(socket: WebSocket): void {
    this.open = socket;
    this.link = "up";
    this.failed = false;
    this.heardAt = Date.now();
    clearTimeout(this.deadline);
    this.update();
  }

  private closed(code: number | undefined): void {
    this.open = undefined;
    this.link = "down";
    this.failed = true;
    clearTimeout(this.deadline);
    if (code !== undefined && UNKNOWN_CALLER.includes(code)) {
      for (const rider of [...this.riders]) rider.refused();
      signedOut();
    }
    this.update();
  }

  /** Give the connection up unless it speaks in time. */
  private expect(ms: number): void {
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => this.socket.terminate(), ms);
  }

  private cancelRetry(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
  }

  private update(): void {
    const away = this.riders.size > 0 && this.link !== "up";
    if (this.riders.size === 0) this.failed = false;
    if (!away) {
      clearTimeout(this.patience);
      this.patience = undefined;
      this.impatient = false;
    } else if (!this.impatient) {
      this.patience ??= setTimeout(() => {
        this.patience = undefined;
        this.impatient = true;
        this.update();
      }, PATIENCE_MS);
    }
    const now = this.state();
    if (now === this.shown) return;
    this.shown = now;
    for (const listener of [...this.listeners]) listener();
  }

  private state(): Connection {
    if (this.riders.size === 0) return "idle";
    if (this.link === "up") return "live";
    if (this.impatient) return "polling";
    return this.failed ? "reconnecting" : "connecting";
  }
}

let wire: Wire | undefined;

export function theWire(): Wire {
  wire ??= new Wire(`${location.origin.replace(/^http/, "ws")}${GRAPHQL_URL}`);
  return wire;
}
