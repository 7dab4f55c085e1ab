/**
 * Where a list of any length stands, and where its scroll bar belongs.
 *
 * Browsers clamp elements at 17 to 33 million pixels, so the scroll space is capped and the bar moves in proportion. The truth is an
 * anchor, the first visible row and how much of it is hidden: small movements go pixel by pixel from there, long ones (the bar was
 * dragged) by proportion. Afterwards the bar is put back to where the anchor is. Nothing here costs more with more rows.
 */

export const ROW = 20;
export const MOST = 12_000_000;
/** Movements of up to this many heights of the view are taken to be steps, not drags. */
const STEP = 1.5;

export class ScrollSpace {
  rows = 0;
  view = 0;
  row = 0;
  /** How much of `row` is above the view. */
  px = 0;
  /** The mean height of a row, by which the space of rows that were never seen is guessed. */
  mean = ROW;
  private bar = 0;

  private readonly measured: (row: number) => number | undefined;

  constructor(measured: (row: number) => number | undefined) {
    this.measured = measured;
  }

  height(row: number): number {
    return this.measured(row) ?? ROW;
  }

  /** The height of the element that is scrolled. */
  get size(): number {
    return Math.max(this.view, Math.min(MOST, Math.ceil(this.rows * this.mean)));
  }

  private get most(): number {
    return this.size - this.view;
  }

  /** Pixels of the bar for a row. */
  private get scale(): number {
    const rows = this.rows - this.view / this.mean;
    return rows > 0 ? this.most / rows : 0;
  }

  /** Whether rows below the view are left. */
  get atEnd(): boolean {
    let below = -this.px;
    for (let row = this.row; row < this.rows; row++) {
      below += this.height(row);
      if (below > this.view + 1) return false;
    }
    return true;
  }

  /** Where the scroll bar belongs. */
  get place(): number {
    if (this.row === 0 && this.px === 0) return 0;
    if (this.atEnd) return this.most;
    return Math.min(this.most, (this.row + this.px / this.height(this.row)) * this.scale);
  }

  /** The bar was put there by us: the event that follows says nothing. */
  placed(bar: number): void {
    this.bar = bar;
  }

  /** The bar is there; true where it has to be put back at once, because it has run out of room before the rows did. */
  scrolled(bar: number): boolean {
    const delta = bar - this.bar;
    this.bar = bar;
    if (Math.abs(delta) < 0.5) return false;
    if (Math.abs(delta) <= this.view * STEP) this.moveBy(delta);
    else if (bar >= this.most - 1) this.toEnd();
    else this.at(this.scale > 0 ? bar / this.scale : 0);
    if (bar <= 0) return this.row > 0 || this.px > 0;
    return bar >= this.most - 1 && !this.atEnd;
  }

  private at(place: number): void {
    const row = Math.min(Math.max(0, this.rows - 1), Math.floor(place));
    this.row = row;
    this.px = (place - row) * this.height(row);
    this.settle();
  }

  moveBy(delta: number): void {
    this.px += delta;
    while (this.px < 0 && this.row > 0) {
      this.row -= 1;
      this.px += this.height(this.row);
    }
    while (this.row < this.rows - 1 && this.px >= this.height(this.row)) {
      this.px -= this.height(this.row);
      this.row += 1;
    }
    this.settle();
  }

  /** Nothing above the first row is shown, and nothing below the last. */
  private settle(): void {
    this.px = Math.max(0, this.px);
    if (this.atEnd) this.toEnd();
  }

  toEnd(): void {
    let above = 0;
    for (let row = this.rows - 1; row >= 0; row--) {
      above += this.height(row);
      if (above >= this.view) {
        this.row = row;
        this.px = above - this.view;
        return;
      }
    }
    this.row = 0;
    this.px = 0;
  }

  /** Put a row into the middle. */
  toRow(row: number): void {
    this.row = Math.max(0, Math.min(row, this.rows - 1));
    this.px = 0;
    this.moveBy(-(this.view - this.height(this.row)) / 2);
  }

  /** Whether a row is in sight as a whole. */
  shows(row: number): boolean {
    if (row < this.row || (row === this.row && this.px > 0)) return false;
    let below = -this.px;
    for (let at = this.row; at <= row; at++) {
      below += this.height(at);
      if (below > this.view) return false;
    }
    return true;
  }

  /** Rows were put before the first, or, below zero, taken away there. */
  shift(by: number): void {
    this.row = Math.max(0, this.row + by);
  }

  /** The rows to draw: those in the view and `more` on either side. */
  range(more: number): [number, number] {
    let last = this.row;
    for (let below = -this.px; last < this.rows && below < this.view; last++) below += this.height(last);
    return [Math.max(0, this.row - more), Math.min(this.rows, last + more)];
  }
}
