/** For the tests of what is live. */
import { vi } from "vitest";
import { graphql } from "./graphql";

/** What they subscribe to. */
export const EVENTS = graphql(`
  subscription LiveTest($jobId: ID!, $after: Cursor) {
    jobEvents(jobId: $jobId, after: $after) {
      __typename
      ... on JobEventBatch {
        cursor
      }
      ... on Heartbeat {
        cursor
      }
      ... on StreamEnd {
        cursor
        reason
      }
    }
  }
`);

export const settle = () => vi.advanceTimersByTimeAsync(0);

export interface Sent {
  type: string;
  id: string;
  payload: { variables: Record<string, unknown> };
}

/** What the browser calls a socket, in the hands of a test that plays the server. */
export class FakeSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  static made: FakeSocket[] = [];
  static get last(): FakeSocket {
    const found = FakeSocket.made.at(-1);
    if (!found) throw new Error("No socket was opened.");
    return found;
  }

  readyState = FakeSocket.CONNECTING;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string; wasClean: boolean }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  sent: Sent[] = [];
  closedWith: number | undefined;

  constructor() {
    FakeSocket.made.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code?: number): void {
    this.readyState = FakeSocket.CLOSED;
    this.closedWith = code;
    this.onclose?.({ code: code ?? 1005, reason: "", wasClean: true });
  }

  /** The server's side, from here on. */
  async greet(): Promise<void> {
    this.readyState = FakeSocket.OPEN;
    this.onopen?.();
    await settle();
    this.say({ type: "connection_ack" });
    await settle();
  }

  say(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  async cut(code = 1006): Promise<void> {
    this.readyState = FakeSocket.CLOSED;
    this.onclose?.({ code, reason: "", wasClean: false });
    await settle();
  }

  get subscriptions(): Sent[] {
    return this.sent.filter((one) => one.type === "subscribe");
  }

  subscription(index = 0): Sent {
    const found = this.subscriptions.at(index);
    if (!found) throw new Error("Nothing was subscribed to.");
    return found;
  }

  next(frame: object, index = 0): void {
    this.say({ id: this.subscription(index).id, type: "next", payload: { data: { jobEvents: frame } } });
  }

  pings(): number {
    return this.sent.filter((one) => one.type === "ping").length;
  }
}
