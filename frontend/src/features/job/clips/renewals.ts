/** When addresses of clips that ran out are asked for anew: once for all that fail together, and never for ever. */

/** A clip that cannot be played at all would ask for ever. */
const MOST_OF_ONE = 3;

export class Renewals {
  private readonly failures = new Map<string, number>();
  private waiting = false;

  /** A clip could not be loaded. Whether to ask: not while an answer is on its way, nor for a clip that other addresses did not help. */
  fail(id: string): boolean {
    const before = this.failures.get(id) ?? 0;
    if (this.waiting || before >= MOST_OF_ONE) return false;
    this.failures.set(id, before + 1);
    this.waiting = true;
    return true;
  }

  /** The addresses that were asked for are there. */
  answer(): void {
    this.waiting = false;
  }

  /** A clip is there: the next time its address runs out is another one. */
  load(id: string): void {
    this.failures.delete(id);
  }
}
