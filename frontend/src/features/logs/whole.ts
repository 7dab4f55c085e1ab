import type { Line } from "./api";
import { Lines } from "./lines";
import { WINDOW, Windows } from "./windows";

/** So many windows are asked for at once; what went out of sight before its turn is not asked for. */
const AT_ONCE = 3;

/** A log without a filter: any row is a number away. */
export class WholeLog extends Lines {
  private readonly windows = new Windows<Line>();
  private first = 1;
  private last = 0;
  private wanted: number[] = [];
  private readonly asked = new Set<number>();

  get rows(): number {
    return Math.max(0, this.last - this.first + 1);
  }

  numberOf(row: number): number {
    return this.first + row;
  }

  rowNear(number: number): number {
    return Math.max(0, Math.min(number, this.last) - this.first);
  }

  at(row: number): Line | null | undefined {
    return this.windows.at(this.first + row);
  }

  protected start(): Promise<void> {
    return this.attempt(async () => {
      const range = await this.api.range();
      const page = await this.api.page({ last: WINDOW });
      if (this.closed) return;
      this.first = range.firstLine;
      // The page was read after the range: it may know later lines.
      this.last = Math.max(range.lastLine, page.lines.at(-1)?.number ?? 0);
      this.windows.put(page.lines);
      this.ended = range.ended;
      this.ready = true;
      this.changed();
      if (!range.ended) this.tail(page.end);
    });
  }

  private tail(after: string | null): void {
    this.follow(
      after,
      null,
      (lines) => {
        this.windows.put(lines);
        this.last = Math.max(this.last, lines.at(-1)?.number ?? 0);
      },
      // The lines that were left out are fetched like all others, once it is known how many they are.
      () =>
        void this.attempt(async () => {
          this.last = Math.max(this.last, (await this.api.range()).lastLine);
          this.changed();
        }),
    );
  }

  need(from: number, to: number): void {
    if (!this.ready || to <= from) return;
    this.wanted = this.windows.missing(this.first + from, this.first + Math.min(to, this.rows) - 1);
    this.fetch();
  }

  private fetch(): void {
    if (this.failure) return;
    for (const window of this.wanted) {
      if (this.asked.size >= AT_ONCE) return;
      if (this.asked.has(window)) continue;
      this.asked.add(window);
      void this.attempt(() => this.read(window)).finally(() => {
        this.asked.delete(window);
        this.wanted = this.wanted.filter((one) => one !== window);
        if (!this.closed) this.fetch();
      });
    }
  }

  private async read(window: number): Promise<void> {
    // What is written while the answer is under way is not missing from it.
    const last = this.last;
    const page = await this.api.page({ first: WINDOW, fromLine: Windows.first(window) });
    if (this.closed) return;
    this.windows.fill(window, page.lines, last);
    this.changed();
  }

  async goTo(): Promise<void> {}
  async goToEnd(): Promise<void> {}
}
