/** What the viewer draws: rows that are there, or will be. Two kinds: the whole log by number, and the lines that a filter allows. */
import type { StreamState } from "@/lib/live";
import { type Line, type LogApi, LogFailure } from "./api";

export abstract class Lines {
  /** How many rows there are to scroll through. */
  abstract readonly rows: number;
  /** Undefined while it is fetched, null where the server keeps it no longer. */
  abstract at(row: number): Line | null | undefined;
  abstract numberOf(row: number): number | undefined;
  /** The row of this line, or of the next one that is there. */
  abstract rowNear(number: number): number;
  /** These rows are in sight: what is missing of them is fetched. */
  abstract need(from: number, to: number): void;
  /** Go to where this line is, or would be. */
  abstract goTo(number: number): Promise<void>;
  /** Go to the end of the log. */
  abstract goToEnd(): Promise<void>;

  /** How many rows have been put before the first (below zero: taken away there) since the beginning. */
  shifted = 0;
  /** How many lines have been written since the beginning. */
  arrived = 0;
  ready = false;
  ended = false;
  /** Whether the end of the log is among the rows, so that it can be followed. */
  hasEnd = true;
  /** Whether it is being looked for more, where that may take a while. */
  looking = false;
  failure: string | null = null;
  state: StreamState = "waiting";

  protected closed = false;
  private readonly listeners = new Set<() => void>();
  private version = 0;
  private stopTail: (() => void) | undefined;

  protected readonly api: LogApi;

  constructor(api: LogApi) {
    this.api = api;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  snapshot = (): number => this.version;

  protected changed(): void {
    this.version += 1;
    for (const listener of this.listeners) listener();
  }

  /** Run what may fail; a failure is shown, and `retry` begins again. */
  protected async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.closed) return;
      if (!(error instanceof LogFailure)) throw error;
      this.failure = error.message;
      this.changed();
    }
  }

  protected abstract start(): Promise<void>;

  open(): void {
    this.closed = false;
    void this.start();
  }

  retry(): void {
    this.failure = null;
    this.changed();
    if (!this.ready) void this.start();
  }

  protected follow(
    after: string | null,
    filter: Parameters<LogApi["tail"]>[0]["filter"],
    take: (lines: Line[]) => void,
    onGap: () => void,
  ): void {
    this.stopTail?.();
    this.stopTail = this.api.tail({
      after,
      filter,
      onLines: (lines) => {
        if (lines.length === 0) return;
        this.arrived += lines.length;
        take(lines);
        this.changed();
      },
      onGap,
      onState: (state) => {
        this.state = state;
        this.ended ||= state === "ended";
        this.changed();
      },
    });
  }

  close(): void {
    this.closed = true;
    this.stopTail?.();
  }
}
