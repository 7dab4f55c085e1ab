import type { Line, LogApi, LogFilter, Page } from "./api";
import { Lines } from "./lines";

const PAGE = 200;
/** Beyond so many rows those farthest from sight are let go. */
const MOST_ROWS = 20_000;
const NEAR = 60;

/** The lines of a log that a filter allows: a stretch of them, which grows at either end as one scrolls there. */
export class FilteredLog extends Lines {
  private lines: Line[] = [];
  private start_: string | null = null;
  private end: string | null = null;
  private hasBefore = false;
  private busy: "before" | "after" | null = null;
  /** Lines came while the end was not among the rows. */
  private missed = false;
  /** A jump makes answers of before it worthless. */
  private turn = 0;

  private readonly filter: LogFilter;
  private readonly from: number | null;

  constructor(api: LogApi, filter: LogFilter, from: number | null) {
    super(api);
    this.filter = filter;
    this.from = from;
  }

  get rows(): number {
    return this.lines.length;
  }
  at(row: number): Line | undefined {
    return this.lines[row];
  }
  numberOf(row: number): number | undefined {
    return this.lines[row]?.number;
  }

  rowNear(number: number): number {
    let [low, high] = [0, this.lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.lines[middle]?.number ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    return Math.min(low, Math.max(0, this.lines.length - 1));
  }

  protected start(): Promise<void> {
    return this.attempt(async () => {
      const range = await this.api.range();
      const last = await this.api.page({ last: 1 });
      if (this.closed) return;
      this.ended = range.ended;
      if (this.from === null) await this.goToEnd();
      else await this.goTo(this.from);
      if (this.closed) return;
      this.ready = true;
      this.changed();
      if (!range.ended) {
        const onGap = () => {
          this.missed = true;
          this.hasEnd = false;
        };
        this.follow(last.end, this.filter, (lines) => this.take(lines), onGap);
      }
    });
  }

  private take(lines: Line[]): void {
    if (!this.hasEnd) {
      this.missed = true;
      return;
    }
    const last = this.lines.at(-1)?.number ?? 0;
    this.lines.push(...lines.filter((line) => line.number > last));
    this.end = lines.at(-1)?.cursor ?? this.end;
    if (this.lines.length > MOST_ROWS) this.drop(MOST_ROWS / 4);
  }

  private drop(count: number): void {
    this.lines.splice(0, count);
    this.start_ = this.lines[0]?.cursor ?? null;
    this.hasBefore = true;
    this.shifted -= count;
  }

  private begin(page: Page): void {
    this.lines = page.lines;
    this.start_ = page.start;
    this.end = page.end;
    this.turn += 1;
    this.busy = null;
  }

  async goToEnd(): Promise<void> {
    await this.attempt(async () => {
      if (this.ready && this.hasEnd) return;
      const page = await this.api.page({ last: PAGE, filter: this.filter });
      if (this.closed) return;
      this.begin(page);
      this.hasBefore = page.hasPrevious;
      this.hasEnd = true;
      this.missed = false;
      this.changed();
    });
  }

  async goTo(number: number): Promise<void> {
    if (this.ready && this.lines[this.rowNear(number)]?.number === number) return;
    await this.attempt(async () => {
      const [at] = (await this.api.page({ first: 1, fromLine: Math.max(1, number) })).lines;
      const page = await this.api.page({ first: PAGE, fromLine: Math.max(1, number), filter: this.filter });
      if (this.closed) return;
      this.begin(page);
      this.start_ = at?.cursor ?? null;
      this.hasBefore = at !== undefined && at.number > 1;
      this.hasEnd = !page.hasNext;
      this.changed();
    });
  }

  need(from: number, to: number): void {
    if (this.busy || this.failure) return;
    if (to > this.rows - NEAR && !this.hasEnd) void this.grow("after");
    else if (from < NEAR && this.hasBefore) void this.grow("before");
  }

  private async grow(way: "before" | "after"): Promise<void> {
    const turn = this.turn;
    this.busy = way;
    this.missed = false;
    this.looking = this.rows < NEAR;
    await this.attempt(async () => {
      const page = await this.api.page(
        way === "before"
          ? { last: PAGE, before: this.start_, filter: this.filter }
          : { first: PAGE, after: this.end, filter: this.filter },
      );
      if (this.closed || turn !== this.turn) return;
      if (way === "before") this.prepend(page);
      else this.append(page);
    });
    if (this.closed || turn !== this.turn) return;
    this.busy = null;
    this.looking = !this.failure && this.rows < NEAR && (this.hasBefore || !this.hasEnd);
    this.changed();
  }

  private prepend(page: Page): void {
    this.lines = [...page.lines, ...this.lines];
    this.start_ = page.start ?? this.start_;
    this.hasBefore = page.hasPrevious;
    this.shifted += page.lines.length;
    if (this.lines.length > MOST_ROWS) {
      this.lines.length = MOST_ROWS * 0.75;
      this.end = this.lines.at(-1)?.cursor ?? null;
      this.hasEnd = false;
    }
  }

  private append(page: Page): void {
    this.lines = [...this.lines, ...page.lines];
    this.end = page.end ?? this.end;
    // Lines that came while this page was under way may be beyond it.
    this.hasEnd = !page.hasNext && !this.missed;
    if (this.lines.length > MOST_ROWS) this.drop(MOST_ROWS / 4);
  }
}
