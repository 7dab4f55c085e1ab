/** Lines by number in windows of 200, the least recently seen ones forgotten. */

export const WINDOW = 200;
const KEPT = 60;

/** Undefined: not read yet. Null: read, and no longer kept by the server. */
type Slot<T> = T | null | undefined;

export class Windows<T extends { number: number }> {
  private readonly windows = new Map<number, Slot<T>[]>();

  private readonly kept: number;

  constructor(kept = KEPT) {
    this.kept = kept;
  }

  static of(number: number): number {
    return Math.floor((number - 1) / WINDOW);
  }

  static first(window: number): number {
    return window * WINDOW + 1;
  }

  at(number: number): Slot<T> {
    return this.windows.get(Windows.of(number))?.[(number - 1) % WINDOW];
  }

  put(lines: readonly T[]): void {
    for (const line of lines) this.slots(Windows.of(line.number))[(line.number - 1) % WINDOW] = line;
    this.forget();
  }

  /** A window was read: what it has not, up to `last`, the server has not either. */
  fill(window: number, lines: readonly T[], last: number): void {
    const slots = this.slots(window);
    const first = Windows.first(window);
    for (const line of lines) if (Windows.of(line.number) === window) slots[line.number - first] = line;
    for (let at = 0; at < WINDOW && first + at <= last; at++) if (slots[at] === undefined) slots[at] = null;
    this.forget();
  }

  /** The windows in which lines from `from` to `to` are missing. */
  missing(from: number, to: number): number[] {
    const found: number[] = [];
    for (let window = Windows.of(from); window <= Windows.of(to); window++) {
      const slots = this.windows.get(window);
      const first = Windows.first(window);
      const start = Math.max(from, first) - first;
      const end = Math.min(to, first + WINDOW - 1) - first;
      let whole = slots !== undefined;
      for (let at = start; whole && at <= end; at++) whole = slots?.[at] !== undefined;
      if (whole) this.touch(window);
      else found.push(window);
    }
    return found;
  }

  get size(): number {
    return this.windows.size;
  }

  private slots(window: number): Slot<T>[] {
    const slots = this.windows.get(window) ?? new Array<Slot<T>>(WINDOW);
    this.windows.delete(window);
    this.windows.set(window, slots);
    return slots;
  }

  private touch(window: number): void {
    this.slots(window);
  }

  private forget(): void {
    for (const window of this.windows.keys()) {
      if (this.windows.size <= this.kept) return;
      this.windows.delete(window);
    }
  }
}
